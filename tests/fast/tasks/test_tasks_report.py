"""The report of nights that the engine ran: one that failed, the same closed with a decision, and what closing writes by itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from fake_nights import DAY, FakeSite, new_process, run_night

from osa_luigi.batch.afterwards import afterwards
from osa_luigi.batch.job import Job
from osa_luigi.cli.app import app
from osa_luigi.ledger.report.model import LEFT_OUT, Cell, NightReport
from osa_luigi.ledger.report.page import PAGE, page
from osa_luigi.ledger.report.text import text
from osa_luigi.products.decisions import DecisionKind, decide
from osa_luigi.tasks import opening as sessions
from osa_luigi.tasks.night import CloseTask
from osa_luigi.tasks.report import night_report


def made(site: FakeSite) -> NightReport:
    new_process(site.config)
    return night_report(sessions.open_session(site.config, DAY, "fake", to_write=False))


def cells(report: NightReport, unit: str) -> dict[str, Cell]:
    [row] = [row for row in (*report.runs, *report.night) if row.unit == unit]
    return dict(row.cells)


@pytest.mark.usefixtures("borrowed")
def test_a_night_that_failed_then_closed_with_a_decision(fake_site: FakeSite) -> None:
    fake_site.set(fake={"fail": ["r0_to_dl1:Run02003.0001"]})
    fake_site.set_main(report={"after_closing": True})
    run_night(fake_site)
    first = made(fake_site)
    _failed(first)
    assert not (first.folder / PAGE).exists()

    decide(fake_site.production(), DecisionKind.DISCARD, "Run02003.0001", "<clouds> & wind")
    run_night(fake_site)
    _closed(made(fake_site))
    written = (first.folder / PAGE).read_text()
    assert "complete with decisions" in written
    assert "&lt;clouds&gt; &amp; wind" in written


def _failed(report: NightReport) -> None:
    assert (report.verdict, report.closed) == ("INCOMPLETE", "")
    assert cells(report, "Run02003")["r0_to_dl1"] == Cell(made=1, failed=1)
    assert cells(report, "Run02003")["merge_dl1"] == Cell(waiting=1)
    assert cells(report, "Run02004")["dl2"] == Cell(made=1)
    assert cells(report, "night")["close"] == Cell(waiting=1)
    [failure] = report.failures
    assert (failure.step, failure.units, failure.standing) == ("r0_to_dl1", ("Run02003.0001",), 1)
    assert Path(failure.log).read_text().endswith(f"{failure.excerpt}\n")
    assert "told to fail" in failure.excerpt
    [action] = report.actions
    assert action.next.startswith("osa step run r0_to_dl1 Run02003.0001 ")
    assert report.waiting + 1 == report.missing
    assert sum(use.failed for use in report.uses) == sum(one.failed for one in report.attempts) == 1


def _closed(report: NightReport) -> None:
    assert (report.verdict, report.missing, report.actions) == ("COMPLETE_WITH_DECISIONS", 0, ())
    assert report.closed
    assert cells(report, "Run02003")["r0_to_dl1"] == Cell(made=1, discarded=1)
    [failure] = report.failures
    assert failure.standing == 0
    assert ".zip logs/" in failure.log
    assert "told to fail" in failure.excerpt
    [ruling] = report.decisions
    assert (ruling.unit, ruling.stands, ruling.reason) == ("Run02003.0001", True, "<clouds> & wind")
    assert [one.generation for one in report.engines] == [1]
    assert report.software["lstchain"]
    assert {one.file.suffix for one in report.plots} == {".html", ".pdf"}
    assert all(one.file.exists() for one in report.plots)
    assert report.slowest[0].attempt.wall_s >= report.slowest[-1].attempt.wall_s
    assert "attempts failed" in page(report)


def test_a_night_that_was_not_begun_has_a_report(fake_site: FakeSite) -> None:
    report = made(fake_site)
    assert (report.verdict, report.attempts, report.uses) == ("INCOMPLETE", (), ())
    assert cells(report, "Run02003")["r0_to_dl1"] == Cell(waiting=2)
    assert "Nothing was tried yet" in page(report)
    assert not report.folder.exists()


def test_a_vetoed_run_stands_in_the_report(fake_site: FakeSite) -> None:
    decide(fake_site.production(), DecisionKind.VETO, "Run02003", "a test of the camera")
    report = made(fake_site)
    [row] = [row for row in report.runs if row.unit == "Run02003"]
    assert row.verdict == LEFT_OUT
    assert row.cells["r0_to_dl1"] == Cell(discarded=2)
    assert "; 0 of 2 DATA runs are complete" in report.conclusion
    assert '<span class="badge decided">left out</span>' in page(report)


def test_runs_that_are_not_processed_are_told(fake_site: FakeSite) -> None:
    fake_site.raw(2099, 0)
    report = made(fake_site)
    [line] = report.beside
    assert line.startswith("raw files of runs that the run summary lacks: 2099")
    assert f"Mind: {line}." in page(report)
    assert f"  mind: {line}" in list(text(report))


def test_the_report_minds_what_came_late_as_the_status_does(finished: FakeSite) -> None:
    finished.raw(2004, 1)
    report = made(finished)
    [line] = report.beside
    assert line.startswith("raw files that came after the run summary was made: Run02004.0001")
    assert f"Mind: {line}." in page(report)
    said = CliRunner().invoke(app, ["status", "--date", "2024-11-15"], env={"OSA_CONFIG": str(finished.config)}).output
    assert said.count("Mind: ") == 1
    assert f"Mind: {line}." in said


@pytest.mark.usefixtures("borrowed")
def test_what_is_wrong_with_several_subruns_is_told_once(fake_site: FakeSite) -> None:
    fake_site.set(fake={"die": ["r0_to_dl1:Run02003.*"]})
    run_night(fake_site)
    [action] = made(fake_site).actions
    assert (action.units, action.count) == (("Run02003.0000", "Run02003.0001"), 2)
    assert "killed by SIGKILL (out of memory?). Read " in action.why
    assert action.next == "luigi --module osa_luigi NightTask --date 2024-11-15 --production fake --procedure fake"


def test_a_record_that_cannot_be_read_is_passed_over(finished: FakeSite) -> None:
    production = finished.loosen()
    before = len(made(finished).attempts)
    assert before
    (production.attempts("Run02003") / "dl1ab.Run02003.0000.x.json").write_text("{")
    assert len(made(finished).attempts) == before


def test_what_the_configuration_takes_from_the_environment_goes_along(
    finished: FakeSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OSA_HERE", str(finished.data))
    monkeypatch.setenv("OSA_SECRET", "of the database")
    finished.set_main(
        site={"base": "${OSA_HERE}", "paths": {"logs": "${OSA_LOGS:-logs}"}},
        ledger={"url": "sqlite:///${OSA_SECRET}"},
        report={"after_closing": True},
    )
    new_process(finished.config)
    (job,) = CloseTask(date=DAY, production="fake").jobs()
    assert [word for word in job.afterwards if "=" in word] == [f"OSA_HERE={finished.data}"]
    page = finished.production().root / PAGE
    assert not page.exists()
    monkeypatch.delenv("OSA_HERE")
    assert afterwards(job) == {}
    assert page.exists()


def test_what_follows_a_job_is_told_when_it_fails_and_holds_nothing_back(tmp_path: Path) -> None:
    job = Job(
        "close", tmp_path, (), afterwards=("report", "--config", str(tmp_path / "no.yaml"), "--date", "2024-11-15")
    )
    assert Job.from_json(job.as_json()) == job
    [(what, why)] = afterwards(job).items()
    assert what == "report"
    assert why.startswith("failed: ")
    assert "no.yaml" in why
    assert "The night is closed all the same." in why
    assert afterwards(Job("close", tmp_path, ())) == {}
