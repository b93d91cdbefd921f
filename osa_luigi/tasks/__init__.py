"""The luigi graph: what a night consists of, and in which order.

Importing it registers the tasks with luigi, and makes luigi's command use the worker of `osa_luigi.batch`.
"""

from osa_luigi.batch.command import register
from osa_luigi.tasks.night import CloseTask, LongtermTask, NightTask
from osa_luigi.tasks.part import CalibrationTask, RunSummaryTask
from osa_luigi.tasks.run import DatacheckTask, Dl2Task, MergeTask, PlotsTask, ReconstructionTask, RunCalibrationTask
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
