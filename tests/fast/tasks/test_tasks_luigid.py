"""A night under luigi's central scheduler, the stock `luigid`: what it shows, and what happens when it, or the engine, is killed."""

from __future__ import annotations

import signal
from typing import Any

import stock
from daemon import Luigid
from fake_nights import FakeSite
from fresh import until

from osa_luigi.batch.command import EXIT_CODES
from osa_luigi.cli.demo.luigid import ADDRESS, free_port

HELD = "Run02003.0000"


def hanging(site: FakeSite, luigid: Luigid, step: str) -> dict[str, Any]:
    """Wait until the subrun hangs in a step; how luigid shows its task."""

    def shown() -> dict[str, Any] | None:
        says = f"running {step}.{HELD}"
        return next((task for task in luigid.tasks().values() if says in (task["status_message"] or "")), None)

    found: dict[str, Any] = until(shown, f"luigid shows {step}.{HELD}", 0.03)
    return found


def test_luigid_shows_what_runs_and_a_killed_engine_gets_its_tasks_back_at_once(
    fake_site: FakeSite, luigid: Luigid
) -> None:
    arguments = ("--scheduler-url", luigid.url)
    fake_site.set(fake={"hang": [f"dl1ab:{HELD}"]})
    with stock.start(fake_site, *arguments) as engine:
        shown = hanging(fake_site, luigid, "dl1ab")
        engine.stop()
    log = fake_site.production().logs(HELD) / "r0_to_dl1"
    assert shown["status_message"].splitlines()[0] == f"running dl1ab.{HELD} (1 of 2 steps made)"
    assert shown["progress_percentage"] == 50
    assert shown["tracking_url"].startswith(f"{log.as_uri()}.{HELD}.")
    assert shown["tracking_url"].endswith(".log")
    assert shown in luigid.tasks().values(), "luigid still believes that it runs"

    fake_site.set(fake={"hang": []})
    said = stock.run(fake_site, *arguments)
    assert said.code == 0
    assert fake_site.is_closed()
    assert luigid.statuses() == {"DONE"}
    assert said.lines("r0_to_dl1") == []
    assert fake_site.made().count(f"r0_to_dl1.{HELD}") == 1


def test_a_luigid_that_is_away_for_a_while_costs_a_night_nothing(fake_site: FakeSite, luigid: Luigid) -> None:
    """First it keeps its state, then it loses all, what has failed among it; jobs are under way each time."""
    arguments = ("--scheduler-url", luigid.url)
    fake_site.set(fake={"fail": [f"dl1ab:{HELD}"], "duration_s": 0.2})
    with stock.start(fake_site, *arguments) as engine:
        until(lambda: luigid.part("ReconstructionTask"), "the subrun is under way", 0.03)
        with engine.frozen():
            luigid.end(signal.SIGTERM)
        until(lambda: "does not answer" in engine.log.read_text(), "the engine misses luigid")
        luigid.start()
        until(lambda: luigid.part("ReconstructionTask", "FAILED"), "a subrun has failed", 0.03)
        with engine.frozen():
            assert "luigid has lost" not in engine.log.read_text()
            luigid.end(signal.SIGKILL)
            luigid.start()
            assert not luigid.part("CloseTask", "PENDING")
        said = engine.ended()
    assert said.code == EXIT_CODES["task_failed"]
    assert "Traceback" not in said.text
    lost = said.lines("luigid has lost")
    assert len(lost) == 1
    assert "added again, 1 of at most 10 times" in lost[0]
    assert len(said.lines("told to fail")) == 1
    assert len(said.lines("was given up before")) == 1, "once in each scheduler's time; the reason is said once"
    assert list(fake_site.reasons()) == [f"dl1ab.{HELD}"]
    made = fake_site.made()
    assert {"dl2.Run02004", "run_plots.Run02004", "dl1ab.Run02003.0001"} < set(made)
    assert not {"merge_dl1.Run02003", "close.night"} & set(made)

    fake_site.set(fake={"fail": []})
    assert stock.run(fake_site, *arguments).code == 0
    assert fake_site.is_closed()
    assert len(fake_site.made()) == len(set(fake_site.made()))
    assert luigid.statuses() == {"DONE"}


def test_a_luigid_that_was_never_started_is_said_before_the_night_is_taken(fake_site: FakeSite) -> None:
    url = f"http://{ADDRESS}:{free_port()}"
    said = stock.run(fake_site, "--scheduler-url", url)
    assert said.code == EXIT_CODES["unhandled_exception"]
    assert len(said.lines(f"no luigid at {url}: start it, or add --local-scheduler")) == 1
    assert "Traceback" not in said.text
    assert not fake_site.production().root.exists()
