"""Attempts and reports written down by hand, and pages taken apart."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from osa_luigi.ledger.report.model import Attempt, Cell, GridRow, NightReport

BEGIN = datetime(2024, 11, 16, 8, tzinfo=UTC)
FOLDER = Path("/data/running_analysis/20241115/v1")
VOID = {"meta", "br", "hr", "img", "input", "link"}


def attempt(step: str = "dl1ab", unit: str = "Run02003.0000", at_s: float = 0, **more: Any) -> Attempt:
    """An attempt of ten minutes that went well."""
    wall_s = more.pop("wall_s", 600.0)
    made = Attempt(
        step=step,
        unit=unit,
        outcome="made",
        started=BEGIN + timedelta(seconds=at_s),
        ended=BEGIN + timedelta(seconds=at_s + wall_s),
        wall_s=wall_s,
        cpu_s=0.9 * wall_s,
        cost_s=0.9 * wall_s,
        peak_memory_mb=2000.0,
        host="node1",
        reason="",
        log="",
        exit_code=0,
        out_of_time=False,
        killed=False,
    )
    return replace(made, **more)


def report(**more: Any) -> NightReport:
    """Of a night with one run, of which nothing else is said."""
    made = NightReport(
        date=date(2024, 11, 15),
        production="v1",
        procedure="standard",
        telescope="LST-1",
        site="test",
        folder=FOLDER,
        made=BEGIN,
        verdict="COMPLETE",
        conclusion="The products of all 3 declared steps are there.",
        closed="2024-11-16T09:00:00",
        steps=3,
        missing=0,
        waiting=0,
        beside=(),
        runs=(GridRow("Run02003", "Crab", "COMPLETE", {"dl1ab": Cell(made=2)}),),
        night=(),
        actions=(),
        attempts=(attempt(),),
        uses=(),
        slowest=(),
        failures=(),
        plots=(),
        trends=(),
        decisions=(),
        engines=(),
        software={"lstchain": ("0.12.3",)},
        settings="abc",
        folders=(),
    )
    return replace(made, **more)


@dataclass
class Page(HTMLParser):
    """A page taken apart: every tag that is opened is closed, in order."""

    text: str
    stack: list[str] = field(default_factory=list)
    tags: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    words: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.text)
        self.close()
        assert self.stack == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        assert len(dict(attrs)) == len(attrs), (tag, attrs)
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.stack.pop() == tag, self.getpos()

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def said(self) -> str:
        """What a person reads, spaces made one."""
        return " ".join("".join(self.words).split())

    @property
    def links(self) -> list[str]:
        """All that would be fetched or followed."""
        return [value or "" for _, attrs in self.tags for name, value in attrs.items() if name in ("href", "src")]
