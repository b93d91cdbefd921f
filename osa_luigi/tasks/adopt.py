"""Which steps of a night's plan files are that something else made: by their names and folders, as LST-1's sites know them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from osa_luigi.products.production import Production
from osa_luigi.steps.call import Output, StepCall
from osa_luigi.tasks.outlook import Kind, outlook
from osa_luigi.tasks.session import Session

ADOPTABLE = ("drs4_baseline", "time_calibration", "charge_calibration", "r0_to_dl1", "dl1ab")
"""Steps whose products are taken over; what follows is made from them in minutes."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A step of the plan of which files were found.

    Parameters
    ----------
    files
        Role → file.
    trouble
        Why it cannot be adopted; empty if it may be.
    """

    production: Production
    call: StepCall
    files: Mapping[str, Path]
    trouble: str


def candidates(session: Session, paths: Iterable[Path]) -> tuple[list[Candidate], list[Path]]:
    """Steps that files belong to, in the order of the plan, and files that belong to none.

    Parameters
    ----------
    paths
        Files, and folders in which they are looked for.
    """
    known: dict[str, list[tuple[str, Output]]] = {}
    for name, (_, call) in session.plan.calls.items():
        for output in call.outputs if call.step in ADOPTABLE else ():
            known.setdefault(output.path.name, []).append((name, output))
    found: dict[str, dict[str, Path]] = {}
    others = []
    for file in dict.fromkeys(_files(paths)):
        if match := _match(file, known.get(file.name, [])):
            found.setdefault(match[0], {}).setdefault(match[1].role, file)
        else:
            others.append(file)
    every = ((name, production, call) for name, (production, call) in session.plan.calls.items() if name in found)
    return [_candidate(session, production, call, found[name]) for name, production, call in every], others


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        for folder, folders, files in os.walk(path):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            yield from (Path(folder, name) for name in sorted(files))


def _match(file: Path, planned: list[tuple[str, Output]]) -> tuple[str, Output] | None:
    """DL1a and DL1b have the same name: the folder tells."""
    if len(planned) <= 1:
        return planned[0] if planned else None
    fitting = [one for one in planned if file.parts[-len(one[1].path.parts) :] == one[1].path.parts]
    return max(fitting, key=lambda one: len(one[1].path.parts), default=None)


def _candidate(session: Session, production: Production, call: StepCall, files: Mapping[str, Path]) -> Candidate:
    kind = outlook(session, production, call)
    missing = [output.role for output in call.outputs if not output.optional and output.role not in files]
    trouble = ""
    if kind.kind is Kind.MADE:
        trouble = "the production holds it already"
    elif kind.kind not in (Kind.NEW, Kind.LINK, Kind.LOST):
        trouble = kind.why
    elif missing:
        trouble = f"no {', no '.join(missing)} beside it"
    elif unread := next((path for path in files.values() if not path.is_file() or not os.access(path, os.R_OK)), None):
        trouble = f"{unread} cannot be read"
    return Candidate(production, call, files, trouble)
