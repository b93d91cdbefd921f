from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
import runner_work as work
from fakes import fake_call, product, staged
from fresh import until

from osa_luigi.products.commit import commit
from osa_luigi.products.receipt import Presence, presence
from osa_luigi.products.scratch import OWNER, claim
from osa_luigi.runner.environment import host
from osa_luigi.runner.leg import sweep_scratch
from osa_luigi.steps.call import FileInput, StepCall

DEAD = 2**22 + 1
"""No process has this number: it is above the kernel's largest."""


def leg(production, **fakes) -> tuple[StepCall, ...]:
    calls: list[StepCall] = []
    for step in ("r0_to_dl1", "dl1ab", "datacheck"):
        inputs = (product(calls[-1], production.root),) if calls else ()
        calls.append(fake_call(step, inputs=inputs, **fakes))
    return tuple(calls)


def test_calls_run_in_order_and_a_rerun_skips_them(fresh, production):
    calls = leg(production)
    expected = [said for call in calls for said in (f"{call.step}: begins", f"{call.step}: made")]
    assert fresh.call(work.run_leg, production.root, calls) == expected
    again = [said.replace("made", "present") for said in expected]
    assert fresh.call(work.run_leg, production.root, calls) == again


def test_the_first_failure_ends_the_leg(fresh, production):
    reports = fresh.call(work.run_leg, production.root, leg(production, fail=["dl1ab:*"]))
    assert reports == ["r0_to_dl1: begins", "r0_to_dl1: made", "dl1ab: begins", "dl1ab: failed"]
    healed = fresh.call(work.run_leg, production.root, leg(production))
    assert healed == [
        "r0_to_dl1: begins",
        "r0_to_dl1: present",
        "dl1ab: begins",
        "dl1ab: made",
        "datacheck: begins",
        "datacheck: made",
    ]


def test_fakes_need_no_tools(fresh, production, tmp_path):
    assert fresh.call(work.what_warm_up_did, leg(production), tmp_path) == ([], "1")
    assert (tmp_path / "numba").is_dir()


def test_the_tools_of_real_calls_are_imported(fresh, tmp_path):
    listing = FileInput("declared", f"{tmp_path}/v1/.osa/configs/list.json", "list")
    real = replace(fake_call("close", "night", inputs=(listing,)), fake=None)
    tool, threads = fresh.call(work.what_warm_up_did, (real,), tmp_path)
    assert (tool, threads) == (["osa_luigi.steps.close"], "1")


# ---- tidying up ---------------------------------------------------------------------------------------------------------


def leftover(
    production, owner: str | None = None, pid: int = DEAD, step: str = "dl1ab", kind: str = "20241115T200000"
) -> Path:
    folder = production.scratch / f"{step}.Run02008.0003.{kind}-{owner or host()}-{pid}-abcdef"
    (folder / "work").mkdir(parents=True)
    (folder / "work" / "half.h5").write_text("half")
    return folder


@pytest.mark.parametrize("kind", ["20241115T200000", "link"])
def test_what_a_dead_process_left_is_removed(production, kind):
    folder = leftover(production, kind=kind)
    assert sweep_scratch(production) == 1
    assert not folder.exists()
    assert sweep_scratch(production) == 0


def test_what_a_living_process_works_in_stays(production):
    folder = leftover(production, pid=os.getpid())
    assert sweep_scratch(production) == 0
    assert folder.exists()


def test_what_another_machine_left_stays(production):
    folder = leftover(production, owner="another-node-7")
    assert sweep_scratch(production) == 0
    assert folder.exists()


def test_a_machine_s_name_may_have_dashes(production, monkeypatch):
    monkeypatch.setattr("osa_luigi.process.host", lambda: "cp-02-17")
    folder = leftover(production, owner="cp-02-17")
    assert sweep_scratch(production) == 1
    assert not folder.exists()


def claimed(folder: Path, **changes: object) -> Path:
    """By this process, but for some of what is said of it."""
    claim(folder)
    said = json.loads((folder / OWNER).read_text())
    (folder / OWNER).write_text(json.dumps({**said, **changes}))
    return folder


