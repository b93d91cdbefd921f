"""What the attempts of each step used of what they ask for, and what to ask for instead.

Too much costs places in the queue, too little kills jobs. So advice to ask for less needs some attempts to go by, advice to ask for more
needs one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

from osa_luigi.config import Resources
from osa_luigi.ledger.report.model import Attempt, Spread, Use

ENOUGH = 10
"""Attempts from which asking for less is advised."""

SPARE = 1.4
"""What is asked for should be so much larger than what nearly all used."""

WORTH = 0.7
"""Advice to ask for less must save this much: the new request is at most this share of the old."""

NEAR = {"memory": 0.9, "time": 0.8}
"""Share of a limit from which more should be asked for."""

MEMORY_STEP_MB, TIME_STEP_MIN = 500, 5


def uses(attempts: Iterable[Attempt], asked: Mapping[str, Resources]) -> tuple[Use, ...]:
    """By step, in the order of `asked`, for steps of which a tool ran."""
    by_step: dict[str, list[Attempt]] = {}
    for attempt in attempts:
        if attempt.wall_s > 0 or attempt.peak_memory_mb > 0:
            by_step.setdefault(attempt.step, []).append(attempt)
    return tuple(_use(step, by_step[step], asked[step]) for step in asked if step in by_step)


def _use(step: str, attempts: Sequence[Attempt], asked: Resources) -> Use:
    given = [_given(attempt, asked.memory_mb) for attempt in attempts]
    return Use(
        step=step,
        attempts=len(attempts),
        failed=sum(attempt.failed for attempt in attempts),
        cpu_s=round(sum(attempt.cost_s for attempt in attempts), 1),
        asked_memory_mb=asked.memory_mb,
        asked_time_s=asked.time_limit_s,
        asked_cores=asked.cores,
        given_memory_mb=(min(given), max(given)),
        memory_mb=spread([attempt.peak_memory_mb for attempt in attempts]),
        wall_s=spread([attempt.wall_s for attempt in attempts]),
        cores=spread([_cores(attempt) for attempt in attempts]),
        advice=tuple(_advice(step, attempts, asked)),
    )


def _given(attempt: Attempt, asked_mb: int) -> int:
    """What its job was given; by the configuration where its record does not say."""
    return attempt.asked_memory_mb or asked_mb


def _cores(attempt: Attempt) -> float:
    return attempt.cpu_s / attempt.wall_s if attempt.wall_s > 0 else 0.0


def spread(values: Sequence[float]) -> Spread:
    """Of at least one value."""
    return Spread(*(round(quantile(values, share), 3) for share in (0.5, 0.95, 1.0)))


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that is not exceeded by this share of the values."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def _advice(step: str, attempts: Sequence[Attempt], asked: Resources) -> Iterator[str]:
    if line := _memory(attempts, asked.memory_mb):
        text, enough = line
        yield f"{step} asks for {gigabytes(asked.memory_mb)}, {text}: resources.{step}.memory_mb: {enough} would do"
    if line := _time(attempts, asked.time_limit_s):
        text, enough = line
        limit = duration(asked.time_limit_s)
        yield f"{step} may take {limit}, {text}: resources.{step}.time_limit_minutes: {enough} would do"
    if line := _more_cores(attempts, asked.cores):
        text, enough = line
        number = f"{asked.cores} core{'s' * (asked.cores > 1)}"
        yield f"{step} asks for {number}, {text}: resources.{step}.cores: {enough} would do"


def _memory(attempts: Sequence[Attempt], asked_mb: int) -> tuple[str, int] | None:
    used = [attempt.peak_memory_mb for attempt in attempts]
    largest, nearly_all = max(used), quantile(used, 0.99)
    if largest >= NEAR["memory"] * asked_mb:
        killed = sum(
            attempt.killed
            for attempt in attempts
            if attempt.peak_memory_mb >= NEAR["memory"] * _given(attempt, asked_mb)
        )
        and_killed = f", and {killed} of {len(used)} were killed there" if killed else ""
        return f"one used {gigabytes(largest)}{and_killed}", _up(SPARE * largest, MEMORY_STEP_MB)
    enough = _up(max(SPARE * nearly_all, 1.1 * largest), MEMORY_STEP_MB)
    if len(used) >= ENOUGH and enough <= WORTH * asked_mb:
        return f"99 % of {len(used)} attempts used {gigabytes(nearly_all)} or less", enough
    return None


def _time(attempts: Sequence[Attempt], asked_s: float) -> tuple[str, int] | None:
    late = sum(attempt.out_of_time for attempt in attempts)
    good = [attempt.wall_s for attempt in attempts if not attempt.failed]
    longest = max(good, default=0.0)
    if late:
        return f"{late} of {len(attempts)} attempts were ended by that", _minutes(2 * max(longest, asked_s))
    if longest >= NEAR["time"] * asked_s:
        return f"one took {duration(longest)}", _minutes(SPARE * longest)
    # A time limit costs nothing where it is not reached, but a scheduler fills gaps with short jobs.
    enough = _minutes(2 * longest)
    if len(good) >= ENOUGH and 60 * enough <= asked_s / 3:
        return f"the longest of {len(good)} took {duration(longest)}", enough
    return None


def _more_cores(attempts: Sequence[Attempt], asked: int) -> tuple[str, int] | None:
    long_ones = [_cores(attempt) for attempt in attempts if attempt.wall_s >= 10]
    if not long_ones:
        return None
    most = quantile(long_ones, 0.95)
    if most > asked + 0.5:
        return f"95 % of the long attempts used {most:.1f} or less at a time", math.ceil(most - 0.2)
    if asked > 1 and len(long_ones) >= ENOUGH and math.ceil(most) < asked:
        return f"95 % of {len(long_ones)} attempts used {most:.1f} or less at a time", max(1, math.ceil(most))
    return None


def _up(value: float, step: int) -> int:
    return step * max(1, math.ceil(value / step))


def _minutes(seconds: float) -> int:
    return _up(seconds / 60, TIME_STEP_MIN)


def gigabytes(megabytes: float) -> str:
    """Memory for people."""
    return f"{megabytes / 1000:.1f} GB" if megabytes >= 1000 else f"{megabytes:.0f} MB"


def duration(seconds: float) -> str:
    """A time for people."""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s" if rest else f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60:02d} min"
