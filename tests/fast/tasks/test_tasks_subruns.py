"""Subruns that luigi hands out together: the parameter leads back to them, and the joined task is what its members are."""

from __future__ import annotations

from typing import Any

import pytest
from fake_nights import DAY, FakeSite, new_process, run_night
from hypothesis import given
from hypothesis import strategies as st
from luigi.execution_summary import LuigiStatusCode
from luigi.task_register import load_task

from osa_luigi.batch.job import Event
from osa_luigi.batch.local import LocalExecutor
from osa_luigi.tasks.night import CloseTask, LongtermTask
from osa_luigi.tasks.part import CalibrationTask, RunSummaryTask
from osa_luigi.tasks.run import DatacheckTask, Dl2Task, MergeTask, PlotsTask, ReconstructionTask
from osa_luigi.tasks.subruns import SubrunsParameter

NUMBERS = st.lists(st.integers(0, 200), min_size=1)
SUBRUNS = SubrunsParameter()


@given(NUMBERS)
def test_the_text_leads_back_to_the_numbers(numbers: list[int]) -> None:
    value = SUBRUNS.normalize(numbers)
    assert value == tuple(sorted(set(numbers)))
    assert SUBRUNS.normalize(value) == value
    text = SUBRUNS.serialize(numbers)
    assert SUBRUNS.parse(text) == value
    assert SUBRUNS.serialize(SUBRUNS.parse(text)) == text


@given(st.lists(NUMBERS, min_size=1))
def test_luigi_joins_any_texts_to_all_their_numbers(several: list[list[int]]) -> None:
    joined = SUBRUNS._parse_list([SUBRUNS.serialize(numbers) for numbers in several])
    assert joined == SUBRUNS.normalize({number for numbers in several for number in numbers})


@pytest.mark.parametrize(
    ("numbers", "text"),
    [(3, "3"), ([3], "3"), ([4, 3], "3-4"), ([*range(150), 152], "0-149,152"), ([9, 1, 5], "1,5,9")],
)
def test_one_is_a_number_and_neighbours_are_a_range(numbers: Any, text: str) -> None:
    assert SUBRUNS.serialize(numbers) == text


@pytest.mark.parametrize("text", ["", "x", "-1", "3-", "5-3", "1,,2", "1;2"])
def test_what_is_no_list_of_subruns_is_said(text: str) -> None:
    with pytest.raises(ValueError, match="give a number, or some as in 0-149,152"):
        SUBRUNS.parse(text)


def joined(**more: Any) -> ReconstructionTask:
    return ReconstructionTask(date=DAY, production="fake", run_id=2003, leg="dl1", subrun=(0, 1), **more)


def test_a_joined_task_is_complete_when_all_its_members_are(finished: FakeSite) -> None:
    new_process(finished.config)
    assert joined().complete()
    second = next(finished.loosen().receipts("Run02003.0001").glob("dl1ab.*.json"))
    second.unlink()
    new_process(finished.config)
    first, other = joined().members()
    assert (first.complete(), other.complete(), joined().complete()) == (True, False, False)


def test_luigi_s_text_makes_the_same_task_again_with_the_jobs_of_its_members(fake_site: FakeSite) -> None:
    new_process(fake_site.config)
    first, second = joined().members()
    params = {name: text for name, text in joined().to_str_params().items() if name != "subrun"}
    again = load_task(joined().task_module, "ReconstructionTask", {**params, "subrun": ["1", "0"]})
    assert again == joined() == load_task(joined().task_module, "ReconstructionTask", {**params, "subrun": "0-1"})
    jobs = again.jobs()
    assert [(job.name, job.group, job.index) for job in jobs] == [
        (first.task_id, "Run02003.dl1", 0),
        (second.task_id, "Run02003.dl1", 1),
    ]
    assert jobs == [*first.jobs(), *second.jobs()]
    assert {job.engine for job in jobs} == {fake_site.production().root}


def test_every_job_says_which_engine_asks_for_it_and_what_it_is(fake_site: FakeSite) -> None:
    new_process(fake_site.config)
    common = {"date": DAY, "production": "fake"}
    tasks = [
        RunSummaryTask(**common),
        *(kind(**common) for kind in (CalibrationTask, LongtermTask, CloseTask)),
        *(kind(**common, run_id=2003) for kind in (MergeTask, Dl2Task, DatacheckTask, PlotsTask)),
    ]
    jobs = [job for task in tasks for job in task.jobs()]
    groups = ["run_summary", "calibration", "longterm", "close", "merge", "dl2", "datacheck", "plots"]
    assert [job.group for job in jobs] == groups
    assert {job.engine for job in jobs} == {fake_site.production().root}
    assert jobs[0].production == fake_site.data / "monitoring" / "RunSummary"


def test_an_earlier_night_s_calibration_belongs_to_the_engine_of_the_night_that_is_made(fake_site: FakeSite) -> None:
    new_process(fake_site.config)
    tasks = [task for task in CloseTask(date=DAY, production="fake").requires() if isinstance(task, CalibrationTask)]
    tasks += joined().calibration()
    assert {task.engine_root() for task in tasks} == {fake_site.production().root}
    assert {task.task_id for task in tasks} == {CalibrationTask(date=DAY, production="fake").task_id}


def test_a_cluster_s_job_tells_at_its_end_what_it_made(fake_site: FakeSite) -> None:
    new_process(fake_site.config)
    first, second = joined().members()
    (job, _) = joined().jobs()
    first.heard(Event(job.name, "done", record={"made": [[call.name, call.key] for call in job.calls]}))
    assert (first.complete(), second.complete(), joined().complete()) == (True, False, False)


@pytest.mark.parametrize(
    ("executor", "size"),
    [({"type": "local"}, 1), ({"type": "slurm", "slurm": {"array_size": 40, "subruns_per_job": 3}}, 120)],
)
def test_on_this_machine_subruns_are_handed_out_one_by_one_and_on_a_cluster_as_arrays(
    fake_site: FakeSite, executor: dict[str, Any], size: int
) -> None:
    fake_site.set_main(executor=executor)
    new_process(fake_site.config)
    assert joined().max_batch_size == size


@pytest.mark.usefixtures("borrowed")
def test_a_night_whose_subruns_are_handed_out_together_loses_only_the_run_of_one_that_fails(
    fake_site: FakeSite, pool: LocalExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ReconstructionTask, "max_batch_size", 1000)
    arrays: list[list[str]] = []
    submit = pool.submit
    monkeypatch.setattr(pool, "submit", lambda jobs: (arrays.append([job.name for job in jobs]), submit(jobs)))
    fake_site.set(fake={"fail": ["dl1ab:Run02003.0001"]})
    result = run_night(fake_site)
    assert result.status == LuigiStatusCode.FAILED
    assert sorted(len(array) for array in arrays if array[0].startswith("Reconstruction")) == [1, 2]
    made = set(fake_site.made())
    assert {"dl1ab.Run02003.0000", "merge_dl1.Run02004", "run_plots.Run02004"} <= made
    assert not {"merge_dl1.Run02003", "close.night"} & made
