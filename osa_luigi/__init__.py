"""osa_luigi: the onsite analysis engine for Cherenkov telescopes, as a luigi task graph.

::

    luigi --module osa_luigi NightTask --date 2024-11-15

Importing the package registers its tasks with luigi, and the worker that hands their work to an executor.
"""

from osa_luigi.batch.worker import register
from osa_luigi.tasks.night import (
    CalibrationTask,
    CloseTask,
    DatacheckTask,
    Dl2Task,
    LongtermTask,
    MergeTask,
    NightTask,
    PlotsTask,
    ReconstructionTask,
    RunCalibrationTask,
    RunSummaryTask,
)
from osa_luigi.tasks.session import prefer_environment

register()
prefer_environment()

__all__ = [
    "CalibrationTask",
    "CloseTask",
    "DatacheckTask",
    "Dl2Task",
    "LongtermTask",
    "MergeTask",
    "NightTask",
    "PlotsTask",
    "ReconstructionTask",
    "RunCalibrationTask",
    "RunSummaryTask",
]