@pytest.mark.parametrize("change", [{"start_ticks": 1}, {"boot": "before"}, {"pid": DEAD}], ids=str)
def test_what_another_process_left_that_had_this_number_is_removed(production, change):
    """The machine was started again, and a low number is soon some daemon's."""
    folder = claimed(leftover(production, pid=os.getpid()), **change)
    assert sweep_scratch(production) == 1
    assert not folder.exists()


@pytest.mark.parametrize(
    "change",
    [{}, {"namespace": "pid:[1]", "pid": DEAD}, {"host": "another", "pid": DEAD}, {"host": "another", "boot": "b"}],
    ids=str,
)
def test_what_may_be_at_work_stays(production, change):
    """This process; one in a container on this machine; one on another machine."""
    folder = claimed(leftover(production), **change)
    assert sweep_scratch(production) == 0
    assert folder.exists()


def test_an_attempt_elsewhere_that_wrote_its_exit_record_has_ended(production):
    folder = claimed(leftover(production, owner="another-node-7"), host="another-node-7")
    record = production.attempts("Run02008.0003") / f"{folder.name}.json"
    record.parent.mkdir(parents=True)
    record.write_text("{}")
    assert sweep_scratch(production) == 1
    assert not folder.exists()


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"host": 1, "pid": "x"}'])
def test_where_the_owner_cannot_be_read_the_folder_s_name_says_who(production, content):
    folders = [leftover(production), leftover(production, pid=os.getpid(), step="r0_to_dl1")]
    for folder in folders:
        (folder / OWNER).write_text(content)
    assert sweep_scratch(production) == 1
    assert [folder.exists() for folder in folders] == [False, True]


@pytest.mark.parametrize(
    "name", ["notes", "a.b", "dl1ab.Run02008.0003.x-y", "dl1ab.Run1.20241115T200000-here-x-y", "-", ".-.-"]
)
def test_what_is_no_attempt_s_folder_stays(production, name):
    (production.scratch / name).mkdir(parents=True)
    assert sweep_scratch(production) == 0
    assert (production.scratch / name).exists()


def committed_in(production, folder: Path, monkeypatch):
    receipt, _ = staged(production, {"dl1.h5": b"events"}, token="staged")
    made = receipt.outputs[0]
    (production.root / made.scratch).rename(folder / "work" / "dl1.h5")
    made = replace(made, left=str((folder / "work" / "dl1.h5").relative_to(production.root)))
    receipt = replace(receipt, outputs=(made,))
    with monkeypatch.context() as patched:
        patched.setattr("osa_luigi.products.commit.finish_move", lambda *_: None)
        assert commit(production, receipt, folder)
    return receipt


def test_what_a_committed_receipt_waits_for_stays(production, monkeypatch):
    folder = leftover(production)
    receipt = committed_in(production, folder, monkeypatch)
    assert sweep_scratch(production) == 0
    assert presence(production, receipt) is Presence.UNMOVED


def test_the_shell_of_a_finished_move_is_removed(production, monkeypatch):
    """Killed after the last file was moved, before the folder was removed."""
    folder = leftover(production)
    receipt = committed_in(production, folder, monkeypatch)
    made = receipt.outputs[0]
    (production.root / made.scratch).rename(production.root / made.path)
    assert sweep_scratch(production) == 1
    assert presence(production, receipt) is Presence.COMPLETE


def test_where_the_receipt_cannot_be_read_nothing_is_removed(production):
    folder = leftover(production)
    receipts = production.receipts("Run02008")
    receipts.mkdir(parents=True)
    (receipts / "dl1ab.Run02008.0003.1.json").write_text("{")
    assert sweep_scratch(production) == 0
    assert folder.exists()


def test_a_production_that_was_never_begun_has_nothing_to_sweep(production):
    assert sweep_scratch(production) == 0


def test_an_attempt_that_was_killed_is_swept_and_a_live_one_is_not(fresh, production):
    call = fake_call(hang=["*"])
    run, other = fresh.start(work.attempt, production.root, call), fresh.start(work.attempt, production.root, call)
    until(lambda: len(list(production.logs(call.unit).glob("*"))) == 2, "both tools run")
    run.kill()
    run.wait()
    assert sweep_scratch(production) == 1
    assert [folder.name.split("-")[-2] for folder in production.scratch.iterdir()] == [str(other.pid)]
    other.kill()
    other.wait()
    assert sweep_scratch(production) == 1
