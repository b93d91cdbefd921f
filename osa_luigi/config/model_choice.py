"""Random forests chosen run by run, by night-sky background and declination: the section ``dl2.model_choice``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from osa_luigi.config.rules import SCIENTIFIC, Schema, leaf, records, section

PLACES = {"nsb": r"(?P<nsb>\d+(?:\.\d+)?)", "declination": r"(?P<declination>(?:min_)?\d+)"}
"""What a template of folders holds: an NSB in lstchain's measure (0.14), a declination in hundredths of a degree (2276, min_413)."""

PLACE = re.compile(r"\{(\w*)\}")
"""A placeholder in a template."""
_LEVELS = [
    {"picture_thresh": 8, "nsb": [0, 0.07, 0.14, 0.22]},
    {"picture_thresh": 10, "nsb": [0.38, 0.5]},
    {"picture_thresh": 12, "nsb": [0.81]},
    {"picture_thresh": 14, "nsb": [1.25]},
    {"picture_thresh": 16, "nsb": [1.76]},
    {"picture_thresh": 18, "nsb": [2.34]},
]
"""Which models were trained for which cleaning, as LST-1's onsite analysis has them."""

MODEL_CHOICE: Schema = section(
    "The models of each run, by its NSB and declination, in the place of `dl2.models`.",
    {
        "base": leaf(
            SCIENTIFIC,
            "string",
            None,
            "Folder below which the folders of models lie.",
            required=True,
            minlength=1,
            path="site.base",
        ),
        "folders": leaf(
            SCIENTIFIC,
            "string",
            "nsb_tuning_{nsb}/dec_{declination}",
            "Names of the folders below base: `{nsb}` as 0.14, `{declination}` in hundredths of a degree, as 2276 or min_413.",
            minlength=1,
        ),
        "nsb": leaf(
            SCIENTIFIC,
            "number",
            None,
            "Additional NSB over the dark simulation, for all runs; needed where tailcuts.source is standard (else it is found).",
            min=0,
            unit="p.e./ns",
        ),
        "levels": {
            **records(
                SCIENTIFIC,
                "NSB of the models that suit a cleaning, by its picture threshold; the nearest to the run's NSB is taken.",
                {
                    "picture_thresh": leaf(
                        SCIENTIFIC,
                        "number",
                        None,
                        "Picture threshold of a cleaning.",
                        min=0,
                        unit="p.e.",
                        required=True,
                    ),
                    "nsb": leaf(
                        SCIENTIFIC,
                        "list",
                        None,
                        "NSB of the models that were trained for it.",
                        minlength=1,
                        schema={"type": "number", "min": 0},
                        unit="p.e./ns",
                        required=True,
                    ),
                },
            ),
            "default": _LEVELS,
            "minlength": 1,
        },
    },
    optional=True,
)


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """How the models of a run are found.

    Parameters
    ----------
    base
        Absolute.
    folders
        Template of the folders below it.
    nsb
        For all runs; `None` where it is found per run.
    levels
        Picture threshold (p.e.) → NSB of the models that suit it, both sorted.
    """

    base: Path
    folders: str
    nsb: float | None
    levels: tuple[tuple[float, tuple[float, ...]], ...]


def built(values: Mapping[str, Any], base: Path) -> ModelChoice:
    """The choice from checked settings; `base` is absolute."""
    levels = {float(row["picture_thresh"]): tuple(sorted(map(float, row["nsb"]))) for row in values["levels"]}
    return ModelChoice(base, values["folders"], values["nsb"], tuple(sorted(levels.items())))


def pattern(template: str) -> list[re.Pattern[str]]:
    """What the name of a folder must look like, for each level below the base."""
    return [
        re.compile("".join(PLACES[part] if number % 2 else re.escape(part) for number, part in enumerate(pieces)))
        for pieces in (PLACE.split(name) for name in template.split("/"))
    ]
