"""The tasks of the graph. Importing it registers them with luigi, and makes luigi's command use the worker of `osa_luigi.batch`."""

from osa_luigi.batch.command import register
from osa_luigi.tasks.analysis import AnalysisCloseTask, AnalysisPartTask, AnalysisTask
from osa_luigi.tasks.campaign_task import CampaignTask
from osa_luigi.tasks.night import CloseTask, LongtermTask, NightTask
from osa_luigi.tasks.part import CalibrationTask, RunSummaryTask
from osa_luigi.tasks.run import DatacheckTask, Dl2Task, MergeTask, PlotsTask, ReconstructionTask, RunCalibrationTask
from osa_luigi.tasks.settings import prefer_environment
from osa_luigi.tasks.workflow import WorkflowTask

register()
prefer_environment()

__all__ = [
    "AnalysisCloseTask",
    "AnalysisPartTask",
    "AnalysisTask",
    "CalibrationTask",
    "CampaignTask",
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
    "WorkflowTask",
]
