"""Each feature of Datenraffinerie's configuration works here, or is refused with a reason, as docs/datenraffinerie.md says."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fast.config.datenraffinerie import FEATURES, Feature, page

PAGE = Path(__file__).parents[3] / "docs/datenraffinerie.md"


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text() == page().rstrip("\n") + "\n", "python -m tests.fast.config.datenraffinerie > docs/…"


@pytest.mark.parametrize("feature", FEATURES, ids=lambda one: one.there)
def test_a_feature_works_or_is_refused(feature: Feature) -> None:
    problems, holds = feature.tried()
    assert holds, problems
    assert bool(problems) == feature.here.startswith("Refused"), problems
    assert all(line.split(":")[1].isdecimal() for line in problems)
