"""What people should mind of a night that is not part of its plan, each a sentence."""

from __future__ import annotations

from osa_luigi.night import CalibrationSource, Night

SHOWN = 5
"""Of many runs, so many are named."""


def passed_over(night: Night) -> list[str]:
    """For people: there are raw files of runs that are not processed."""
    parts = []
    if night.unlisted_runs:
        runs = ", ".join(map(str, night.unlisted_runs))
        parts.append(f"raw files of runs that the run summary lacks: {runs} (make it again, then run again)")
    if night.erroneous:
        parts.append(left_out(night))
    return parts


def came_late(night: Night) -> list[str]:
    """For people: there are subruns that the run summary does not count, since their files came after it was made."""
    late = [subrun.label for run in night.data_runs for subrun in run.subruns if run.n_subruns <= subrun.subrun]
    if not late:
        return []
    more = f" and {len(late) - SHOWN} more" if len(late) > SHOWN else ""
    return [
        f"raw files that came after the run summary was made: {', '.join(late[:SHOWN])}{more} (their subruns are processed with the "
        "others; run the night again to add them)"
    ]


def not_selected(night: Night) -> str:
    """For people: there are DATA runs that the procedure does not ask for."""
    runs = ", ".join(f"{run} ({why})" for run, why in list(night.unselected.items())[:SHOWN])
    more = f" and {len(night.unselected) - SHOWN} more" if len(night.unselected) > SHOWN else ""
    return f"not selected: {runs}{more}"


def left_out(night: Night) -> str:
    """For people: there are runs that are not processed because of their type."""
    runs = ", ".join(str(run.run_id) for run in night.erroneous)
    return (
        f"runs of type ERROR in the run summary are not processed: {runs} (lstchain could not read their subrun 0, or a "
        "person wrote it; after a repair make the run summary again, then run again)"
    )


def newer_calibration(newer: CalibrationSource) -> str:
    """For people: there are later calibration runs than those that the production was begun with."""
    return (
        f"newer calibration runs are not used, DRS4 {newer.drs4_run} and PEDCALIB {newer.pedcal_run} of "
        f"{newer.date.isoformat()}: the production keeps what it was begun with; another production id takes them"
    )
