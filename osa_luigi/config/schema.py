"""What may stand in the main file and in a procedure: the schemas, as data.

Each leaf says its type, default and limits, whether it is scientific or operational, and what it is for.
docs/configuration.md is made from this file.
"""

from __future__ import annotations

from osa_luigi.config.head import NAME, NAME_HINT, head
from osa_luigi.config.model_choice import MODEL_CHOICE
from osa_luigi.config.publication import PUBLICATION
from osa_luigi.config.rules import OPERATIONAL, SCIENTIFIC, Schema, free, leaf, names, section
from osa_luigi.config.selection import select_section
from osa_luigi.config.sharing import SHARING
from osa_luigi.config.slurm import slurm_section

# Memory (MB) and time limit (minutes) that suffice for real LST-1 data.
_STEP_NEEDS: dict[str, tuple[int, int, str]] = {
    "run_summary": (3_000, 60, "the run summary of the night"),
    "gain_selection": (3_000, 120, "raw to gain-selected raw data, a subrun"),
    "drs4_baseline": (4_000, 180, "the DRS4 baseline of the night"),
    "time_calibration": (3_000, 180, "the sampling-time calibration of the night"),
    "charge_calibration": (4_000, 180, "the charge (Cat-A) calibration of the night"),
    "r0_to_dl1": (6_000, 150, "raw data to DL1a with muons and interleaved events, a subrun"),
    "cat_b": (4_000, 120, "the Cat-B calibration of a run"),
    "tailcuts": (10_000, 120, "the cleaning levels of a run"),
    "dl1ab": (6_000, 150, "DL1a to DL1b, a subrun"),
    "datacheck": (6_000, 120, "the datacheck of a subrun"),
    "run_datacheck": (6_000, 180, "the datacheck of a run"),
    "run_plots": (6_000, 180, "the plots of a run's datacheck"),
    "merge_dl1": (6_000, 120, "merging the DL1b files of a run"),
    "merge_muons": (3_000, 60, "merging the muon files of a run"),
    "dl2": (60_000, 180, "DL1b to DL2, a run"),
    "longterm": (10_000, 120, "the long-term check of the night"),
    "transparency": (10_000, 120, "the cosmic-ray spectra of the night"),
    "close": (3_000, 120, "closing the night"),
    "publish": (3_000, 240, "publishing the night"),
}

STEPS = tuple(_STEP_NEEDS)

LOG_LEVELS = ["DEBUG", "INFO", "WARNING", "ERROR"]


def _needs(step: str) -> Schema:
    memory_mb, minutes, what = _STEP_NEEDS[step]
    return section(
        f"What a job needs for {what}.",
        {
            "memory_mb": leaf(
                OPERATIONAL,
                "integer",
                memory_mb,
                f"Memory for {what}: the executor starts it when so much is free.",
                min=1,
                unit="MB",
            ),
            "time_limit_minutes": leaf(
                OPERATIONAL,
                "number",
                minutes,
                f"Time for {what}; an attempt that takes longer is ended.",
                min=0.01,
                unit="minutes",
            ),
            "cores": leaf(OPERATIONAL, "integer", 1, f"Cores for {what}.", min=1),
        },
    )


def _days(default: int, doc: str) -> Schema:
    return leaf(OPERATIONAL, "integer", default, doc, min=1, unit="days")


def _folder(default: str, doc: str, *, nullable: bool = False) -> Schema:
    return leaf(OPERATIONAL, "string", default, doc, minlength=1, path="site.base", nullable=nullable)


_PATHS: Schema = {
    "r0": _folder("R0", "Raw data, by date; must exist (or r0g must)."),
    "r0g": _folder("R0G", "Gain-selected raw data, by date; read unless gain_selection is enabled, never written."),
    "run_summary": _folder("monitoring/RunSummary", "Run summaries; a missing one is made."),
    "run_catalog": _folder("monitoring/RunCatalog", "Run catalogs: which source a run observed."),
    "drive": _folder("monitoring/DrivePositioning", "Logs of the drive, with the pointing; must exist."),
    "time_calibration": _folder(
        "monitoring/PixelCalibration/Cat-A/drs4_time_sampling_from_FF",
        "Time calibrations of the site; must exist where calibration.time.source is site.",
    ),
    "systematics": _folder(
        "monitoring/PixelCalibration/Cat-A/ffactor_systematics",
        "F-factor systematics; must exist where calibration.charge.systematics is true.",
    ),
    "pedestal_ids": _folder(
        "auxiliary/PedestalFinder",
        "Tables of interleaved pedestal events; used where there is one (null: never).",
        nullable=True,
    ),
    "running_analysis": _folder("running_analysis", "Productions are made here, by date and production id."),
    "numba_cache": _folder("cache/numba", "Compiled functions shared by all jobs, so that they start warm."),
    "logs": _folder("log/osa", "What the nights print that `osa morning` starts, by date."),
}

