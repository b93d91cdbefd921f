"""The configuration as the rest of osa_luigi sees it: frozen, complete, checked. Nothing downstream reads YAML.

Fields are named as in the YAML files, sections are classes. An lstchain configuration (`config`) is here as its whole
resolved content, overrides and short cuts included.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from osa_luigi.config.executors import Executor as Executor
from osa_luigi.config.executors import LocalExecutor as LocalExecutor
from osa_luigi.config.executors import SlurmEnvironment as SlurmEnvironment
from osa_luigi.config.executors import SlurmExecutor as SlurmExecutor
from osa_luigi.config.executors import SlurmGrowth as SlurmGrowth
from osa_luigi.config.executors import SlurmPlace as SlurmPlace
from osa_luigi.config.frozen import FrozenMapping
from osa_luigi.config.model_choice import ModelChoice
from osa_luigi.config.selection import Select

Origins = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Paths:
    """Folders of the site, absolute."""

    r0: Path
    r0g: Path
    run_summary: Path
    run_catalog: Path
    drive: Path
    time_calibration: Path
    systematics: Path
    pedestal_ids: Path | None
    running_analysis: Path
    numba_cache: Path
    logs: Path


@dataclass(frozen=True, slots=True)
class Site:
    """Where we are, and where things lie; `base` is absolute."""

    name: str
    telescope: str
    base: Path
    paths: Paths


@dataclass(frozen=True, slots=True)
class Resources:
    """What a job asks for: memory in MB, time limit in seconds."""

    memory_mb: int
    time_limit_s: float
    cores: int


@dataclass(frozen=True, slots=True)
class Ledger:
    """Where the history of nights is kept in SQL; `url` as written, variables and all, or `None` for the default place."""

    url: str | None


@dataclass(frozen=True, slots=True)
class Report:
    """The night's report: whether it is made by itself once a night is closed."""

    after_closing: bool


@dataclass(frozen=True, slots=True)
class Publication:
    """Where products are published: `root` is absolute, templates and links by kind of product, `None` for none."""

    enabled: bool
    root: Path
    templates: Mapping[str, str | None]
    links: Mapping[str, str | None]
    pro: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Retention:
    """After how many days `osa clean` removes what."""

    scratch_days: int
    logs_days: int
    aside_days: int
    abandoned_days: int


@dataclass(frozen=True, slots=True)
class Morning:
    """What ``osa morning`` starts; `settle_minutes` without a change in its raw folder, and a night has arrived."""

    look_back_days: int
    settle_minutes: float
    parallel: int


@dataclass(frozen=True, slots=True)
class MainConfig:
    """A site's main file."""

    path: Path
    site: Site
    procedures: tuple[Path, ...]
    default_procedure: str | None
    executor: Executor
    ledger: Ledger
    report: Report
    publication: Publication
    retention: Retention
    morning: Morning
    resources: Mapping[str, Resources]
    log_level: str
    settings: FrozenMapping = field(repr=False, default_factory=FrozenMapping)
    origins: Origins = field(repr=False, compare=False, default_factory=FrozenMapping)

    def resources_for(self, step: str) -> Resources:
        """What a job of a step asks for; KeyError for a step that does not exist."""
        return self.resources[step]


@dataclass(frozen=True, slots=True)
class GainSelection:
    """Raw to gain-selected raw data."""

    enabled: bool
    flatfield_heuristic: bool


@dataclass(frozen=True, slots=True)
class Drs4Baseline:
    """The DRS4 baseline."""

    max_events: int


@dataclass(frozen=True, slots=True)
class TimeCalibration:
    """The calibration of the sampling times; `source` is "site" or "pedcalib"."""

    source: str
    max_events: int


@dataclass(frozen=True, slots=True)
class ChargeCalibration:
    """The charge calibration (Cat-A); charges in ADC counts."""

    filters: str
    events_to_skip: int
    sample_size: int
    min_flatfield_adc: float
    max_flatfield_adc: float
    systematics: bool
    flatfield_heuristic: bool | None
    config: FrozenMapping


@dataclass(frozen=True, slots=True)
class Calibration:
    """The calibration of the night."""

    look_back_days: int
    drs4_baseline: Drs4Baseline
    time: TimeCalibration
    charge: ChargeCalibration


@dataclass(frozen=True, slots=True)
class R0ToDl1:
    """Raw data to DL1a."""

    config: FrozenMapping
    default_trigger_type: str | None
    flatfield_heuristic: bool | None


@dataclass(frozen=True, slots=True)
class CatB:
    """The Cat-B calibration, per run."""

    enabled: bool
    sample_size: int
    filters: str
    config: FrozenMapping


@dataclass(frozen=True, slots=True)
class Tailcuts:
    """Where the cleaning levels come from; `source` is "standard" or "per_run"."""

    source: str

    @property
    def per_run(self) -> bool:
        """Whether they are found from each run's noise."""
        return self.source == "per_run"


