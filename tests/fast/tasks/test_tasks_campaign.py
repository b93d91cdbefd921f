"""Campaigns of fake nights: what is planned, made, linked, recognised, and what a second process or a pause does."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from fake_nights import DAY, FakeSite, new_process, run_night

from osa_luigi.config import load_campaign, load_main
from osa_luigi.errors import ExecutorError
from osa_luigi.night import observe
from osa_luigi.products.receipt import Receipt, ReceiptBook
from osa_luigi.tasks.campaign import work
from osa_luigi.tasks.campaign.costs import Cost, costs, estimate
from osa_luigi.tasks.campaign.folder import Note
from osa_luigi.tasks.campaign.forecast import Forecast, forecasts
from osa_luigi.tasks.campaign.report import report
from osa_luigi.tasks.campaign.standing import Nights, forget_configurations, tally
from osa_luigi.tasks.morning.look import State
from osa_luigi.tasks.night import NightTask

PICTURE = {"key": ["dl1ab", "tailcuts", "picture_thresh"], "values": [8, 6]}
CAMPAIGN = {"name": "c", "type": "campaign", "reconstruction": "fake", "dates": ["2024-11-15"], "grid": [PICTURE]}
AFTER_DL1A = {"dl1ab", "datacheck", "merge_dl1", "dl2", "run_datacheck", "run_plots", "longterm", "close"}


@pytest.fixture
def site(fake_site: FakeSite) -> Iterator[FakeSite]:
    """With a campaign of two points."""
    fake_site.procedures = {**fake_site.procedures, "c": CAMPAIGN}
    fake_site.set_main(morning={"settle_minutes": 0})
    forget_configurations()
    yield fake_site
    forget_configurations()


def nights(site: FakeSite) -> Nights:
    main = load_main(site.config, check_files=False)
    return Nights(site.config, main, load_campaign(main, "c"))


def forecast(site: FakeSite) -> list[Forecast]:
    return list(forecasts(nights(site)))


def linked(site: FakeSite, production: str) -> Counter[str]:
    """Step → how many are linked."""
    return Counter(receipt.step for receipt in receipts(site, production) if receipt.linked_from)


def receipts(site: FakeSite, production: str) -> list[Receipt]:
    book = ReceiptBook(site.production(production))
    return [receipt for name in book.names() if (receipt := book.receipt(name))]


@pytest.mark.usefixtures("borrowed")
def test_one_tailcut_value_changed_makes_dl1ab_and_what_follows_and_links_the_rest(site: FakeSite) -> None:
    """First it is foretold, then it happens: exactly that."""
    before = forecast(site)
    assert set(before[1].make) == AFTER_DL1A
    assert before[1].linked_from == {"fake-p000": sum(before[1].link.values())}
    assert before[1].why[0] == "dl1ab: config.tailcut.picture_thresh: 8 → 6 (as against fake-p000)"

    for index in range(2):
        assert run_night(site, procedure=f"c@{index}").scheduling_succeeded
    made = Counter(name.partition(".")[0] for name in site.made("fake-p001"))
    assert made == before[1].make
    assert linked(site, "fake-p001") == before[1].link
    assert Counter(name.partition(".")[0] for name in site.made("fake-p000")) == before[0].make

    after = forecast(site)
    assert [(one.state, one.make, one.link) for one in after] == [(State.CLOSED, {}, {})] * 2
    fakes = {receipt.step: receipt.fake for receipt in receipts(site, "fake-p000")}
    assert {step for step, fake in fakes.items() if not fake} == {"close"}
    known = costs(nights(site).main, faked=True)
    assert known["dl1ab"].receipts == 6
    assert set(costs(nights(site).main, faked=False)) == {"close"}
    assert tally(nights(site).standings()) == {State.CLOSED: 2}

    site.set("c", grid=[{**PICTURE, "values": [8, 7]}])
    changed = forecast(site)[1]
    assert changed.state is State.BLOCKED
    assert "picture_thresh: 6 → 7" in changed.note


def test_an_estimate_says_what_it_rests_on() -> None:
    known = {"dl1ab": Cost(cpu_s=36.0, size=2**30, receipts=7)}
    found = estimate({"dl1ab": 100, "dl2": 3}, known)
    assert (found.core_hours, found.gigabytes) == (1.0, 100.0)
    assert (found.unknown, found.receipts) == ({"dl2": 3}, {"dl1ab": 7})


def test_only_selected_runs_are_in_the_plan_and_the_others_are_named(site: FakeSite) -> None:
    site.set("c", grid=[], select={"runs": {"2024-11-15": [2004]}})
    (found,) = forecast(site)
    assert found.make["r0_to_dl1"] == 1
    assert found.note == "not selected: 2003 (it is not in the list of runs)"


def test_nights_without_data_or_summary_are_told_apart(site: FakeSite) -> None:
    site.set("c", grid=[], dates=[{"first": "2024-11-14", "last": "2024-11-16"}])
    site.raw(3001, 0, day=date(2024, 11, 16))
    found = {one.date.day: (one.state, one.make) for one in forecast(site) if one.date != DAY}
    assert found == {14: (State.NO_DATA, {}), 16: (State.TO_DO, {"run_summary": 1})}


class Pretended:
    """Commands in the place of luigi's: a shell that leaves a marker, or fails, as a night is told to."""

    def __init__(self, site: FakeSite) -> None:
        self.site = site
        self.bad: set[date] = set()
        self.started: list[tuple[date, str]] = []

    def command(self, asked: Any, night: Any, logs: Path, began: Any, options: Any) -> work.Command:
        production = self.site.production(night.production, night.date).root
        self.started.append((night.date, night.production))
        good = f'mkdir -p {production} && echo \'{{"products": 3, "cpu_s": 3600}}\' > {production}/NightFinished.json'
        script = "exit 30" if night.date in self.bad else good
        return work.Command(["sh", "-c", script], logs / "x.log", {})

    def outcome(self, asked: Any, night: Any, ended: Any) -> Any:
        state = State.INCOMPLETE if ended.code else State.CLOSED
        return work.Night(night.date, night.production, state, "dl2 failed" if ended.code else "")


