"""What the next engine reads of arrays, ids and marks; the simulation cuts their writing short everywhere."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from slurm_work import Driver, wish

from osa_luigi.batch.slurm.journal import Journal
from osa_luigi.batch.slurm.model import ArrayState, JobState, Phase
from osa_luigi.batch.slurm.policies import Failure
from osa_luigi.batch.slurm.states import Cause
from osa_luigi.batch.slurm.store import FileStore

STORE = "from osa_luigi.batch.slurm.store import FileStore"


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(FileStore(tmp_path / "engine"))


def placed(*numbers: int, generation: int = 1, number: int = 0) -> tuple[ArrayState, dict[str, JobState]]:
    """An array of subruns, as the engine has it when it writes its intent."""
    engine = Driver()
    engine.want(*(wish(one) for one in numbers))
    engine.tick()
    array = replace(engine.array, name=f"osa.night.fake.g{generation}.{number:05d}.Run2001.dl1")
    return array, {name: replace(job, array=array.name) for name, job in engine.state.jobs.items()}


def given_up(job: JobState, array: ArrayState) -> JobState:
    failure = Failure(Cause.MEMORY, "too much", f"{array.name}_{job.index}")
    return replace(job, phase=Phase.GIVEN_UP, failures=(failure,), text="given up.")


@pytest.mark.parametrize("text", ["2 µs – “late”", "\udce9t\udce9.h5"])
def test_what_one_engine_wrote_another_reads_whatever_its_locale(tmp_path: Path, text: str) -> None:
    """A failure's text, or a path that is no text, stands in the intent of the array that tries again: unread, it would be sent twice."""
    FileStore(tmp_path).write("told", text)
    program = f"from pathlib import Path; {STORE}; print(ascii(FileStore(Path({str(tmp_path)!r})).read('told')))"
    plain = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    read = subprocess.run([sys.executable, "-c", program], env=plain, capture_output=True, text=True, check=True)
    assert read.stdout.strip() == ascii(text)


def test_a_job_stands_in_the_newest_open_array(journal: Journal) -> None:
    (old, jobs), (new, again) = placed(0, 1), placed(0, generation=2)
    journal.intend(old, 1, jobs)
    journal.intend(new, 2, again)
    journal.remember(new.name, 12)
    arrays, found = journal.open_arrays()
    assert [(array.name, array.job) for array in arrays] == [(old.name, None), (new.name, 12)]
    assert {job.wish.name: job.array for job in found} == {"dl1.2001.0": new.name, "dl1.2001.1": old.name}
    assert arrays[0].elements[0].open == ()


def test_what_was_given_up_in_a_closed_array_stands_in_no_older_one_that_is_open(journal: Journal) -> None:
    (old, jobs), (new, again) = placed(0, 1), placed(0, number=1)
    journal.intend(old, 1, jobs)
    journal.intend(new, 1, again)
    job = given_up(again["dl1.2001.0"], new)
    journal.give_up(job, job.text)
    journal.close(new.name, {job.wish.name: job.failures}, "")
    ((array,), found) = journal.open_arrays()
    assert array.elements[0].open == ()
    assert [job.wish.name for job in found] == ["dl1.2001.1"]
    journal.forgive(["dl1.2001.0"])
    assert [job.wish.name for job in journal.open_arrays()[1]] == ["dl1.2001.1"]


def test_what_was_forgiven_and_submitted_again_stands_in_its_new_array(journal: Journal) -> None:
    (old, jobs), (new, again) = placed(0), placed(0, generation=2)
    journal.intend(old, 1, jobs)
    job = given_up(jobs["dl1.2001.0"], old)
    journal.give_up(job, job.text)
    assert journal.open_arrays()[1] == []
    journal.forgive(["dl1.2001.0"])
    journal.intend(new, 2, again)
    assert [(job.wish.name, job.array) for job in journal.open_arrays()[1]] == [("dl1.2001.0", new.name)]