@dataclass(frozen=True, slots=True)
class Provided:
    """A calibration that an analysis has provided: its file, and its step key."""

    path: Path
    key: str


@dataclass(frozen=True, slots=True)
class Dl1ab:
    """DL1a to DL1b."""

    config: FrozenMapping
    images: bool
    pedestal_cleaning: bool
    calibration: str | None = None
    provided: Provided | None = None
    """What `calibration` names, once it was found for a night; it is in `config` then."""

    @property
    def picture_thresh(self) -> float:
        """Charge of a pixel that starts an image, p.e. (where the levels are not found per run)."""
        return self._threshold("picture_thresh")

    @property
    def boundary_thresh(self) -> float:
        """Charge of a pixel at an image's edge, p.e. (where the levels are not found per run)."""
        return self._threshold("boundary_thresh")

    def _threshold(self, name: str) -> float:
        section = "tailcuts_clean_with_pedestal_threshold" if self.pedestal_cleaning else "tailcut"
        value: float = self.config[section][name]
        return value


@dataclass(frozen=True, slots=True)
class Datacheck:
    """The datacheck, per subrun and run."""

    enabled: bool
    plots: bool


@dataclass(frozen=True, slots=True)
class Merge:
    """One file per run out of its subruns'."""

    dl1: bool
    muons: bool
    images: bool


@dataclass(frozen=True, slots=True)
class Dl2:
    """DL1b to DL2; `models` is absolute, and it or `choice` is set where `enabled`."""

    enabled: bool
    models: Path | None
    config: FrozenMapping
    choice: ModelChoice | None = None


@dataclass(frozen=True, slots=True)
class Longterm:
    """The long-term check of the night's datachecks, with the cosmic rays' spectra if asked for."""

    enabled: bool
    transparency: bool


@dataclass(frozen=True, slots=True)
class DiscardRules:
    """When a run's last subrun is discarded by itself; failures are parts of the reason."""

    last_subrun_without_interleaved: bool
    last_subrun_min_events: int
    last_subrun_failures: tuple[str, ...]

    @property
    def any(self) -> bool:
        """Whether there is a rule at all."""
        return bool(self.last_subrun_without_interleaved or self.last_subrun_min_events or self.last_subrun_failures)


@dataclass(frozen=True, slots=True)
class Fake:
    """Fake steps in the place of lstchain; patterns are ``step:unit`` in the manner of fnmatch."""

    duration_s: float
    size_kb: int
    fail: tuple[str, ...]
    die: tuple[str, ...]
    corrupt: tuple[str, ...]
    hang: tuple[str, ...]
    empty: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Procedure:
    """How a production is made."""

    path: Path
    name: str
    type: str
    production_id: str
    select: Select
    gain_selection: GainSelection
    calibration: Calibration
    r0_to_dl1: R0ToDl1
    cat_b: CatB
    tailcuts: Tailcuts
    dl1ab: Dl1ab
    datacheck: Datacheck
    merge: Merge
    dl2: Dl2
    longterm: Longterm
    discard: DiscardRules
    fake: Fake | None
    settings: FrozenMapping = field(repr=False, default_factory=FrozenMapping)
    origins: Origins = field(repr=False, compare=False, default_factory=FrozenMapping)

    def steps(self) -> frozenset[str]:
        """The names of the steps that this procedure may run."""
        return frozenset(used_steps(self.settings))


@dataclass(frozen=True, slots=True)
class Configuration:
    """A site and how to make a production there."""

    main: MainConfig
    procedure: Procedure

    def __str__(self) -> str:
        return f"{self.procedure.name} ({self.procedure.production_id}) at {self.main.site.name}"


_ALWAYS = ("run_summary", "drs4_baseline", "charge_calibration", "r0_to_dl1", "dl1ab", "close", "publish")


def used_steps(settings: Mapping[str, Mapping[str, object]]) -> list[str]:
    """The steps that a procedure with these (completed) settings may run."""
    calibration = settings["calibration"]
    time = calibration["time"]
    assert isinstance(time, Mapping)
    sometimes = {
        "gain_selection": settings["gain_selection"]["enabled"],
        "time_calibration": time["source"] == "pedcalib",
        "cat_b": settings["cat_b"]["enabled"],
        "tailcuts": settings["tailcuts"]["source"] == "per_run",
        "datacheck": settings["datacheck"]["enabled"],
        "run_datacheck": settings["datacheck"]["enabled"],
        "run_plots": settings["datacheck"]["enabled"] and settings["datacheck"]["plots"],
        "merge_dl1": settings["merge"]["dl1"],
        "merge_muons": settings["merge"]["muons"],
        "dl2": settings["dl2"]["enabled"],
        "longterm": settings["longterm"]["enabled"],
        "transparency": settings["longterm"]["enabled"] and settings["longterm"]["transparency"],
    }
    return [*_ALWAYS, *(step for step, used in sometimes.items() if used)]
