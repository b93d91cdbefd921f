"""The tables of lstchain's DL1 and DL2 files, and what must be true of their events."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from osa_luigi.night.drive import pointing_times
from osa_luigi.steps.checks import Hdf5, hdf5_rows, refuse

PARAMETERS = "/dl1/event/telescope/parameters/LST_LSTCam"
IMAGES = "/dl1/event/telescope/image/LST_LSTCam"
MONITORING = tuple(f"/dl1/event/telescope/monitoring/{name}" for name in ("calibration", "flatfield", "pedestal"))
PEDESTAL_CHARGE = "charge_mean"
"""Of the last of them."""
CAT_B = tuple(f"/dl1/monitoring/telescope/catB/{name}" for name in ("calibration", "flatfield", "pedestal"))
DL2_PARAMETERS = "/dl2/event/telescope/parameters/LST_LSTCam"
SOURCES = "/source_filenames/filenames"

_COLUMNS = ("event_id", "event_type", "trigger_time", "dragon_time", "alt_tel", "az_tel")
KEEP = {PARAMETERS: _COLUMNS, DL2_PARAMETERS: (*_COLUMNS, "reco_energy", "reco_alt", "reco_az", "gammaness")}
"""Columns that are judged."""

FLATFIELD, SKY_PEDESTAL = 0, 2
"""Event types (ctapipe's ``EventType``) of the interleaved calibration events."""

MAX_POINTING_GAP = 30.0
"""Seconds between two lines of the drive log, of which there is one a second or two."""
COMPLETE_LOG = "complete the drive log, then run again"
MAX_UNPOINTED = 0.1
"""Fraction of the events that may lack a time or a pointing. Single clock errors happen, and DL2 interpolates over them; more
means a drive log of another night, or a broken clock."""


def check_events(file: Hdf5, node: str = PARAMETERS) -> None:
    """Events are there once each, with time and pointing.

    Image parameters are not looked at: events without an image that survives cleaning rightly have NaN there.

    Raises
    ------
    VerificationError
        Event ids occur twice, or many times or pointings are no numbers.
    """
    import numpy as np

    ids = file.column(node, "event_id")
    if twice := len(ids) - len(np.unique(ids)):
        raise refuse(file.path, f"{twice} of {len(ids)} events occur twice")
    for name in ("trigger_time", "dragon_time", "alt_tel", "az_tel"):
        bad = int(np.count_nonzero(~np.isfinite(file.column(node, name))))
        if bad > MAX_UNPOINTED * len(ids):
            raise refuse(
                file.path,
                f"{name} is not finite for {bad} of {len(ids)} events",
                "check that the drive log covers the run, and the clocks in the run summary",
            )


def check_pointing(file: Hdf5, log: Path) -> None:
    """No event falls into a gap of the drive log: lstchain interpolates over one of any length, and says nothing.

    Raises
    ------
    VerificationError
        Events do, by more than `MAX_POINTING_GAP`.
    """
    import numpy as np

    stamps = np.array(pointing_times(log))
    times = file.column(PARAMETERS, "trigger_time")
    times = times[np.isfinite(times)]
    if len(stamps) < 2:
        raise refuse(log, f"has {len(stamps)} lines with times", COMPLETE_LOG)
    after = np.clip(np.searchsorted(stamps, times, side="right"), 1, len(stamps) - 1)
    gap = stamps[after] - stamps[after - 1]
    gap[(times < stamps[0]) | (times > stamps[-1])] = np.inf
    if lost := int(np.count_nonzero(gap > MAX_POINTING_GAP)):
        what = f"{lost} of {len(times)} events fall into a gap of {log.name} ({gap.max():.0f} s)"
        raise refuse(file.path, what, COMPLETE_LOG)


def check_same_events(file: Hdf5, node: str, source: Path) -> int:
    """A table has the events of another file's parameters, in order; how many there are.

    Raises
    ------
    VerificationError
        Events were lost, added or changed places.
    """
    import numpy as np
    import tables

    with tables.open_file(str(source)) as before:
        expected = before.get_node(PARAMETERS).col("event_id")
    file.require_rows(node, len(expected), f"events of {source.name}")
    if not np.array_equal(file.column(node, "event_id"), expected):
        raise refuse(file.path, f"{node} has not the events of {source.name}, or in another order")
    return len(expected)


def rows_of(paths: Iterable[Path], node: str) -> int:
    """Rows that a table has in all of these files together."""
    return sum(hdf5_rows(path, node) for path in paths)


def sources(file: Hdf5) -> set[str]:
    """Names of the files that lstchain says it merged."""
    names: Any = file.array(SOURCES)
    return {Path(name.decode() if isinstance(name, bytes) else str(name)).name for name in names}


def check_sources(file: Hdf5, expected: Iterable[Path]) -> int:
    """A merged file was made from exactly these files; how many they are.

    Raises
    ------
    VerificationError
        Some were left out (lstchain drops what it finds incompatible, and exits 0), or others came in.
    """
    wanted, found = {path.name for path in expected}, sources(file)
    if lost := sorted(wanted - found):
        raise refuse(
            file.path,
            f"lacks {', '.join(lost)}",
            "the log says why lstchain left them out (other versions or another array): make these subruns again",
        )
    if more := sorted(found - wanted):
        raise refuse(file.path, f"holds {', '.join(more)}, which do not belong to it")
    return len(wanted)
