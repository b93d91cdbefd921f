"""When what ran, summed up."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reported import attempt

from osa_luigi.ledger.report.curve import HEIGHT, MOST_POINTS, WIDTH, curve
from osa_luigi.ledger.report.model import Trend
from osa_luigi.ledger.report.timeline import BINS, timeline

SPANS = st.lists(st.tuples(st.floats(0, 5e5), st.floats(0, 3e4), st.booleans()), min_size=1, max_size=40)


def test_nothing_tried_is_no_timeline() -> None:
    assert timeline([], ["dl1ab"]) is None


@given(SPANS)
def test_the_area_is_the_time_at_work_and_nothing_leaves_the_axis(spans: list[tuple[float, float, bool]]) -> None:
    attempts = [
        attempt(unit=f"Run0200{n % 3}.{n:04d}", at_s=at, wall_s=wall, outcome="failed" if bad else "made")
        for n, (at, wall, bad) in enumerate(spans)
    ]
    found = timeline(attempts, ["dl1ab"])
    assert found is not None
    [lane] = found.stages
    at_work = sum((one.ended - one.started).total_seconds() for one in attempts)
    assert sum(lane.running) * found.busy_s / BINS == pytest.approx(at_work, rel=0.05, abs=0.01 * found.busy_s)
    assert 1 <= lane.peak <= len(attempts)
    assert max(lane.running) <= lane.peak + 0.2
    assert all(0 <= at <= 1 for at, _ in (*found.marks, *found.cuts))
    assert all(0 <= number < BINS for number in lane.failed)
    assert bool(lane.failed) == any(bad for _, _, bad in spans)
    assert {one.name for one in found.runs} == {one.run for one in attempts}
    assert sum(one.attempts for one in found.runs) == len(attempts)


def test_a_retry_the_next_day_does_not_squeeze_the_night() -> None:
    night = [attempt(at_s=600 * n) for n in range(10)]
    found = timeline([*night, attempt(at_s=86400)], ["dl1ab"])
    assert found is not None
    assert found.busy_s == 11 * 600
    [(place, said)] = found.cuts
    assert place == pytest.approx(10 / 11)
    assert said == "22.3 h idle"
    assert [label for _, label in found.marks if "Nov" in label] == ["16 Nov 08:00", "17 Nov 08:00"]


def test_lanes_are_in_the_order_of_the_chain_and_their_peaks_count_what_overlaps() -> None:
    attempts = [attempt("dl2", "Run02003", 1200), attempt("dl1ab", at_s=0), attempt("dl1ab", at_s=300), attempt("new")]
    found = timeline(attempts, ["dl1ab", "dl2"])
    assert found is not None
    assert [(lane.name, lane.peak) for lane in found.stages] == [("dl1ab", 2), ("dl2", 1), ("new", 1)]
    assert found.stages[1].bars == [(160, 80)]
    assert found.stages[1].outline == "M0 100V100H160V0H240V100Z"


def test_a_curve_of_a_large_night_is_thinned_and_stays_in_its_box() -> None:
    values = tuple(float(n % 100) for n in range(5000))
    found = curve(Trend("rate", values, ((0, "Run02003"), (2500, "Run02004"))))
    assert found is not None
    points = [tuple(map(float, pair.split(","))) for pair in found.points.split()]
    assert len(points) <= MOST_POINTS
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in points)
    assert (found.lowest, found.highest, found.runs[1]) == ("0", "99", ("300.0", "Run02004"))


def test_what_is_no_number_is_not_drawn() -> None:
    assert curve(Trend("rate", (float("nan"), float("inf")), ())) is None
    alone = curve(Trend("rate", (float("nan"), 5.0), ()))
    assert alone is not None
    assert alone.points == "0.0,40.0 600.0,40.0"
