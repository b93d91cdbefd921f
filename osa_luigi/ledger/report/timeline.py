"""When what ran, summed up: a night has tens of thousands of attempts, a page should have some hundred points.

Time in which nothing ran is cut out, so that a retry the next morning does not squeeze the night into a corner.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from osa_luigi.ledger.report.model import Attempt

BINS = 240
"""Points of a lane."""

GAP_S = 600.0
"""Longer idle times are cut out, if they are also longer than `GAP_SHARE` of the time at work."""

GAP_SHARE = 0.05


@dataclass(frozen=True, slots=True)
class Stretch:
    """A time at work, without idle times: from when to when (unix s)."""

    begin: float
    end: float


@dataclass(frozen=True, slots=True)
class Lane:
    """What ran of one kind.

    Parameters
    ----------
    running
        Mean number of attempts under way, bin by bin.
    peak
        The largest number at one time.
    failed
        Bins in which attempts failed.
    """

    name: str
    running: tuple[float, ...]
    peak: int
    failed: tuple[int, ...]
    attempts: int

    @property
    def bars(self) -> list[tuple[int, int]]:
        """First bin and number of bins of each time in which anything ran."""
        found: list[tuple[int, int]] = []
        for number, value in enumerate(self.running):
            if value and found and sum(found[-1]) == number:
                found[-1] = (found[-1][0], found[-1][1] + 1)
            elif value:
                found.append((number, 1))
        return found

    @property
    def outline(self) -> str:
        """The area under `running` as an SVG path: a bin is 1 wide, the peak 100 high, downward from 0."""
        top = max(self.peak, 1)
        points = [f"M0 100V{_height(self.running[0], top)}"]
        last = points[0].partition("V")[2]
        for number, value in enumerate(self.running):
            if (height := _height(value, top)) != last:
                points.append(f"H{number}V{height}")
                last = height
        return "".join([*points, f"H{len(self.running)}V100Z"])


def _height(value: float, top: int) -> str:
    share = 100 * value / top
    # What ran for a moment only is still to be seen.
    return f"{100 - (max(share, 4) if value else 0):.0f}"


@dataclass(frozen=True, slots=True)
class Timeline:
    """Lanes over the same time; marks are shares of its width with their labels, cuts are where idle time is left out."""

    stages: tuple[Lane, ...]
    runs: tuple[Lane, ...]
    marks: tuple[tuple[float, str], ...]
    cuts: tuple[tuple[float, str], ...]
    busy_s: float


def timeline(attempts: Sequence[Attempt], stages: Iterable[str]) -> Timeline | None:
    """The timeline of a night; `None` if nothing was tried.

    Parameters
    ----------
    stages
        Steps, in the order of the lanes.
    """
    if not attempts:
        return None
    clock = _Clock(attempts)
    order = {stage: number for number, stage in enumerate(stages)}
    by_stage = _groups(attempts, lambda attempt: attempt.step)
    by_run = _groups(attempts, lambda attempt: attempt.run)
    return Timeline(
        stages=tuple(
            clock.lane(name, by_stage[name]) for name in sorted(by_stage, key=lambda n: (order.get(n, 99), n))
        ),
        runs=tuple(clock.lane(name, by_run[name]) for name in sorted(by_run)),
        marks=clock.marks(),
        cuts=clock.cuts(),
        busy_s=clock.busy,
    )


def _groups(attempts: Iterable[Attempt], name: Callable[[Attempt], str]) -> dict[str, list[Attempt]]:
    found: dict[str, list[Attempt]] = {}
    for attempt in attempts:
        found.setdefault(name(attempt), []).append(attempt)
    return found


class _Clock:
    """From the time of day to a place on the axis."""

    def __init__(self, attempts: Iterable[Attempt]) -> None:
        spans = sorted((attempt.started.timestamp(), attempt.ended.timestamp()) for attempt in attempts)
        whole = _joined(spans, GAP_S)
        gap = max(GAP_S, GAP_SHARE * sum(one.end - one.begin for one in whole))
        self._stretches = _joined([(one.begin, one.end) for one in whole], gap)
        self._begins = [one.begin for one in self._stretches]
        self._before = [0.0]
        for one in self._stretches:
            self._before.append(self._before[-1] + one.end - one.begin)
        self.busy = max(self._before[-1], 1.0)

    def place(self, at: float) -> float:
        """As a share of the axis."""
        number = max(0, bisect_right(self._begins, at) - 1)
        one = self._stretches[number]
        return (self._before[number] + min(max(at, one.begin), one.end) - one.begin) / self.busy

    def lane(self, name: str, attempts: Sequence[Attempt]) -> Lane:
        running = [0.0] * (BINS + 1)
        changes: list[tuple[float, int]] = []
        failed = set()
        for attempt in attempts:
            begin, end = (BINS * self.place(at.timestamp()) for at in (attempt.started, attempt.ended))
            changes += [(begin, 1), (end, -1)]
            _add(running, begin, end)
            if attempt.failed:
                failed.add(min(int(end), BINS - 1))
        return Lane(
            name,
            tuple(round(value, 3) for value in running[:BINS]),
            _peak(changes),
            tuple(sorted(failed)),
            len(attempts),
        )

    def marks(self) -> tuple[tuple[float, str], ...]:
        """The beginning of each stretch and the end of the last, then full hours and so on as there is room."""
        ends = {self.place(one.begin): _hour(one.begin, day=True) for one in self._stretches[:6]}
        last = self._stretches[-1].end
        ticks = dict(ends)
        step = _tick(self.busy)
        for one in self._stretches:
            at = step * (one.begin // step + 1)
            while at < one.end and len(ticks) < 40:
                if all(abs(self.place(at) - other) > 0.07 for other in ticks):
                    ticks[self.place(at)] = _hour(at)
                at += step
        if all(1 - other > 0.07 for other in ticks):
            ticks[1.0] = _hour(last)
        return tuple(sorted(ticks.items()))

    def cuts(self) -> tuple[tuple[float, str], ...]:
        """Where idle time is left out, and how much."""
        pairs = zip(self._stretches, self._stretches[1:], strict=False)
        return tuple((self.place(later.begin), f"{(later.begin - one.end) / 3600:.1f} h idle") for one, later in pairs)


def _joined(spans: Iterable[tuple[float, float]], gap: float) -> list[Stretch]:
    """Spans, sorted by their beginnings, as one where the time between them is short."""
    found: list[Stretch] = []
    for begin, end in spans:
        if found and begin - found[-1].end <= gap:
            found[-1] = Stretch(found[-1].begin, max(found[-1].end, end))
        else:
            found.append(Stretch(begin, max(begin, end)))
    return found


def _add(running: list[float], begin: float, end: float) -> None:
    """Add one attempt to the bins that it ran in, each by its share."""
    first, last = int(begin), min(int(end), BINS - 1)
    if first >= last:
        running[min(first, BINS - 1)] += max(end - begin, 1e-3)
        return
    running[first] += first + 1 - begin
    for number in range(first + 1, last):
        running[number] += 1
    running[last] += end - last


def _peak(changes: list[tuple[float, int]]) -> int:
    """The most at one time; what ends as another begins made room for it."""
    most = now = 0
    for _, change in sorted(changes):
        now += change
        most = max(most, now)
    return max(most, 1)


def _tick(busy_s: float) -> float:
    """Between marks, s."""
    steps = (10, 30, 60, 300, 600, 1800, 3600, 7200, 14400, 43200, 86400)
    return next((step for step in steps if busy_s / step <= 10), 86400 * (1 + busy_s // 864000))


def _hour(at: float, *, day: bool = False) -> str:
    when = datetime.fromtimestamp(at, UTC)
    return f"{when:%d %b %H:%M}" if day else f"{when:%H:%M:%S}" if int(at) % 60 else f"{when:%H:%M}"
