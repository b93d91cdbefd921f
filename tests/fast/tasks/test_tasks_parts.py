"""The parts that `osa why` speaks of stand to each other as luigi's tasks do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_nights import DAY, FakeSite, new_process, plan_of

from osa_luigi.batch.slurm.executor import job_key
from osa_luigi.errors import NightError
from osa_luigi.tasks.night import CloseTask
from osa_luigi.tasks.opening import choose_procedure
from osa_luigi.tasks.part import NightPart
from osa_luigi.tasks.parts import chosen, parts


@pytest.fixture
def site(tmp_path: Path) -> FakeSite:
    site = FakeSite(tmp_path)
    site.write()
    site.night()
    site.foreign()
    return site


def tasks(task: NightPart, found: dict[str, NightPart]) -> Iterator[NightPart]:
    """A task and all below it, each once."""
    if task.task_id not in found:
        found[task.task_id] = task
        yield task
        for needed in task.requires():
            yield from tasks(needed, found)


@pytest.mark.parametrize("changes", [{}, {"tailcuts": {"source": "per_run"}}], ids=["one leg", "two legs"])
def test_parts_need_what_tasks_require(site: FakeSite, changes: dict[str, object]) -> None:
    site.set("real", **changes)
    new_process(site.config)
    choose_procedure("real", "real")
    close = CloseTask(date=DAY, production="real")
    known = parts(close.session.plan)
    by_key = {job_key(part.group.calls): part for part in known.values()}
    seen = {by_key[job_key(task.group().calls)].name: task for task in tasks(close, {})}
    assert set(seen) == set(known)
    for name, task in seen.items():
        required = {by_key[job_key(needed.group().calls)].name for needed in task.requires()}
        assert _all(known, name) == required | {more for one in required for more in _all(known, one)}


def _all(known, name: str) -> set[str]:
    """What must be done before a part, directly or not."""
    return {more for need in known[name].needs for more in (need, *_all(known, need))}


def test_units_are_chosen_by_what_people_type(site: FakeSite) -> None:
    plan = plan_of(site)
    for text in ("2003.1", "Run02003.0001"):
        assert [part.name for part in chosen(plan, text)] == ["Run02003.0001 dl1"]
    assert [part.what for part in chosen(plan, "2003")] == ["dl1", "dl1", "merge", "dl2", "datacheck", "plots"]
    assert [part.what for part in chosen(plan, "night")] == ["calibration", "longterm", "close"]


@pytest.mark.parametrize(
    ("text", "words"),
    [("2003.7", "no subrun 7"), ("2001", "DRS4 run"), ("2099", "2099"), ("tonight", "give a run"), ("2003.x", "give")],
)
def test_what_is_no_unit_is_told(site: FakeSite, text: str, words: str) -> None:
    with pytest.raises(NightError, match=words):
        chosen(plan_of(site), text)
