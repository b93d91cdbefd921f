"""What tests compare of plans, and which steps' keys each scientific setting changes."""

from __future__ import annotations

from collections import Counter
from typing import Any

from osa_luigi.steps.plan import NightPlan

EVERYTHING: dict[str, Any] = {
    "gain_selection": {"enabled": True},
    "calibration": {"time": {"source": "pedcalib"}},
    "cat_b": {"enabled": True},
    "tailcuts": {"source": "per_run"},
    "longterm": {"transparency": True},
}
"""What makes a night of the real procedure run each step that there is."""

AFTER_DL2: frozenset[str] = frozenset({"close"})
AFTER_MERGE = AFTER_DL2 | {"dl2"}
AFTER_DATACHECK = frozenset({"run_datacheck", "run_plots", "longterm", "transparency", "close"})
AFTER_DL1AB = AFTER_MERGE | AFTER_DATACHECK | {"datacheck", "merge_dl1"}
AFTER_DL1A = AFTER_DL1AB | {"cat_b", "tailcuts", "dl1ab", "merge_muons"}
AFTER_CHARGE = AFTER_DL1A | {"r0_to_dl1"}
AFTER_TIME = AFTER_CHARGE | {"charge_calibration"}
AFTER_DRS4 = AFTER_TIME | {"time_calibration"}

SCIENTIFIC = [
    # setting, the steps it changes where each step is made once, and where everything is
    ("gain_selection.flatfield_heuristic", False, set(), {"gain_selection", *AFTER_CHARGE}),
    ("calibration.drs4_baseline.max_events", 500, {"drs4_baseline", *AFTER_DRS4}, None),
    ("calibration.time.max_events", 500, set(), {"time_calibration", *AFTER_TIME}),
    ("calibration.charge.events_to_skip", 5, {"charge_calibration", *AFTER_CHARGE}, None),
    ("calibration.charge.sample_size", 5, {"charge_calibration", *AFTER_CHARGE}, None),
    ("calibration.charge.filters", "51", {"charge_calibration", *AFTER_CHARGE}, None),
    ("calibration.charge.min_flatfield_adc", 5, {"charge_calibration", *AFTER_CHARGE}, None),
    ("calibration.charge.max_flatfield_adc", 50_000, {"charge_calibration", *AFTER_CHARGE}, None),
    ("calibration.charge.systematics", False, {"charge_calibration", *AFTER_CHARGE}, None),
    (
        "calibration.charge.flatfield_heuristic",
        True,
        {"charge_calibration", *AFTER_CHARGE},
        {"time_calibration", *AFTER_TIME},
    ),
    ("r0_to_dl1.default_trigger_type", "tib", {"r0_to_dl1", *AFTER_DL1A}, None),
    ("r0_to_dl1.flatfield_heuristic", True, {"r0_to_dl1", *AFTER_DL1A}, None),
    ("r0_to_dl1.overrides.source_config.EventSource.max_events", 7, {"r0_to_dl1", *AFTER_DL1A}, None),
    ("cat_b.sample_size", 5, set(), {"cat_b", "dl1ab", *AFTER_DL1AB}),
    ("cat_b.filters", "51", set(), {"cat_b", "dl1ab", *AFTER_DL1AB}),
    ("dl1ab.images", False, {"dl1ab", *AFTER_DL1AB}, None),
    ("dl1ab.pedestal_cleaning", False, {"dl1ab", *AFTER_DL1AB}, "refused"),
    ("dl1ab.tailcuts.picture_thresh", 9, {"dl1ab", *AFTER_DL1AB}, "refused"),
    ("dl1ab.overrides.tailcut.delta_time", 7, {"dl1ab", *AFTER_DL1AB}, "refused"),
    ("merge.images", True, {"merge_dl1", *AFTER_MERGE}, None),
    ("dl2.models", "models/nsb_tuning_0.22/dec_2276", {"dl2", *AFTER_DL2}, None),
    ("dl2.overrides.n_training_events.gamma_regressors", 0.5, {"dl2", *AFTER_DL2}, None),
]
"""A setting, its other value, the steps it reaches in the standard chain, and in the one with everything (`None`: as there)."""


def steps(plan: NightPlan) -> Counter[str]:
    """How many calls there are of each step."""
    return Counter(call.step for _, call in plan.calls.values())


def keys(plan: NightPlan) -> dict[str, str]:
    """``<step>.<unit>`` → step key."""
    return {name: call.key for name, (_, call) in plan.calls.items()}


def changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    """The steps that have another key, or none, for some unit."""
    return {name.partition(".")[0] for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