_MORNING: Schema = {
    "look_back_days": leaf(
        OPERATIONAL,
        "integer",
        7,
        "Nights that are looked at: the current one, and so many days before.",
        min=0,
        unit="days",
    ),
    "settle_minutes": leaf(
        OPERATIONAL,
        "number",
        20,
        "A night whose raw folder changed within this time is still arriving, and is left to the next time.",
        min=0,
        unit="minutes",
    ),
    "parallel": leaf(OPERATIONAL, "integer", 1, "Nights that run at a time, at most.", min=1),
}

MAIN: Schema = {
    "site": section(
        "Where we are, and where things lie.",
        {
            "name": leaf(
                OPERATIONAL,
                "string",
                None,
                "The site's name in reports.",
                required=True,
                regex=NAME,
                hint=NAME_HINT,
            ),
            "telescope": leaf(
                SCIENTIFIC,
                "string",
                "LST-1",
                "The telescope, as file names spell it.",
                allowed=["LST-1"],
            ),
            "base": leaf(
                OPERATIONAL,
                "string",
                None,
                "Root of the site's data tree.",
                required=True,
                minlength=1,
                path="this file's folder",
            ),
            "paths": section("Folders of the site.", _PATHS),
        },
    ),
    "procedures": names(
        OPERATIONAL,
        [],
        "The procedure files; each holds one procedure, or a list of them under `procedures:`.",
        minlength=1,
        path="this file's folder",
        hint="a procedure stands in a file of its own: write its path here",
    ),
    **SHARING,
    "default_procedure": leaf(
        OPERATIONAL,
        "string",
        None,
        "The procedure to use when none is asked for (null: the only one there is).",
        minlength=1,
    ),
    "executor": section(
        "What runs the jobs.",
        {
            "type": leaf(
                OPERATIONAL,
                "string",
                "local",
                "`local`: a pool of processes on this machine; `slurm`: job arrays on a cluster.",
                allowed=["local", "slurm"],
            ),
            "local": section(
                "The pool on this machine.",
                {
                    "cores": leaf(
                        OPERATIONAL,
                        "integer",
                        None,
                        "Cores that jobs may use together (null: all this process may use).",
                        min=1,
                    ),
                    "memory_mb": leaf(
                        OPERATIONAL,
                        "integer",
                        None,
                        "Memory that jobs may use together (null: 80 % of the machine's, or of the cgroup's where that is less).",
                        min=1,
                        unit="MB",
                    ),
                },
            ),
            "slurm": slurm_section(STEPS),
        },
    ),
    "ledger": section(
        "The ledger: the history of nights in SQL, made from their files.",
        {
            "url": leaf(
                OPERATIONAL,
                "string",
                None,
                "Its database: `sqlite:////folder/file`, `postgresql://user@host/name` or `mariadb://user@host/name`, with "
                "`${NAME}` from the environment; the password never stands here, but in OSA_LEDGER_PASSWORD (null: a file of the "
                "user's on this machine, which `osa ledger status` names).",
                minlength=1,
            ),
        },
    ),
    "report": section(
        "The night's report.",
        {
            "after_closing": leaf(
                OPERATIONAL, "boolean", True, "Make it once a night is closed, as `NightReport.html` beside the marker."
            ),
        },
    ),
    "publication": PUBLICATION,
    "retention": section(
        "What `osa clean` removes, and when.",
        {
            "scratch_days": _days(
                7,
                "Working folders of attempts of which nobody can know whether they ended (those that did go at once).",
            ),
            "logs_days": _days(90, "Logs of attempts that are in no archive."),
            "aside_days": _days(30, "Damaged products that `osa verify` moved aside."),
            "abandoned_days": _days(90, "Productions that were never closed nor touched (only with `--productions`)."),
        },
    ),
    "morning": section("What `osa morning` starts.", _MORNING),
    "resources": section("What a job of each step needs.", {step: _needs(step) for step in STEPS}),
    "log_level": leaf(OPERATIONAL, "string", "INFO", "How much is logged.", allowed=LOG_LEVELS),
}

STANDARD_CONFIG = "lstchain:lstchain_standard_config.json"


def _lstchain(default: str, what: str) -> Schema:
    return {
        "config": leaf(
            SCIENTIFIC,
            "string",
            default,
            f"lstchain configuration of {what}; its content counts, not its name.",
            minlength=1,
            path="this file's folder, or `lstchain:NAME` for a file that lstchain ships",
        ),
        "overrides": free(SCIENTIFIC, "Keys of that configuration with other values, nested as they are there."),
    }


