"""What the schema of a selection of runs cannot say, and its result."""

from __future__ import annotations

from typing import Any

from osa_luigi.config.frozen import FrozenMapping
from osa_luigi.config.problems import Key
from osa_luigi.config.selection import Select, Zenith, iso_date
from osa_luigi.config.validate import Checked, shown


def build_select(checked: Checked, section: str = "select") -> Select:
    """The section's result, with what its schema cannot say checked; it counts only if no problem was noted."""
    values = checked.get(section)
    zenith = Zenith(**values["zenith"])
    if zenith.min is not None and zenith.max is not None and zenith.min > zenith.max:
        checked.report((section, "zenith", "max"), f"is less than zenith.min, {shown(zenith.min)}")
    runs = {
        day: found for day, value in values["runs"].items() if (found := _runs(checked, (section, "runs", day), value))
    }
    return Select(FrozenMapping(runs), tuple(values["sources"]), tuple(values["types"]), zenith)


def _runs(checked: Checked, key: Key, value: Any) -> tuple[int, ...]:
    day = str(key[-1])
    if iso_date(day) is None:
        checked.report(key, f"{day!r} is not an observation date (write it as 2024-11-15)")
    good = isinstance(value, list) and value and all(isinstance(run, int) and run > 0 for run in value)
    if not good:
        checked.report(key, "must be a list of run numbers, as [2003, 2004]")
        return ()
    return tuple(sorted(set(value)))
