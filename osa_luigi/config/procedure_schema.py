"""What may stand in a reconstruction: the schema, as data.

Each leaf says its type, default and limits, whether it is scientific or operational, and what it is for.
docs/configuration.md is made from it.
"""

from __future__ import annotations

from osa_luigi.config.head import NAME, NAME_HINT, head
from osa_luigi.config.model_choice import MODEL_CHOICE
from osa_luigi.config.rules import OPERATIONAL, SCIENTIFIC, Schema, free, leaf, names, section
from osa_luigi.config.selection import select_section

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
