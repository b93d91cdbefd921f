"""What is said of a setting's reach is what planning does with it."""

from __future__ import annotations

from typing import Any

import pytest
from planned import SCIENTIFIC

from osa_luigi.config import STEPS
from osa_luigi.steps.reach import FOLLOWERS, READERS, reached

WITH_ALL = [step for step in STEPS if step not in ("run_summary", "publish")]


@pytest.mark.parametrize(("setting", "expected"), [(s, e or r) for s, _, r, e in SCIENTIFIC if e != "refused"])
def test_a_setting_reaches_the_steps_whose_keys_change(setting: str, expected: Any) -> None:
    assert set(reached(setting, WITH_ALL)) == set(expected)


@pytest.mark.parametrize(("setting", "expected"), [(s, r) for s, _, r, e in SCIENTIFIC if e == "refused"])
def test_the_cleaning_reaches_what_follows_dl1b(setting: str, expected: Any) -> None:
    assert set(reached(setting, WITH_ALL)) == set(expected) & set(WITH_ALL)


def test_only_steps_that_are_used() -> None:
    assert reached("dl1ab.images", ["r0_to_dl1", "dl1ab", "close"]) == ["dl1ab", "close"]
    assert reached("calibration.time.max_events", ["r0_to_dl1", "dl1ab", "close"]) == []
    assert reached("fake.size_kb", ["r0_to_dl1", "dl1ab", "close"]) == ["r0_to_dl1", "dl1ab", "close"]


def test_the_tables_name_steps() -> None:
    named = {name for names in (*READERS.values(), *FOLLOWERS.values()) for name in names} | set(FOLLOWERS)
    assert named <= set(STEPS)
