"""What a task hands to those below it: immutable, small, the same for the same state, and nothing of how or where the engine runs."""

from __future__ import annotations

import json
import pickle
import re
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

import luigi
import luigi.configuration
import pytest
from fake_nights import DAY, FakeSite, new_process
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from luigi.task import flatten
from luigi.task_register import Register

from osa_luigi.errors import KeyConflictError
from osa_luigi.tasks.night import CloseTask, LongtermTask
from osa_luigi.tasks.opening import PRODUCTION_ID, forget_sessions, session
from osa_luigi.tasks.part import CalibrationTask, NightPart
from osa_luigi.tasks.run import (
    DatacheckTask,
    Dl2Task,
    MergeTask,
    PlotsTask,
    ReconstructionTask,
    RunCalibrationTask,
)

OF_NIGHT = (CalibrationTask, LongtermTask, CloseTask)
OF_RUN = (RunCalibrationTask, MergeTask, Dl2Task, DatacheckTask, PlotsTask)
MOST_BYTES = 600
"""Of a pickled task, module names among them."""

FEW = settings(max_examples=40)
PRODUCTIONS = st.text("abzAZ019._+-", min_size=1, max_size=64).filter(lambda text: re.fullmatch(PRODUCTION_ID, text))
DAYS = st.dates(date(2018, 10, 1), date(2099, 12, 31))
RUNS = st.integers(1, 99999)
SUBRUNS = st.lists(st.integers(0, 400), min_size=1, max_size=20, unique=True)
LEGS = st.sampled_from(["dl1", "dl1a", "dl1b"])


@st.composite
def states(draw: st.DrawFn) -> tuple[type[NightPart], dict[str, Any]]:
    """Any part of any night: its kind, and what it was handed."""
    state: dict[str, Any] = {"date": draw(DAYS), "production": draw(PRODUCTIONS)}
    kind = draw(st.sampled_from([*OF_NIGHT, *OF_RUN, ReconstructionTask]))
    if kind not in OF_NIGHT:
        state["run_id"] = draw(RUNS)
    if kind is ReconstructionTask:
        state |= {"subrun": tuple(sorted(draw(SUBRUNS))), "leg": draw(LEGS)}
    return kind, state


def anew(kind: type[NightPart], **state: Any) -> NightPart:
    """A task that luigi does not remember."""
    Register.clear_instance_cache()
    return kind(**state)


@FEW
@given(states(), st.randoms(use_true_random=False))
def test_the_same_state_is_the_same_task_however_it_is_said(state: tuple[Any, Any], random: Any) -> None:
    kind, said = state
    task = anew(kind, **said)
    shuffled = list(said.items())
    random.shuffle(shuffled)
    if "subrun" in said:
        shuffled = [(name, list(value)[::-1] if name == "subrun" else value) for name, value in shuffled]
    over_luigid = json.loads(json.dumps(task.to_str_params()))
    Register.clear_instance_cache()
    for other in (anew(kind, **dict(shuffled)), kind.from_str_params(over_luigid), pickle.loads(pickle.dumps(task))):
        assert (other.task_id, hash(other)) == (task.task_id, hash(task))
        assert other == task
        assert other.param_kwargs == task.param_kwargs


@FEW
@given(states(), states())
def test_another_state_is_another_task(one: tuple[Any, Any], other: tuple[Any, Any]) -> None:
    assert (anew(one[0], **one[1]).task_id == anew(other[0], **other[1]).task_id) == (one == other)


@FEW
@given(states(), st.data())
def test_each_part_of_the_state_counts(state: tuple[Any, Any], data: st.DataObject) -> None:
    kind, said = state
    name = data.draw(st.sampled_from(sorted(said)))
    another = {
        "date": DAYS,
        "production": PRODUCTIONS,
        "run_id": RUNS,
        "subrun": SUBRUNS.map(sorted).map(tuple),
        "leg": LEGS,
    }[name].filter(lambda value: value != said[name])
    assert anew(kind, **{**said, name: data.draw(another)}).task_id != anew(kind, **said).task_id