@pytest.fixture
def pretended(site: FakeSite, monkeypatch: pytest.MonkeyPatch) -> Pretended:
    """Engines that take no time; whether nights are closed, the markers say."""
    days = [DAY + timedelta(days=number) for number in range(4)]
    for day in days[:3]:
        site.raw(2003, 0, day=day)
    site.set("c", dates=[{"first": days[0].isoformat(), "last": days[-1].isoformat()}])
    engines = Pretended(site)
    monkeypatch.setattr(work, "night_command", engines.command)
    monkeypatch.setattr(work, "outcome", engines.outcome)
    monkeypatch.setattr("osa_luigi.tasks.processes.POLL_S", 0.01)
    return engines


def test_a_night_that_fails_stops_no_other_and_is_tried_again(site: FakeSite, pretended: Pretended) -> None:
    pretended.bad = {DAY}
    progress = work.Work(nights(site)).run()
    assert progress.states == {State.CLOSED: 4, State.INCOMPLETE: 2, State.NO_DATA: 2}
    assert str(progress) == "8 of 8: 4 closed, 2 incomplete, 2 no data"
    told = report(nights(site).campaign, nights(site).standings())
    assert [(one.date, one.why) for one in told.left] == [(DAY, "dl2 failed")] * 2
    assert told.as_json()["cpu_h"] == 4.0

    pretended.bad, pretended.started = set(), []
    assert work.Work(nights(site)).run().states == {State.CLOSED: 6, State.NO_DATA: 2}
    assert pretended.started == [(DAY, "fake-p000"), (DAY, "fake-p001")]


def test_productions_of_a_night_come_one_after_the_other_and_nights_beside_each_other(
    site: FakeSite, pretended: Pretended
) -> None:
    running: set[tuple[date, str]] = set()
    most = 0

    def started(standing: Any) -> None:
        nonlocal most
        running.add((standing.date, standing.point.production))
        most = max(most, len(running))
        assert len({day for day, _ in running}) == len(running)

    def ended(standing: Any, progress: Any) -> None:
        running.remove((standing.date, standing.point.production))

    work.Work(nights(site), started=started, ended=ended).run()
    assert most == 2
    assert len(pretended.started) == 6


def test_a_pause_lets_nights_end_and_a_resume_goes_on(site: FakeSite, pretended: Pretended) -> None:
    first = nights(site)

    def ended(standing: Any, progress: Any) -> None:
        if not first.folder.paused():
            first.folder.pause("the disk is full", now=False)

    run = work.Work(first, ended=ended)
    run.run()
    assert run.paused
    assert not run.stopped
    assert len(pretended.started) == 2
    assert "the disk is full" in str(nights(site).folder.paused())
    assert work.Work(nights(site)).run().looked_at == 0
    assert nights(site).folder.resume()
    assert not nights(site).folder.resume()
    assert work.Work(nights(site)).run().states[State.CLOSED] == 6


