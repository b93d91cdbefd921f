"""``osa report``: what it prints, what it writes, and where."""

from __future__ import annotations

from pathlib import Path

from cli_nights import DATE, Demo, Site

NAME = "NightReport.html"


def test_closing_left_the_page(closed: Demo) -> None:
    written = (closed.site.production().root / NAME).read_text()
    assert written.endswith("</html>\n")
    assert "Closed at" in written
    assert '<span class="badge good">complete</span>' in written


def test_a_closed_night_in_a_few_lines(closed: Demo) -> None:
    page = closed.site.production().root / NAME
    before = page.stat().st_mtime_ns
    said = closed.site.osa("report", *DATE, "--text").stdout
    assert said.startswith("LST-1, night 2024-11-15, production fake: COMPLETE\n")
    assert "Page:" not in said
    assert closed.site.data("report", *DATE)["failures"] == []
    assert page.stat().st_mtime_ns == before
    assert f"Page: {page}" in closed.site.osa("report", *DATE).stdout
    assert page.stat().st_mtime_ns > before


def test_a_night_that_was_stopped_has_a_page_as_well(stopped: Demo, tmp_path: Path) -> None:
    site, stuck = stopped.site, (*DATE, "--production", "stuck")
    said = site.osa("report", *stuck, "--html", str(tmp_path / "night.html"), code=1).stdout
    assert "r0_to_dl1 Run02003.0001: this fake step was told to fail" in said
    assert "  next: osa step run r0_to_dl1 Run02003.0001 " in said
    page = (tmp_path / "night.html").read_text()
    assert "told to fail" in page
    assert "badge bad" in page
    assert site.osa("report", *stuck, "--html", "-", code=1).stdout.startswith("<!DOCTYPE html>")
    assert not (site.production("stuck").root / NAME).exists()


def test_where_no_page_can_be_is_said(site: Site, tmp_path: Path) -> None:
    said = site.osa("report", *DATE, "--html", str(tmp_path / "none" / "night.html"), code=3).stderr
    assert f"{tmp_path / 'none'}: there is no such folder for the page" in said
    assert "--text writes no page" in site.osa("report", *DATE, "--text", "--html", "x.html", code=2).stderr


def test_a_night_that_was_not_begun_gets_no_folder(site: Site) -> None:
    said = site.osa("report", *DATE, code=1).stdout
    assert "production fake: INCOMPLETE" in said
    assert "no such production yet" in site.osa("report", *DATE, "--production", "typo", code=3).stderr
    assert not site.production().root.exists()
