"""The work-arounds against the installed lstchain."""

from __future__ import annotations

import pytest

from osa_luigi.steps import mends


def test_one_subrun_is_enough_for_cleaning_levels(monkeypatch: pytest.MonkeyPatch) -> None:
    from lstchain.image import cleaning

    monkeypatch.setattr(cleaning, "median_abs_deviation", cleaning.median_abs_deviation)  # to be put back
    assert not mends._keeps_one(cleaning), "this lstchain does not need the work-around any more"
    mends.tailcuts()
    assert mends._keeps_one(cleaning)
