"""The examples' parameters, counting and geometry; the chain's tests run them on real products."""

from __future__ import annotations

import numpy as np
import pytest

from osa_luigi.analysis.examples.crab_rate import Counts, CrabRate, Cuts, _turned, _turns
from osa_luigi.analysis.examples.datacheck_trend import DatacheckTrend


def test_excess_significance_and_rate() -> None:
    near, far = np.zeros(49), np.full(100, 0.05)
    counts = [Counts(20.0, near[:20], np.zeros(2)), Counts(10.0, np.concatenate([near[20:], far]), np.zeros(4))]
    row = CrabRate({}).row(counts)
    assert (row["on"], row["off"], row["excess"]) == (49, 6, 47.0)
    assert row["excess_error"] == pytest.approx((49 + 6 / 9) ** 0.5)
    assert (row["rate"], row["rate_error"]) == pytest.approx((94.0, 2 * (49 + 6 / 9) ** 0.5))
    # Li and Ma, eq. 17, by hand
    alpha, on, off = 1 / 3, 49, 6
    by_hand = 2 * (on * np.log((1 + alpha) / alpha * on / (on + off)) + off * np.log((1 + alpha) * off / (on + off)))
    assert row["significance"] == pytest.approx(np.sqrt(by_hand))


def test_a_deficit_is_a_negative_rate_and_nothing_is_nothing() -> None:
    deficit = CrabRate({}).row([Counts(60.0, np.zeros(1), np.zeros(30))])
    assert (deficit["rate"], deficit["significance"]) == (-9, 0)
    empty = CrabRate({}).row([Counts(60.0, np.empty(0), np.empty(0))])
    assert (empty["rate"], empty["significance"]) == (0, 0)


def test_the_other_regions_are_as_far_from_the_centre_and_evenly_around_it() -> None:
    places = [_turned(0.3, 0.4, turn) for turn in _turns(Cuts(off_regions=3))]
    assert places[0] == (0.3, 0.4)
    assert [np.hypot(*place) for place in places] == pytest.approx([0.5] * 4)
    assert np.sum(places, axis=0) == pytest.approx([0, 0])


def test_parameters_that_mean_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="unknown parameters gammanes; known are source, ra"):
        CrabRate({"gammanes": 0.7})
    with pytest.raises(ValueError, match="off_regions at least 1"):
        CrabRate({"off_regions": 0})
    with pytest.raises(ValueError, match="unknown quantities rate"):
        DatacheckTrend({"quantities": ["rate"]})
