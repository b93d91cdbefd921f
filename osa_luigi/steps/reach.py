"""Which steps' products a scientific setting reaches: the step that reads it, and all that is made from that one's products."""

from __future__ import annotations

from collections.abc import Iterable

READERS: dict[str, tuple[str, ...]] = {
    "gain_selection": ("gain_selection", "r0_to_dl1"),
    "calibration.drs4_baseline": ("drs4_baseline",),
    "calibration.time": ("time_calibration",),
    "calibration.charge": ("charge_calibration",),
    "calibration.charge.flatfield_heuristic": ("charge_calibration", "time_calibration"),
    "r0_to_dl1": ("r0_to_dl1",),
    "cat_b": ("cat_b", "dl1ab"),
    "tailcuts": ("tailcuts", "dl1ab"),
    "dl1ab": ("dl1ab",),
    "merge": ("merge_dl1",),
    "dl2": ("dl2",),
}
"""Setting or section → the steps that read it; the longest name counts. What is not here, all steps read."""

FOLLOWERS: dict[str, tuple[str, ...]] = {
    "drs4_baseline": ("time_calibration", "charge_calibration", "r0_to_dl1"),
    "time_calibration": ("charge_calibration", "r0_to_dl1"),
    "charge_calibration": ("r0_to_dl1", "cat_b"),
    "gain_selection": ("r0_to_dl1",),
    "r0_to_dl1": ("cat_b", "tailcuts", "dl1ab", "merge_muons"),
    "cat_b": ("dl1ab",),
    "tailcuts": ("dl1ab",),
    "dl1ab": ("datacheck", "merge_dl1"),
    "datacheck": ("run_datacheck",),
    "run_datacheck": ("run_plots", "longterm", "transparency"),
    "merge_dl1": ("dl2",),
}
"""Step → those that take its products; the closing of the night takes all."""


def reached(setting: str, used: Iterable[str]) -> list[str]:
    """The steps whose keys change with a scientific setting, of those that a procedure uses.

    Parameters
    ----------
    setting
        Its full name, as ``dl1ab.tailcuts.picture_thresh``.
    used
        The procedure's steps (`Procedure.steps`); they are returned in this order.
    """
    names = list(used)
    readers = next((READERS[name] for name in _from_longest(setting) if name in READERS), tuple(names))
    found: dict[str, None] = {}
    pending = [step for step in readers if step in names]
    while pending:
        step = pending.pop()
        if step not in found:
            found.setdefault(step)
            pending.extend(name for name in FOLLOWERS.get(step, ()) if name in names)
    if found:
        found.setdefault("close")
    return [step for step in names if step in found]


def _from_longest(setting: str) -> Iterable[str]:
    parts = setting.split(".")
    return (".".join(parts[:length]) for length in range(len(parts), 0, -1))
