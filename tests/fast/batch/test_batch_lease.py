from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import batch_work as work
import pytest
from fresh import until

from osa_luigi.batch.lease import engine, release_lease, take_lease
from osa_luigi.errors import ExecutorError
from osa_luigi.products.production import Production


def folder(production: Production) -> Path:
    return production.state / "engine"


def leases(production: Production) -> list[str]:
    return sorted(os.listdir(folder(production)))


def hold(fresh, production: Production, tmp_path: Path, copies: int = 1):
    """Processes that try at once and stay; the run and the answer of each."""
    answers = tmp_path / "answers"
    answers.mkdir(exist_ok=True)
    go = tmp_path / "go"
    go.unlink(missing_ok=True)
    runs = [fresh.start(work.take_together, production.root, go, answers) for _ in range(copies)]
    go.touch()
    files = [answers / str(run.pid) for run in runs]
    until(lambda: all(file.exists() for file in files), "all have answered")
    return [(run, file.read_text()) for run, file in zip(runs, files, strict=True)]


def end(*runs) -> None:
    for run in runs:
        run.kill()
        run.wait()


@pytest.mark.parametrize("copies", [2, 6])
def test_of_many_engines_one_gets_the_night(fresh, production, tmp_path, copies):
    engines = hold(fresh, production, tmp_path, copies)
    end(*(run for run, _ in engines))
    won = [run for run, answer in engines if answer == "1"]
    assert len(won) == 1
    refusals = [answer for _, answer in engines if answer != "1"]
    assert all(f"{production.root}: is being worked on by process {won[0].pid} on" in text for text in refusals)
    assert leases(production) == ["1.json"]


def test_an_engine_that_was_killed_is_followed(fresh, production, tmp_path):
    for generation in range(1, 12):
        ((engine, answer),) = hold(fresh, production, tmp_path)
        assert answer == str(generation)
        end(engine)


def test_many_that_follow_a_dead_engine_at_once_end_with_one(fresh, production, tmp_path):
    ((engine, _),) = hold(fresh, production, tmp_path)
    end(engine)
    engines = hold(fresh, production, tmp_path, 5)
    end(*(run for run, _ in engines))
    assert [answer for _, answer in engines].count("2") == 1
    assert leases(production) == ["1.json", "2.json"]


def test_the_same_process_keeps_its_lease_and_its_child_has_none(fresh, production):
    first, again, child = fresh.call(work.take_twice, production.root)
    assert first == again == 1
    assert "is being worked on by process" in child


def test_an_engine_that_ends_well_gives_its_lease_back(fresh, production):
    """Of another machine, nobody here could see that it has ended."""
    assert fresh.call(work.take_and_end_well, production.root) == 1
    move_to_another_host(production, 1)
    assert fresh.call(work.take, production.root) == 2


def test_two_productions_are_worked_on_at_once(production):
    other = Production(production.root.parent / "v2")
    assert take_lease(production) == take_lease(other) == 1
    release_lease(production)
    assert take_lease(production) == 2
    assert take_lease(other) == 1


def change(production: Production, generation: int, **changes) -> None:
    path = folder(production) / f"{generation}.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def move_to_another_host(production: Production, generation: int) -> None:
    change(production, generation, host="cp02")


def test_of_another_machine_nothing_is_known_so_a_person_decides(fresh, production):
    for generation in (1, 2):
        assert fresh.call(work.take, production.root) == generation
        if generation == 2:
            move_to_another_host(production, 2)
    move_to_another_host(production, 1)
    said = fresh.call(work.take, production.root)
    released = folder(production) / "2.released"
    assert "on cp02 since" in said
    assert "Wait for it, or stop it there and run again" in said
    assert f"If that machine is gone for good, make an empty file {released} to take over" in said
    released.touch()
    assert fresh.call(work.take, production.root) == 3
    assert leases(production) == ["1.json", "2.json", "2.released", "3.json"]


@pytest.mark.parametrize("change_of", [{"boot": "before"}, {"pid": 2**22 + 1}, {"start_ticks": 1}], ids=str)
def test_a_holder_that_surely_ended_is_followed(fresh, production, change_of):
    """The machine was started again, nobody has its number, or somebody else has it now."""
    take_lease(production)
    change(production, 1, **change_of)
    assert fresh.call(work.take, production.root) == 2


def test_of_another_pid_namespace_nothing_is_known(fresh, production):
    """Two containers on one machine: the number is another process's, or nobody's."""
    take_lease(production)
    change(production, 1, namespace="pid:[1]", pid=2**22 + 1)
    said = fresh.call(work.take, production.root)
    assert "(in another PID namespace: a container) since" in said
    found = engine(production)
    assert found is not None
    assert found.alive is None
    change(production, 1, boot="before")
    assert fresh.call(work.take, production.root) == 2


def test_a_container_does_not_take_the_lease_of_a_living_engine_outside(production, tmp_path):
    apart = ["unshare", "--pid", "--fork", "--mount-proc", "--user", "--map-root-user"]
    if not shutil.which("unshare") or subprocess.run([*apart, "true"], check=False, capture_output=True).returncode:
        pytest.skip("no namespace of its own can be had here")
    take_lease(production)
    script = (
        "import sys; from pathlib import Path; from osa_luigi.batch.lease import take_lease;"
        "from osa_luigi.products.production import Production; take_lease(Production(Path(sys.argv[1])))"
    )
    path = os.pathsep.join(filter(None, sys.path))
    command = [*apart, sys.executable, "-c", script, str(production.root)]
    ended = subprocess.run(command, check=False, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path})
    assert "in another PID namespace" in ended.stderr
    assert leases(production) == ["1.json"]


def test_a_lease_from_before_says_no_namespace(fresh, production):
    take_lease(production)
    path = folder(production) / "1.json"
    path.write_text(
        json.dumps({key: value for key, value in json.loads(path.read_text()).items() if key != "namespace"})
    )
    assert "is being worked on" in fresh.call(work.take, production.root)
    assert take_lease(production) == 1


def test_a_clock_that_was_set_does_not_end_a_lease(fresh, production):
    take_lease(production)
    change(production, 1, process_started=0.0, since="1970-01-01T00:00:00+00:00")
    assert "is being worked on" in fresh.call(work.take, production.root)
    assert take_lease(production) == 1


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"host": "cp02"}'])
def test_a_lease_that_cannot_be_read_is_nobody_s_to_take(production, content):
    folder(production).mkdir(parents=True)
    (folder(production) / "4.json").write_text(content)
    with pytest.raises(
        ExecutorError, match=r"4\.json: nobody can tell .* Make sure that none does, then make an empty file"
    ):
        take_lease(production)
    (folder(production) / "4.released").touch()
    assert take_lease(production) == 5


def test_generations_are_counted_not_spelled_and_other_files_passed_over(production):
    folder(production).mkdir(parents=True)
    for name in ("notes.txt", ".draft", "x.json", "11.json.bak", "99.released"):
        (folder(production) / name).touch()
    for generation in (9, 10):
        (folder(production) / f"{generation}.json").write_text("{}")
        (folder(production) / f"{generation}.released").touch()
    assert take_lease(production) == 11


def test_only_the_holder_can_give_it_back(fresh, production):
    fresh.call(work.take, production.root)
    release_lease(production)
    assert leases(production) == ["1.json"]
    release_lease(Production(production.root / "nowhere"))


def test_no_draft_is_left(production):
    take_lease(production)
    assert leases(production) == ["1.json"]
