"""What may stand in a procedure of type ``analysis``: a user's class over products of other procedures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from osa_luigi.analysis.kinds import KINDS
from osa_luigi.config.frozen import FrozenMapping
from osa_luigi.config.head import NAME, NAME_HINT, head
from osa_luigi.config.model import Resources
from osa_luigi.config.rules import OPERATIONAL, SCIENTIFIC, Schema, free, leaf, names, one_or_more, section

SCOPES = ("run", "night", "campaign")
MODES = ("tables", "chunks")

ANALYSIS: Schema = {
    **head("analysis"),
    "production_id": leaf(
        OPERATIONAL,
        "string",
        None,
        "Folder name of what it makes (null: its name).",
        regex=r"(?!\.)[A-Za-z0-9._+-]{1,64}",
        hint="letters, digits and . _ + - only, no dot first, 64 at most",
    ),
    "of": one_or_more(
        SCIENTIFIC,
        "Whose products it reads: a reconstruction, a campaign (all its productions), a point of one (`name@0`), or another analysis; "
        "one, or several.",
        required=True,
    ),
    "scope": leaf(
        SCIENTIFIC,
        "string",
        "night",
        "What it is run for: each run of a night, a night as a whole, or many nights together.",
        allowed=list(SCOPES),
    ),
    "class": leaf(
        SCIENTIFIC,
        "string",
        None,
        "The user's class: its name in `path`; `module:Class`; or an entry point of the group osa_luigi.analyses.",
        required=True,
        regex=r"[A-Za-z_][\w.-]*(:[A-Za-z_]\w*)?",
        hint="write Class, module:Class, or the name of an entry point",
    ),
    "path": leaf(
        OPERATIONAL,
        "string",
        None,
        "The Python file that holds the class (null: it is installed).",
        minlength=1,
        path="this file",
    ),
    "helpers": names(
        OPERATIONAL,
        [],
        "Python files that the class imports from beside `path`; they count in step keys by their content.",
    ),
    "reads": names(
        SCIENTIFIC,
        [],
        f"Kinds of products that it reads, one or more of {', '.join(KINDS)}.",
        required=True,
        minlength=1,
    ),
    "mode": leaf(
        SCIENTIFIC,
        "string",
        "tables",
        "`tables`: a file's whole table at a time; `chunks`: at most `chunk_rows` rows.",
        allowed=list(MODES),
    ),
    "chunk_rows": leaf(SCIENTIFIC, "integer", 100_000, "Rows of a chunk.", min=1, unit="rows"),
    "parameters": free(SCIENTIFIC, "What the class is made with; numbers, texts, lists and mappings, of any names."),
    "provides_calibration": leaf(
        OPERATIONAL,
        "string",
        None,
        "The name by which reconstructions ask for its calibration (`dl1ab.calibration`); null: it provides none.",
        regex=NAME,
        hint=NAME_HINT,
    ),
    "merge": leaf(
        OPERATIONAL,
        "boolean",
        False,
        "Merge the summaries of a night's runs to one HDF5 file; all must have the same columns. Only with scope run.",
    ),
    "resources": section(
        "What a job needs.",
        {
            "memory_mb": leaf(OPERATIONAL, "integer", 4_000, "Memory.", min=1, unit="MB"),
            "time_limit_minutes": leaf(
                OPERATIONAL, "number", 60, "Time; an attempt that takes longer is ended.", min=0.01, unit="minutes"
            ),
            "cores": leaf(OPERATIONAL, "integer", 1, "Cores.", min=1),
        },
    ),
}


@dataclass(frozen=True, slots=True)
class Source:
    """A production of each night that is read.

    Parameters
    ----------
    procedure
        Its name: a reconstruction, a point of a campaign, or an analysis.
    production
        The production id.
    scope
        Of an analysis; empty for all others. With ``campaign`` there is one production for all nights.
    campaign
        The campaign that it is a point of; empty for all others.
    """

    procedure: str
    production: str
    scope: str = ""
    campaign: str = ""


@dataclass(frozen=True, slots=True)
class Analysis:
    """A user's analysis, checked.

    Parameters
    ----------
    file
        The YAML file that it stands in.
    sources
        What it reads.
    reconstruction
        What its sources are made by in the end, the first of several: its executor is the analysis's, too.
    class_name, class_path, helpers
        Where the class is; paths are absolute.
    chunk_rows
        `None` in mode ``tables``.
    """

    file: Path
    name: str
    production_id: str
    sources: tuple[Source, ...]
    reconstruction: str
    scope: str
    class_name: str
    class_path: Path | None
    helpers: tuple[Path, ...]
    reads: tuple[str, ...]
    chunk_rows: int | None
    parameters: FrozenMapping
    provides_calibration: str | None
    merge: bool
    resources: Resources
    settings: FrozenMapping

    @property
    def of(self) -> tuple[str, ...]:
        """The procedures whose products it reads."""
        return tuple(source.procedure for source in self.sources)

    @property
    def campaign(self) -> str:
        """The one campaign whose nights it is made of where no others are asked for; empty if there is none, or several."""
        found = {source.campaign for source in self.sources if source.campaign}
        return found.pop() if len(found) == 1 and self.scope == "campaign" else ""
