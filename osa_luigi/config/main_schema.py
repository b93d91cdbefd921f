"""What may stand in the main file: the schema, as data.

Each leaf says its type, default and limits, whether it is scientific or operational, and what it is for.
docs/configuration.md is made from it.
"""

from __future__ import annotations

from osa_luigi.config.head import NAME, NAME_HINT
from osa_luigi.config.publication import PUBLICATION
from osa_luigi.config.rules import OPERATIONAL, SCIENTIFIC, Schema, leaf, names, section
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
