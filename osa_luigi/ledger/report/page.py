"""The report as one HTML page that needs nothing else: no network, no script, no other file."""

from __future__ import annotations

import os
from datetime import datetime
from functools import cache
from importlib.resources import files
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, FunctionLoader, StrictUndefined, Template
from markupsafe import Markup

from osa_luigi.ledger.report.curve import curve
from osa_luigi.ledger.report.model import LEFT_OUT, NightReport
from osa_luigi.ledger.report.timeline import BINS, timeline
from osa_luigi.ledger.report.use import duration, gigabytes
from osa_luigi.products.names import REPORT

PAGE = REPORT

VERDICTS = {
    "COMPLETE": ("good", "complete"),
    "COMPLETE_WITH_DECISIONS": ("decided", "complete with decisions"),
    "INCOMPLETE": ("bad", "incomplete"),
    LEFT_OUT: ("decided", "left out"),
}
"""Verdict → its colour, and what people read."""

CELLS = {"made": "good", "failed": "bad", "running": "busy", "waiting": "idle", "discarded": "decided"}
"""State of a cell → its colour."""

LONGEST = 4000
"""Characters of a reason that are shown."""


def page(report: NightReport, folder: Path | None = None) -> str:
    """The page.

    Parameters
    ----------
    folder
        Where it will lie: links lead from there. Nothing: they are absolute.
    """
    return _template().render(
        report=report,
        timeline=timeline(report.attempts, [use.step for use in report.uses]),
        bins=BINS,
        href=lambda path: link(path, folder),
        verdicts=VERDICTS,
        cells=CELLS,
    )


def link(path: Path, folder: Path | None) -> str:
    """Where a link to a file or folder leads."""
    if folder is None:
        return path.absolute().as_uri()
    return quote(os.path.relpath(path, folder))


@cache
def _template() -> Template:
    environment = Environment(
        loader=FunctionLoader(_source),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "duration": duration,
        "memory": gigabytes,
        "moment": moment,
        "short": _short,
        "curve": curve,
    }
    # Our own file, and nobody's words in it: a style sheet must not be escaped.
    environment.globals["style"] = Markup(_source("page.css"))
    return environment.get_template("page.html")


def _source(name: str) -> str:
    return (files("osa_luigi.ledger.report") / name).read_text("utf-8")


def moment(when: datetime | str) -> str:
    """A time for people, UTC."""
    text = when.isoformat() if isinstance(when, datetime) else when
    return text[:16].replace("T", " ")


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} …"
