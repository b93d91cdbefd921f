"""Workflows: procedures in their order, each after the one before it."""

from __future__ import annotations

import json
from typing import Any

import luigi
import pytest
from fake_nights import DAY, FAKE, FakeSite, new_process

from osa_luigi.batch.command import OsaFactory
from osa_luigi.tasks.workflow import WorkflowTask

WORKFLOWS = [{"name": "inner", "tasks": ["second"]}, {"name": "both", "tasks": ["fake", "inner"]}]
pytestmark = pytest.mark.usefixtures("borrowed")


@pytest.fixture
def site(fake_site: FakeSite) -> FakeSite:
    """Two reconstructions, and a workflow of both."""
    fake_site.procedures = {"fake": FAKE, "second": {**FAKE, "name": "second", "production_id": "second"}}
    fake_site.set_main(workflows=WORKFLOWS)
    return fake_site


def run(site: FakeSite, **parameters: str) -> Any:
    new_process(site.config)
    task = WorkflowTask(name="both", **parameters)
    return luigi.build([task], local_scheduler=True, worker_scheduler_factory=OsaFactory(), detailed_summary=True)


def test_a_failure_holds_back_what_follows(site: FakeSite) -> None:
    site.set(fake={"fail": ["dl2:Run02004"]})
    assert not run(site, date=DAY.isoformat()).scheduling_succeeded
    assert not site.production("second").root.exists()


def test_they_run_in_their_order(site: FakeSite) -> None:
    assert run(site, date=DAY.isoformat()).scheduling_succeeded
    first, second = (
        json.loads((site.production(one).root / "NightFinished.json").read_text()) for one in ("fake", "second")
    )
    assert first["closed"] <= second["closed"]
    assert second["linked"] == sum(first["steps"].values()) - first["steps"].get("close", 0)
    new_process(site.config)
    assert WorkflowTask(name="both", date=DAY.isoformat()).complete()


def test_without_a_date_it_says_which_procedure_wants_one(site: FakeSite, caplog: pytest.LogCaptureFixture) -> None:
    assert not run(site).scheduling_succeeded
    assert "workflow 'both': 'fake' is for a night: say which (--date YYYY-MM-DD)" in caplog.text
