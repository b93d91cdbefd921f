"""Advice on what steps ask for, from what they used."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from reported import attempt

from osa_luigi.config import Resources
from osa_luigi.ledger.report.use import duration, quantile, spread, uses

ASKED = Resources(memory_mb=6000, time_limit_s=9000.0, cores=1)


def advice(*attempts: object, asked: Resources = ASKED) -> str:
    [found] = uses(attempts, {"r0_to_dl1": ASKED, "dl1ab": asked})  # type: ignore[arg-type]
    assert found.step == "dl1ab"
    return "\n".join(found.advice)


def many(count: int = 200, **more: float) -> list[object]:
    return [attempt(unit=f"Run02003.{n:04d}", **more) for n in range(count)]


def test_what_asks_for_much_more_than_it_uses_is_told_what_would_do() -> None:
    said = advice(*many(peak_memory_mb=2000.0, wall_s=4000.0))
    assert said == (
        "dl1ab asks for 6.0 GB, 99 % of 200 attempts used 2.0 GB or less: resources.dl1ab.memory_mb: 3000 would do"
    )


def test_a_few_attempts_are_not_enough_to_ask_for_less() -> None:
    assert advice(*many(9, peak_memory_mb=100.0)) == ""


def test_one_large_attempt_counts_however_many_small_ones_there_are() -> None:
    said = advice(*many(1000, peak_memory_mb=500.0, wall_s=4000.0), attempt(peak_memory_mb=3600.0, wall_s=4000.0))
    assert "resources.dl1ab.memory_mb: 4000 would do" in said
    assert advice(*many(1000, peak_memory_mb=500.0, wall_s=4000.0), attempt(peak_memory_mb=4500.0)) == ""


def test_what_comes_near_its_memory_should_ask_for_more() -> None:
    killed = attempt(peak_memory_mb=5900.0, outcome="failed", killed=True)
    said = advice(*many(3, wall_s=4000.0), killed)
    assert "one used 5.9 GB, and 1 of 4 were killed there: resources.dl1ab.memory_mb: 8500 would do" in said


def test_what_jobs_were_given_counts_and_not_what_the_configuration_says_now() -> None:
    killed = attempt(peak_memory_mb=9900.0, outcome="failed", killed=True, asked_memory_mb=20000)
    grown = attempt(peak_memory_mb=9900.0, asked_memory_mb=10000, outcome="failed", killed=True)
    [found] = uses([attempt(), killed, grown], {"dl1ab": ASKED})
    assert found.given_memory_mb == (6000, 20000)
    assert "dl1ab asks for 6.0 GB, one used 9.9 GB, and 1 of 3 were killed there" in "\n".join(found.advice)


def test_time_limits_go_both_ways() -> None:
    assert "resources.dl1ab.time_limit_minutes: 190 would do" in advice(attempt(wall_s=8000.0))
    late = attempt(wall_s=9000.0, outcome="failed", out_of_time=True)
    assert "1 of 1 attempts were ended by that: resources.dl1ab.time_limit_minutes: 300 would do" in advice(late)
    short = advice(*many(wall_s=100.0, peak_memory_mb=4500.0))
    assert short == (
        "dl1ab may take 2 h 30 min, the longest of 200 took 1 min 40 s: resources.dl1ab.time_limit_minutes: 5 would do"
    )


def test_cores_that_are_used_and_not_asked_for_are_told() -> None:
    busy = many(peak_memory_mb=4500.0, wall_s=4000.0, cpu_s=12000.0)
    assert "95 % of the long attempts used 3.0 or less at a time: resources.dl1ab.cores: 3 would do" in advice(*busy)
    idle = many(peak_memory_mb=4500.0, wall_s=4000.0, cpu_s=3900.0)
    assert "resources.dl1ab.cores: 1 would do" in advice(*idle, asked=Resources(6000, 9000.0, 4))


def test_attempts_of_which_no_tool_ran_say_nothing() -> None:
    assert uses([attempt(wall_s=0.0, peak_memory_mb=0.0)], {"dl1ab": ASKED}) == ()


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0.01, 1))
def test_a_quantile_is_a_value_that_this_share_does_not_exceed(values: list[float], share: float) -> None:
    found = quantile(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values) - 1e-9
    said = spread(values)
    assert said.median <= said.p95 <= said.largest


@given(st.floats(0, 1e6))
def test_a_duration_is_rounded_but_not_changed(seconds: float) -> None:
    units = {"s": 1, "min": 60, "h": 3600}
    words = duration(seconds).split()
    told = sum(float(number) * units[unit] for number, unit in zip(words[::2], words[1::2], strict=True))
    assert abs(told - seconds) <= (0.051 if seconds < 10 else 0.51 if seconds < 3600 else 60)