def _flatfield_heuristic(default: bool | None) -> Schema:
    return leaf(
        SCIENTIFIC,
        "boolean",
        default,
        "Find flat-field events by their charge (null: lstchain decides; true only suits data before 2022)."
        if default is None
        else "Find flat-field events by their charge instead of trusting their tag.",
        nullable=default is None,
    )


def _events(default: int, doc: str, minimum: int = 1) -> Schema:
    return leaf(SCIENTIFIC, "integer", default, doc, min=minimum, unit="events")


def _switch(kind: str, default: bool, doc: str) -> Schema:
    return leaf(SCIENTIFIC if kind == SCIENTIFIC else OPERATIONAL, "boolean", default, doc)


def _adc(default: float, doc: str) -> Schema:
    return leaf(SCIENTIFIC, "number", default, doc, min=0, unit="ADC counts")


def _threshold(doc: str) -> Schema:
    return leaf(SCIENTIFIC, "number", None, doc, min=0, unit="p.e.")


_FILTERS = leaf(
    SCIENTIFIC,
    "string",
    "52",
    "Position of the calibration box's filter wheels, two digits in quotes.",
    regex=r"[0-9]{2}",
    hint='two digits in quotes, as "52"',
)


_CALIBRATION: Schema = {
    "look_back_days": leaf(
        OPERATIONAL,
        "integer",
        7,
        "A night without calibration runs uses an earlier night's, at most so many days before (0: none).",
        min=0,
        unit="days",
    ),
    "drs4_baseline": section(
        "The DRS4 baseline.",
        {"max_events": _events(20_000, "Events of the DRS4 run to use.")},
    ),
    "time": section(
        "The calibration of the sampling times.",
        {
            "source": leaf(
                SCIENTIFIC,
                "string",
                "site",
                "`site`: the last one in site.paths.time_calibration not after the PEDCALIB run; "
                "`pedcalib`: made from the PEDCALIB run.",
                allowed=["site", "pedcalib"],
            ),
            "max_events": _events(20_000, "Events of each subrun to use, where it is made."),
        },
    ),
    "charge": section(
        "The charge calibration (Cat-A).",
        {
            "filters": _FILTERS,
            "events_to_skip": _events(1_000, "Events to leave out at the start of the run.", 0),
            "sample_size": _events(10_000, "Flat-field and pedestal events in a sample."),
            "min_flatfield_adc": _adc(3_000, "Mean charge from which an event may be a flat-field one."),
            "max_flatfield_adc": _adc(12_000, "Mean charge up to which an event may be a flat-field one."),
            "systematics": _switch(SCIENTIFIC, True, "Correct for the systematics of the F-factor method."),
            "flatfield_heuristic": _flatfield_heuristic(None),
            **_lstchain("lstchain:onsite_camera_calibration_param.json", "the charge calibration"),
        },
    ),
}

_CAT_B: Schema = {
    "enabled": _switch(SCIENTIFIC, False, "Calibrate each run by its interleaved events, too."),
    "sample_size": _events(2_500, "Flat-field and pedestal events in a sample."),
    "filters": _FILTERS,
    **_lstchain("lstchain:catB_camera_calibration_param.json", "the Cat-B calibration"),
}

_DL1AB: Schema = {
    **_lstchain(STANDARD_CONFIG, "the DL1b parameters"),
    "tailcuts": section(
        "Cleaning levels in short: sets `tailcut` and `tailcuts_clean_with_pedestal_threshold` alike.",
        {
            "picture_thresh": _threshold("Charge of a pixel that starts an image (null: as in config)."),
            "boundary_thresh": _threshold("Charge of a pixel at an image's edge (null: as in config)."),
        },
        optional=True,
    ),
    "calibration": leaf(
        SCIENTIFIC,
        "string",
        None,
        "Settings that an analysis found, by its `provides_calibration`; they go over all others (null: none).",
        regex=NAME,
        hint=NAME_HINT,
    ),
    "images": _switch(SCIENTIFIC, True, "Keep the images in the DL1b files."),
    "pedestal_cleaning": _switch(SCIENTIFIC, True, "Raise the cleaning levels of noisy pixels by their pedestals."),
}

_PATTERNS = "as `step:unit` (r0_to_dl1:Run02003.0001, *:Run02003*)"