@FEW
@given(states())
def test_the_state_is_small_and_cannot_be_changed(state: tuple[Any, Any]) -> None:
    kind, said = state
    task = anew(kind, **said)
    for value in task.param_kwargs.values():
        assert isinstance(value, date | str | int | tuple)
        hash(value)
    numbers = 12 * len(said.get("subrun", ()))
    assert len(pickle.dumps(task)) < MOST_BYTES + numbers


# ---- in a night -------------------------------------------------------------------------------------------------

OPERATIONAL: tuple[Mapping[str, Any], ...] = (
    {"executor": {"local": {"cores": 7}}},
    {"executor": {"local": {"memory_mb": 70_000}}},
    {"resources": {"dl1ab": {"memory_mb": 9999}}},
    {"resources": {"r0_to_dl1": {"time_limit_minutes": 11}}},
    {"retention": {"logs_days": 5}},
    {"report": {"after_closing": True}},
)
LUIGI = st.dictionaries(
    st.sampled_from(
        [("core", "log_level"), ("core", "workers"), ("worker", "keep_alive"), ("worker", "wait_interval")]
    ),
    st.sampled_from(["1", "2", "9"]),
    max_size=3,
)


def graph(root: NightPart) -> Iterator[NightPart]:
    """A task and all that it needs, each once."""
    seen: dict[str, NightPart] = {}
    waiting = [root]
    while waiting:
        task = waiting.pop()
        if task.task_id not in seen:
            seen[task.task_id] = task
            waiting += flatten(task.requires())
    yield from seen.values()


def identities(site: FakeSite, production: str = "fake") -> dict[str, list[str]]:
    """Every task of the night, as a new process makes them → the step keys of what it makes."""
    new_process(site.config)
    found = {task.task_id: [call.key for call in task.group().calls] for task in graph(closing(production))}
    forget_sessions()
    return found


def closing(production: str = "fake") -> NightPart:
    return CloseTask(date=DAY, production=production)


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(st.sampled_from(OPERATIONAL), max_size=3), luigi_cfg=LUIGI)
def test_how_the_engine_runs_changes_no_identity(
    fake_site: FakeSite, changes: list[Mapping[str, Any]], luigi_cfg: Mapping[tuple[str, str], str]
) -> None:
    site = FakeSite(fake_site.folder, fake_site.main, fake_site.procedures)
    site.write()
    before = identities(site)
    for change in changes:
        site.set_main(**change)
    with pytest.MonkeyPatch.context() as patch:
        for (section, option), value in luigi_cfg.items():
            patch.setitem(luigi.configuration.get_config()._sections.setdefault(section, {}), option, value)
        assert identities(site) == before


SCIENTIFIC: tuple[tuple[Mapping[str, Any], str], ...] = (
    ({"calibration": {"drs4_baseline": {"max_events": 777}}}, "CalibrationTask"),
    ({"r0_to_dl1": {"flatfield_heuristic": True}}, "ReconstructionTask"),
    ({"dl1ab": {"pedestal_cleaning": False}}, "ReconstructionTask"),
    ({"merge": {"images": True}}, "MergeTask"),
)
"""Settings, and the first kind of task that makes something else by them."""


@pytest.mark.parametrize(("change", "first"), SCIENTIFIC)
def test_other_science_makes_something_else_and_is_refused_under_the_same_state(
    finished: FakeSite, change: Mapping[str, Any], first: str
) -> None:
    before = identities(finished)
    finished.set(**change)
    after = identities(finished)
    assert after.keys() == before.keys()
    assert {name.partition("_")[0] for name in after if after[name] != before[name]} >= {first, "CloseTask"}
    new_process(finished.config)
    with pytest.raises(KeyConflictError):
        session(DAY, "fake").begin()


def test_tasks_of_one_night_hold_nothing_of_it(fake_site: FakeSite) -> None:
    """Plan, configuration and receipts are found by the state; asked for, they do not stay with the task."""
    new_process(fake_site.config)
    for task in graph(closing()):
        task.complete()
        assert task.priority >= 0
        assert len(pickle.dumps(task)) < MOST_BYTES
