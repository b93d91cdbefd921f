"""The page is whole, needs nothing else, and takes nobody's words for HTML."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from reported import FOLDER, Page, attempt, report

from osa_luigi.ledger.report.model import (
    Cell,
    Folder,
    GridRow,
    Held,
    NightReport,
    Plots,
    Problem,
    Ruling,
    Slow,
    Spread,
    Trend,
    Use,
)
from osa_luigi.ledger.report.page import page
from osa_luigi.ledger.report.text import text

EVIL = """<b>Crab & co</b> "quoted" 'single' </style><script>alert(1)</script> {{ 7 * 7 }} ünï"""


def words_everywhere(words: str) -> NightReport:
    """A report with the same words wherever somebody's words may stand."""
    one = Spread(1.0, 2.0, 3.0)
    problem = Problem(words, (words,), 7, words, 1, next=words, ended="2024-11-16T09:00:00", log=words, excerpt=words)
    bad = attempt(words, words, host=words, outcome="failed", reason=words)
    row = GridRow(words, words, "INCOMPLETE", {words: Cell(1, 1, 1, 1, 1)})
    return report(
        production=words,
        procedure=words,
        telescope=words,
        site=words,
        folder=Path("/data") / words,
        verdict="INCOMPLETE",
        conclusion=words,
        closed="",
        runs=(row,),
        night=(row,),
        actions=(problem,),
        attempts=(attempt(), bad),
        uses=(Use(words, 2, 1, 3.0, 100, 60.0, 1, (100, 100), one, one, one, (words,)),),
        slowest=(Slow(bad, 1.0),),
        failures=(problem, replace(problem, standing=0)),
        plots=(Plots(words, FOLDER / words, words),),
        trends=(Trend(words, (1.0, 2.0), ((0, words),)),),
        decisions=(Ruling(1, words, words, words, "2024-11-16T09:00", words, False),),
        engines=(Held(1, words, 7, "2024-11-16T08:00", ""),),
        software={words: (words, "2")},
        settings=words,
        folders=(Folder(words, FOLDER, 1, 1.0),),
    )


def test_nobodys_words_are_taken_for_html() -> None:
    written = page(words_everywhere(EVIL), FOLDER)
    found = Page(written)
    assert "<script" not in written
    assert "<b>Crab" not in written
    assert written.count("</style>") == 1
    assert found.said.count(" ".join(EVIL.split())) > 25
    tags = {tag for tag, _ in found.tags}
    assert tags == {tag for tag, _ in Page(page(words_everywhere("words"), FOLDER)).tags}


@pytest.mark.parametrize("made", [report(), report(attempts=(), runs=(), software={}, closed="")], ids=["one", "none"])
def test_a_page_with_little_to_say_is_whole_as_well(made: NightReport) -> None:
    assert Page(page(made)).said


def test_the_page_needs_nothing_else() -> None:
    plots = (Plots("Run02003", FOLDER / "tailcut84" / "a b#1.pdf", ""), Plots("x", FOLDER.parent / "v2" / "x.html", ""))
    written = page(report(plots=plots), FOLDER)
    found = Page(written)
    assert found.links == ["tailcut84/a%20b%231.pdf", "../v2/x.html"]
    assert not re.search(r"url\(|@import|https?:", written)
    assert not {"script", "link", "img", "iframe"} & {tag for tag, _ in found.tags}
    assert Page(page(report(plots=plots))).links[0] == f"{FOLDER.as_uri()}/tailcut84/a%20b%231.pdf"


def test_pictures_have_words_for_those_who_do_not_see_them() -> None:
    found = Page(page(words_everywhere("words"), FOLDER))
    pictures = [attrs for tag, attrs in found.tags if tag == "svg"]
    assert len(pictures) >= 3
    assert all(attrs["role"] == "img" and attrs["aria-label"] for attrs in pictures)
    assert [tag for tag, _ in found.tags].count("title") >= len(pictures) + 1


def test_a_cell_says_how_its_steps_stand() -> None:
    cells = {"r0_to_dl1": Cell(made=150, failed=1, waiting=1), "dl1ab": Cell(discarded=3)}
    found = Page(page(report(runs=(GridRow("Run02003", "", "INCOMPLETE", cells),)), FOLDER))
    assert "150/152 ✗1 …1" in found.said
    assert " −3" in found.said
    titles = [attrs["title"] for tag, attrs in found.tags if tag == "td" and "title" in attrs]
    assert titles[0] == "r0_to_dl1 Run02003: 150 made, 1 failed, 0 running, 1 waiting, 0 discarded"
    classes = [attrs["class"] for tag, attrs in found.tags if tag == "td" and "title" in attrs]
    assert classes == ["cell bad", "cell decided"]


def test_what_jobs_were_given_stands_below_what_the_configuration_says() -> None:
    one = Spread(50, 80, 100)
    grown = Use("dl1ab", 2, 1, 3.0, 800, 60.0, 1, (1200, 2400), one, one, one)
    written = page(report(uses=(grown, replace(grown, step="dl2", given_memory_mb=(800, 800)))), FOLDER)
    assert '800 MB<br><span class="soft">jobs: 1.2 GB – 2.4 GB</span></td>' in written
    assert written.count("jobs: ") == 1


def test_a_large_night_is_a_light_page() -> None:
    attempts = tuple(
        attempt(step, f"Run{2000 + n // 125:05d}.{n % 125:04d}", 7.0 * n, outcome="failed" if n % 50 == 0 else "made")
        for n in range(5000)
        for step in ("r0_to_dl1", "dl1ab")
    )
    written = page(report(attempts=attempts), FOLDER)
    Page(written)
    assert len(written) < 300_000


def test_the_same_as_data_and_in_a_few_lines() -> None:
    made = words_everywhere("words")
    data = json.loads(json.dumps(made.as_json()))
    assert (data["verdict"], data["attempts"], data["date"]) == ("INCOMPLETE", 2, "2024-11-15")
    assert data["runs"][0]["cells"]["words"]["failed"] == 1
    lines = list(text(made))
    assert lines[0] == "words, night 2024-11-15, production words: INCOMPLETE"
    assert "  words words and 6 more: words" in lines
    assert "  1: words words (taken back), words: words" in lines
    assert len(lines) < 40
