"""The configuration: YAML files in, one frozen, complete, checked object out.

::

    configuration = load("configs/simulated.yaml")          # or load(path, "procedure's name")
    configuration.main.site.paths.r0                        # absolute
    configuration.main.resources_for("dl1ab").memory_mb
    configuration.procedure.dl1ab.config["tailcut"]         # lstchain's configuration, resolved

Every mistake in every file is reported in one ConfigurationError. docs/configuration.md lists every key.
"""

from osa_luigi.config.analysis import Analysis
from osa_luigi.config.campaign import CAMPAIGN_TYPE, Campaign, Point
from osa_luigi.config.frozen import FrozenMapping, freeze, thaw
from osa_luigi.config.load import (
    load,
    load_analysis,
    load_campaign,
    load_main,
    load_of_type,
    load_procedure,
    load_workflow,
    procedure_names,
    validate,
    workflows,
)
from osa_luigi.config.main_schema import STEPS
from osa_luigi.config.model import (
    Calibration,
    CatB,
    ChargeCalibration,
    Configuration,
    Datacheck,
    DiscardRules,
    Dl1ab,
    Dl2,
    Drs4Baseline,
    Executor,
    Fake,
    GainSelection,
    Ledger,
    LocalExecutor,
    Longterm,
    MainConfig,
    Merge,
    Morning,
    Paths,
    Procedure,
    Provided,
    Publication,
    R0ToDl1,
    Resources,
    Retention,
    Site,
    SlurmEnvironment,
    SlurmExecutor,
    SlurmGrowth,
    SlurmPlace,
    Tailcuts,
    TimeCalibration,
)
from osa_luigi.config.render import difference, expanded, scientific, show
from osa_luigi.config.workflows import Workflow

__all__ = [
    "CAMPAIGN_TYPE",
    "STEPS",
    "Analysis",
    "Calibration",
    "Campaign",
    "CatB",
    "ChargeCalibration",
    "Configuration",
    "Datacheck",
    "DiscardRules",
    "Dl1ab",
    "Dl2",
    "Drs4Baseline",
    "Executor",
    "Fake",
    "FrozenMapping",
    "GainSelection",
    "Ledger",
    "LocalExecutor",
    "Longterm",
    "MainConfig",
    "Merge",
    "Morning",
    "Paths",
    "Point",
    "Procedure",
    "Provided",
    "Publication",
    "R0ToDl1",
    "Resources",
    "Retention",
    "Site",
    "SlurmEnvironment",
    "SlurmExecutor",
    "SlurmGrowth",
    "SlurmPlace",
    "Tailcuts",
    "TimeCalibration",
    "Workflow",
    "difference",
    "expanded",
    "freeze",
    "load",
    "load_analysis",
    "load_campaign",
    "load_main",
    "load_of_type",
    "load_procedure",
    "load_workflow",
    "procedure_names",
    "scientific",
    "show",
    "thaw",
    "validate",
    "workflows",
]