def test_a_stop_is_one_ctrl_c_for_each_night_at_work(
    site: FakeSite, pretended: Pretended, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A second one would cut short how luigi ends."""

    def slow(asked: Any, night: Any, logs: Path, began: Any, options: Any) -> work.Command:
        told = tmp_path / f"{night.date}"
        script = f"trap 'echo told >> {told}' INT; echo ready >> {told}; for i in 1 2 3 4 5; do sleep 0.1; done; exit 1"
        return work.Command(["sh", "-c", script], logs / "x.log", {})

    monkeypatch.setattr(work, "night_command", slow)
    run = work.Work(nights(site))
    places = [tmp_path / f"{DAY + timedelta(days=number)}" for number in range(2)]

    def stop_when_ready(seconds: float) -> None:
        sleep(seconds)
        if not run.stopped and all(place.exists() for place in places):
            run.stop()

    sleep = time.sleep
    monkeypatch.setattr("osa_luigi.tasks.campaign.work.time.sleep", stop_when_ready)
    progress = run.run()
    assert run.stopped
    assert [place.read_text() for place in places] == ["ready\ntold\n"] * 2
    assert progress.looked_at == 2


def test_what_was_closed_is_known_by_its_marker_and_its_settings(site: FakeSite, pretended: Pretended) -> None:
    work.Work(nights(site)).run()
    (site.production("fake-p001").root / "NightFinished.json").unlink()
    states = {(one.date.day, one.point.index): one.why for one in nights(site).standings() if one.state is State.TO_DO}
    assert states == {(15, 1): "it was closed, and its marker is gone"}
    forget_configurations()
    site.set("c", grid=[{**PICTURE, "values": [8, 5]}])
    changed = [one.why for one in nights(site).standings() if one.point.index == 1 and one.state is State.TO_DO]
    assert changed.count("the settings have changed since it was closed") == 2


def test_a_second_process_is_told_who_runs_it(site: FakeSite) -> None:
    first = nights(site)
    first.folder.take_lease()
    child = os.fork()
    if child == 0:
        try:
            nights(site).folder.take_lease()
        except ExecutorError as error:
            os._exit(7 if f"process {os.getppid()} on" in str(error) else 8)
        os._exit(9)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    runner = first.folder.runner()
    assert runner
    assert runner.pid == os.getpid()
    first.folder.release_lease()
    assert nights(site).folder.runner() is None


def test_a_note_that_a_crash_cut_short_spoils_no_other(site: FakeSite) -> None:
    folder = nights(site).folder
    folder.note(DAY, Note("2024-11-16T00:00:00+00:00", "a", "closed"))
    path = folder.root / "nights" / "20241115.jsonl"
    with path.open("a") as file:
        file.write('{"when": "2024-')
    folder.note(DAY, Note("2024-11-16T00:00:01+00:00", "b", "incomplete", "why"))
    assert {name: note.state for name, note in folder.notes(DAY).items()} == {"a": "closed", "b": "incomplete"}
    assert len(path.read_text().splitlines()) == 3


def test_a_start_without_an_end_is_a_killed_engine(site: FakeSite) -> None:
    found = nights(site)
    found.folder.note(DAY, Note("2024-11-16T00:00:00+00:00", "fake-p000", State.AT_WORK))
    first, second = found.standings()
    assert (first.state, second.state) == (State.STOPPED, State.TO_DO)
    assert "its engine was killed" in first.why


@pytest.mark.usefixtures("borrowed")
def test_luigi_s_range_asks_about_all_nights_at_once(site: FakeSite, monkeypatch: pytest.MonkeyPatch) -> None:
    from luigi.tools.range import RangeDaily

    assert run_night(site).scheduling_succeeded
    new_process(site.config)
    planned: list[str] = []
    monkeypatch.setattr("osa_luigi.tasks.opening.observe", _counting(planned))
    task = RangeDaily(of=NightTask, start=DAY - timedelta(days=1), stop=DAY + timedelta(days=2), days_back=10**5)
    missing = {one.date for one in task.requires()}
    assert missing == {DAY - timedelta(days=1), DAY + timedelta(days=1)}
    assert planned == ["2024-11-15"], "nights without a marker are not planned"
    both = list(NightTask.bulk_complete([DAY, (DAY, "fake"), {"date": DAY, "production": "other"}]))
    assert both == [DAY, (DAY, "fake")]


def _counting(told: list[str]) -> Any:
    def counting(paths: Any, day: date) -> Any:
        told.append(day.isoformat())
        return observe(paths, day)

    return counting