_FAKE: Schema = {
    "duration_s": leaf(OPERATIONAL, "number", 0.05, "How long a fake step takes.", min=0, unit="s"),
    "size_kb": leaf(SCIENTIFIC, "integer", 4, "Size of a fake product.", min=0, unit="kB"),
    "fail": names(OPERATIONAL, [], f"Steps that exit with status 1, {_PATTERNS}."),
    "die": names(OPERATIONAL, [], f"Steps that kill themselves (SIGKILL), {_PATTERNS}."),
    "corrupt": names(OPERATIONAL, [], f"Steps that write a truncated product and exit with 0, {_PATTERNS}."),
    "hang": names(OPERATIONAL, [], f"Steps that never end, {_PATTERNS}."),
    "empty": names(OPERATIONAL, [], f"Steps that count no events and no interleaved ones, {_PATTERNS}."),
}

_DISCARD: Schema = {
    "last_subrun_without_interleaved": leaf(
        OPERATIONAL, "boolean", False, "Discard a run's last subrun if its DL1a holds no interleaved events."
    ),
    "last_subrun_min_events": leaf(
        OPERATIONAL,
        "integer",
        0,
        "Discard a run's last subrun if its DL1a holds fewer events (0: never).",
        min=0,
        unit="events",
    ),
    "last_subrun_failures": names(
        OPERATIONAL,
        [],
        "Discard a run's last subrun if a step of it failed by itself, and the reason holds one of these texts.",
    ),
}

PROCEDURE: Schema = {
    **head("reconstruction"),
    "production_id": leaf(
        OPERATIONAL,
        "string",
        "v{lstchain}",
        "Folder name of the production; `{lstchain}` stands for the installed version of lstchain.",
        regex=r"(?!\.)([A-Za-z0-9._+-]|\{lstchain\}){1,64}",
        hint="letters, digits and . _ + - only, no dot first, 64 at most",
    ),
    "select": select_section("Which DATA runs of a night are processed; all, unless something is said here."),
    "gain_selection": section(
        "Raw to gain-selected raw data, before all else.",
        {
            "enabled": _switch(SCIENTIFIC, False, "Select the gain first, and go on from the result."),
            "flatfield_heuristic": _flatfield_heuristic(True),
        },
    ),
    "calibration": section("The calibration of the night.", _CALIBRATION),
    "r0_to_dl1": section(
        "Raw data to DL1a.",
        {
            **_lstchain(STANDARD_CONFIG, "the reconstruction from raw data"),
            "default_trigger_type": leaf(
                SCIENTIFIC,
                "string",
                None,
                "Where the trigger type comes from (null: as in config; `tib` for runs with UCTS problems).",
                allowed=["ucts", "tib"],
            ),
            "flatfield_heuristic": _flatfield_heuristic(None),
        },
    ),
    "cat_b": section("The Cat-B calibration, per run.", _CAT_B),
    "tailcuts": section(
        "Where the cleaning levels come from.",
        {
            "source": leaf(
                SCIENTIFIC,
                "string",
                "standard",
                "`standard`: dl1ab's configuration; `per_run`: found from each run's noise.",
                allowed=["standard", "per_run"],
            )
        },
    ),
    "dl1ab": section("DL1a to DL1b.", _DL1AB),
    "datacheck": section(
        "The datacheck, per subrun and run.",
        {
            "enabled": _switch(OPERATIONAL, True, "Make it; it never holds back a merge."),
            "plots": _switch(OPERATIONAL, True, "Draw the run's plots (PDF), too."),
        },
    ),
    "merge": section(
        "One file per run out of its subruns'.",
        {
            "dl1": _switch(OPERATIONAL, True, "Merge the DL1b files."),
            "muons": _switch(OPERATIONAL, True, "Merge the muon files."),
            "images": _switch(SCIENTIFIC, False, "Keep the images in the merged DL1b file."),
        },
    ),
    "dl2": section(
        "DL1b to DL2, from merged files.",
        {
            "enabled": _switch(OPERATIONAL, True, "Make DL2."),
            "models": leaf(
                SCIENTIFIC,
                "string",
                None,
                "Folder of the random forests; it, or model_choice, must be there where DL2 is enabled.",
                minlength=1,
                path="site.base",
            ),
            "model_choice": MODEL_CHOICE,
            **_lstchain(STANDARD_CONFIG, "the reconstruction to DL2"),
        },
    ),
    "longterm": section(
        "The long-term check of the night's datachecks.",
        {
            "enabled": _switch(OPERATIONAL, True, "Make it."),
            "transparency": _switch(
                OPERATIONAL, False, "Add the spectrum of the cosmic rays' intensities, of each subrun."
            ),
        },
    ),
    "decisions": section(
        "What is decided by rules, and recorded as a decision.",
        {"discard": section("Discarding a run's last subrun, before the run is merged.", _DISCARD)},
    ),
    "fake": section(
        "Fake steps in the place of lstchain, to try out the engine.",
        _FAKE,
        optional=True,
    ),
}
