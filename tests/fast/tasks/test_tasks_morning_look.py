"""Which nights ``osa morning`` would start, and what it says of the others."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from fake_nights import DAY, RUNS, FakeSite, run_night

from osa_luigi.batch.lease import RELEASED, release_lease, take_lease
from osa_luigi.process import Process
from osa_luigi.products.decisions import DecisionKind, decide
from osa_luigi.products.production import write_durably
from osa_luigi.tasks.morning.engines import command
from osa_luigi.tasks.morning.look import Asked, Night, State, last_nights, look

LATER = datetime.now(UTC) + timedelta(days=1)
"""When everything has arrived long ago."""


def seen(site: FakeSite, *days: date, now: datetime = LATER) -> list[Night]:
    return look(Asked(site.config), days or (DAY,), now)


def stand(site: FakeSite, now: datetime = LATER) -> tuple[State, str]:
    (night,) = seen(site, now=now)
    return night.state, night.why


def test_the_nights_of_a_morning() -> None:
    before_noon = datetime(2024, 11, 16, 11, 59, tzinfo=UTC)
    assert last_nights(before_noon, 2) == [date(2024, 11, 13), date(2024, 11, 14), date(2024, 11, 15)]
    assert last_nights(before_noon + timedelta(minutes=1), 0) == [date(2024, 11, 16)]


def test_a_new_night_and_one_without_data(fake_site: FakeSite) -> None:
    new, none = seen(fake_site, DAY, date(2024, 11, 14))
    assert (new.state, new.production, none.state) == (State.TO_DO, "fake", State.NO_DATA)


def test_a_night_without_run_summary_is_to_be_done(fake_site: FakeSite) -> None:
    fake_site.summary(*RUNS).unlink()
    assert stand(fake_site) == (State.TO_DO, "new")


def test_a_night_that_still_arrives_waits(fake_site: FakeSite) -> None:
    state, why = stand(fake_site, datetime.now(UTC))
    assert state is State.ARRIVING
    assert "20 raw files; the last change was 0 min ago, and it waits for 20 min without one" in why
    assert stand(fake_site, datetime.now(UTC) + timedelta(minutes=21))[0] is State.TO_DO


def test_a_clock_that_is_behind_the_file_system_waits_too(fake_site: FakeSite) -> None:
    assert stand(fake_site, datetime.now(UTC) - timedelta(hours=1))[0] is State.ARRIVING


def test_a_night_that_an_engine_works_on_is_left_to_it(fake_site: FakeSite) -> None:
    production = fake_site.production()
    take_lease(production)
    try:
        state, why = stand(fake_site)
    finally:
        release_lease(production)
    assert state is State.AT_WORK
    assert why.startswith(f"process {Process.me().pid} on ")


def test_of_an_engine_elsewhere_it_is_said_how_to_take_over(fake_site: FakeSite) -> None:
    elsewhere = '{"host": "node7", "pid": 7, "boot": "b", "start_ticks": 1, "since": "2024-11-16T06:00:00+00:00"}'
    lease = fake_site.production().state / "engine" / "3.json"
    write_durably(lease, elsewhere)
    state, why = stand(fake_site)
    assert state is State.AT_WORK
    assert f"touch {lease.with_suffix(RELEASED)}" in why


def test_a_night_without_calibration_is_blocked(fake_site: FakeSite) -> None:
    day = date(2024, 10, 1)
    fake_site.night((1, "DATA", 1), day=day)
    (night,) = seen(fake_site, day)
    assert night.state is State.BLOCKED
    assert night.why.startswith("no calibration for 2024-10-01")


def test_a_closed_night_is_left_alone_until_something_comes(finished: FakeSite) -> None:
    assert stand(finished) == (State.CLOSED, "")
    finished.night(*RUNS[:2], (2003, "DATA", 3), RUNS[3])
    state, why = stand(finished)
    assert state is State.TO_DO
    assert "steps are to be made" in why


def test_late_runs_are_told_since_a_person_must_make_the_run_summary_again(finished: FakeSite) -> None:
    finished.raw(2005, 0)
    state, why = stand(finished)
    assert state is State.LATE_RUNS
    assert "2005" in why


def test_a_night_closed_before_a_decision_is_to_be_done(finished: FakeSite) -> None:
    decide(finished.production(), DecisionKind.DISCARD, "Run02003.0001", "test")
    assert stand(finished)[0] is State.TO_DO


def test_other_settings_under_the_same_id_block_the_night(finished: FakeSite) -> None:
    finished.set(dl1ab={"tailcuts": {"picture_thresh": 10}})
    state, why = stand(finished)
    assert state is State.BLOCKED
    assert "made otherwise" in why


@pytest.mark.usefixtures("borrowed")
def test_a_failed_night_is_to_be_done_again(fake_site: FakeSite) -> None:
    fake_site.set(fake={"fail": ["dl2:Run02003"]})
    run_night(fake_site)
    release_lease(fake_site.production())
    assert stand(fake_site)[0] is State.TO_DO


def test_at_midnight_it_is_still_the_same_night(fake_site: FakeSite) -> None:
    """A night is looked at, and processed, under the date of its evening, whenever that is done."""
    for now in (datetime(2024, 11, 15, 23, 59, 59, tzinfo=UTC), datetime(2024, 11, 16, 0, 0, 1, tzinfo=UTC)):
        assert last_nights(now, 0) == [DAY]
    assert command(Asked(fake_site.config), DAY)[-2:] == ["--date", "2024-11-15"]
