"""The simulated telescope: a night of raw LST-1 data, with everything beside it that the analysis of a night needs.

One entry, `simulate`. Importing this package is cheap; lstchain, ctapipe and protozfits are imported when a night is
really made.
"""

from __future__ import annotations

import logging

from osa_luigi.telescope.delivery import deliver
from osa_luigi.telescope.faults import Fault, FaultKind
from osa_luigi.telescope.manifest import Manifest
from osa_luigi.telescope.options import (
    ProgressCallback,
    RunType,
    SimulatedNight,
    SimulatedRun,
    SimulationOptions,
)

__all__ = [
    "Fault",
    "FaultKind",
    "ProgressCallback",
    "RunType",
    "SimulatedNight",
    "SimulatedRun",
    "SimulationOptions",
    "deliver",
    "simulate",
]

log = logging.getLogger(__name__)


def simulate(options: SimulationOptions, progress: ProgressCallback | None = None) -> SimulatedNight:
    """Write one simulated night below ``options.base``, or find it there.

    A night that is complete with the same options is returned at once; one that was cut short is completed.

    Parameters
    ----------
    options
        What to simulate.
    progress
        Called with the name of the stage and the fraction of the whole that is done, from 0 to 1.

    Returns
    -------
    SimulatedNight
        Where everything lies.

    Raises
    ------
    NightError
        The base already holds this night made with other options, or another night with the same run numbers.
    """
    report = progress or _log_progress
    manifest = Manifest(options.base)
    night = manifest.recorded(options)
    if night is None:
        from osa_luigi.telescope.night import make_night  # imports lstchain

        night = make_night(options, manifest, report)
    report("done", 1.0)
    return night


def _log_progress(stage: str, fraction: float) -> None:
    log.debug("%s: %.0f %%", stage, 100 * fraction)
