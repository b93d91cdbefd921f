"""Progress of a night while it runs: a table that renews itself on a terminal, a line on every change elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator

import click
from rich.live import Live
from rich.table import Table
from rich.text import Text

from osa_luigi.cli.demo.engine import Engine
from osa_luigi.cli.demo.luigid import Luigid
from osa_luigi.cli.demo.progress import Stage, stages

POLL_S = 0.5
BAR = 24
SHOWN = 4
"""Steps under way that a line names."""


def show(scheduler: Luigid, engine: Engine, *, terminal: bool) -> None:
    """Until the engine ends."""
    if terminal:
        _live(scheduler, engine)
    else:
        _lines(scheduler, engine)


def _looks(scheduler: Luigid, engine: Engine) -> Iterator[tuple[Stage, ...]]:
    """The night's stages, now and again, and once more after the end."""
    ended = False
    while not ended:
        ended = engine.ended(POLL_S)
        try:
            yield stages(scheduler.tasks(), engine.day.isoformat(), engine.production)
        except OSError:
            continue  # busy; luigi itself says so if it stays away


def _live(scheduler: Luigid, engine: Engine) -> None:
    started = time.monotonic()
    with Live(auto_refresh=False) as display:
        for seen in _looks(scheduler, engine):
            display.update(_table(seen, time.monotonic() - started), refresh=True)


def _table(seen: tuple[Stage, ...], elapsed_s: float) -> Table:
    table = Table(
        box=None, pad_edge=False, show_header=False, caption=f"{_clock(elapsed_s)} elapsed", caption_justify="left"
    )
    for stage in seen:
        filled = BAR * stage.done // max(1, stage.total)
        bar = Text("━" * filled, style="green") + Text("━" * (BAR - filled), style="bright_black")
        failed = Text(f"{stage.failed} failed", style="bold red") if stage.failed else Text()
        table.add_row(
            stage.name, bar, f"{stage.done}/{stage.total}", failed, Text(_named(stage.now), overflow="ellipsis")
        )
    return table


def _lines(scheduler: Luigid, engine: Engine) -> None:
    started = time.monotonic()
    told = ""
    for seen in _looks(scheduler, engine):
        line = _line(seen)
        if line and line != told:
            click.echo(f"{_clock(time.monotonic() - started)}  {line}")
            told = line


def _line(seen: tuple[Stage, ...]) -> str:
    """What is not finished, and what is under way."""
    if not seen:
        return ""
    done, total = sum(stage.done for stage in seen), sum(stage.total for stage in seen)
    open_stages = [str(stage) for stage in seen if stage.failed or stage.now]
    now = _named(tuple(step for stage in seen for step in stage.now))
    return "; ".join([f"{done}/{total} tasks", *open_stages, *([now] if now else [])])


def _named(steps: tuple[str, ...]) -> str:
    more = [f"and {len(steps) - SHOWN} more"] if len(steps) > SHOWN else []
    return ", ".join([*steps[:SHOWN], *more])


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60:02d}:{int(seconds) % 60:02d}"
