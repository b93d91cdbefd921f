from __future__ import annotations

import json
import os
import random
import sys
import time
from dataclasses import replace
from itertools import count
from pathlib import Path

import crashes
import pytest
import runner_work as work
from fakes import NEEDS, fake_call, foreign, product, staged
from fresh import until

from osa_luigi.products.commit import commit, receipt_path
from osa_luigi.products.production import Production
from osa_luigi.products.receipt import Presence, ReceiptBook, current_receipt, presence
from osa_luigi.steps.call import Input, Output
from osa_luigi.steps.fake import content
from osa_luigi.steps.software import scientific_software


def products(production: Production) -> dict[str, str]:
    """Everything outside of the engine's own folder."""
    files = (path for path in production.root.rglob("*") if path.is_file())
    return {
        str(path.relative_to(production.root)): path.read_text()
        for path in files
        if not path.is_relative_to(production.state)
    }


def expected(*calls) -> dict[str, str]:
    return {str(output.path): content(call.key, 1) for call in calls for output in call.outputs}


def receipt_of(production: Production, call):
    return current_receipt(production, call.step, call.unit)


def records(production: Production) -> list[dict]:
    return [json.loads(path.read_text()) for path in sorted((production.state / "attempts").rglob("*.json"))]


def logs(production: Production) -> list[Path]:
    return sorted((production.state / "logs").rglob("*.log"))


def scratch(production: Production) -> list[Path]:
    return list(production.scratch.iterdir()) if production.scratch.exists() else []


# ---- made, present, what is written -------------------------------------------------------------------------------------


def test_an_attempt_leaves_products_receipt_record_and_log(fresh, production):
    call = fake_call(settings={"tailcut": {"picture": 8}}, inputs=(foreign(Path("/r0/raw.fits.fz"), {"size": 8}),))
    result = fresh.call(work.attempt, production.root, call)

    assert (result.outcome, result.reason, result.good, result.name) == ("made", "", True, call.name)
    assert products(production) == expected(call)
    assert scratch(production) == []
    receipt = receipt_of(production, call)
    assert (receipt.key, receipt.generation, receipt.settings) == (call.key, 1, {"tailcut": {"picture": 8}})
    assert receipt.inputs == ({"role": "raw", "path": "/r0/raw.fits.fz", "identity": {"size": 8}, "key": ""},)
    assert receipt.counts == {"files": 2}
    assert receipt.software["lstchain"]
    assert [made.role for made in receipt.outputs] == ["dl1", "muons"]
    assert all(made.size == 1024 + len(content(call.key, 0)) and len(made.sha256) == 64 for made in receipt.outputs)
    assert presence(production, receipt) is Presence.COMPLETE

    (record,) = records(production)
    assert record == result.record
    assert (record["outcome"], record["exit_code"], record["key"]) == ("made", 0, call.key)
    assert record["peak_memory_mb"] > 1
    assert record["started"] < record["ended"]
    assert production.root / record["log"] == result.log
    log = result.log.read_text()
    assert call.key in log
    assert "python -m osa_luigi.steps.fake --duration=0.0" in log


def test_a_fake_without_any_behaviour_is_a_fake_too(fresh, production):
    call = replace(fake_call(), fake={})
    assert fresh.call(work.attempt, production.root, call).outcome == "made"


def test_what_is_there_is_not_made_again(fresh, production):
    call = fake_call()
    fresh.call(work.attempt, production.root, call)
    before = {path: path.stat().st_mtime_ns for path in production.root.rglob("*")}
    result = fresh.call(work.attempt, production.root, call)
    assert (result.outcome, result.good, result.log, result.record) == ("present", True, None, {})
    assert {path: path.stat().st_mtime_ns for path in production.root.rglob("*")} == before


def test_operational_changes_make_nothing_again(fresh, production):
    call = fake_call()
    fresh.call(work.attempt, production.root, call)
    bigger = replace(call, needs=replace(NEEDS, memory_mb=9000, time_limit_s=1.0), fake={"fail": ["*"]})
    assert fresh.call(work.attempt, production.root, bigger).outcome == "present"


# ---- failures -----------------------------------------------------------------------------------------------------------


def check_failed(production: Production, result, call) -> None:
    """Nothing counts, nothing lies about, and what happened is on record."""
    assert result.outcome == "failed"
    assert not result.good
    assert products(production) == {}
    assert receipt_of(production, call) is None
    assert scratch(production) == []
    assert [record["reason"] for record in records(production)] == [result.reason]


@pytest.mark.parametrize(
    ("fake", "reason"),
    [
        ({"fail": ["r0_to_dl1:*"]}, "this fake step was told to fail (section `fake` of the procedure)"),
        ({"die": ["*:Run02008.0003"]}, "r0_to_dl1.Run02008.0003: killed by SIGKILL (out of memory?). Read "),
        ({"corrupt": ["*"]}, "not the whole fake product of step key"),
        ({"hang": ["*"]}, "r0_to_dl1.Run02008.0003: ran over its time limit of 0 s"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_fakes_fail_as_told(fresh, production, fake, reason):
    call = fake_call(needs=replace(NEEDS, time_limit_s=0.05 if "hang" in fake else 60.0), **fake)
    result = fresh.call(work.attempt, production.root, call)
    assert reason in result.reason
    assert "Traceback" not in result.reason
    assert result.log.exists()
    check_failed(production, result, call)

    healed = fresh.call(work.attempt, production.root, replace(call, fake={}, needs=NEEDS))
    assert healed.outcome == "made"
    assert len(records(production)) == 2


ODD = fake_call("odd", outputs=(Output("dl1", Path("dl1.h5")), Output("muons", Path("muons.fits"), optional=True)))


def test_a_reason_names_no_working_folder(fresh, production):
    """It is gone when the reason is read."""
    assert fresh.call(work.odd, production.root, ODD, "verifier_names_the_file").reason == "dl1.h5: holds no events"


@pytest.mark.parametrize(
    ("tool", "reason"),
    [
        ("writes_nothing", "the tool ended well but left no dl1 file (dl1.h5). Read "),
        ("leaves_a_folder_in_place_of_a_file", "left no dl1 file"),
        ("returns_2", "odd.Run02008.0003: exit code 2. Read "),
        (
            "says_a_last_word",
            "exit code 3, its last words: 'Segment 7 is missing'. Run02008.0003 has too few segments. Read ",
        ),
        ("cut_short", "LST-1.1.Run02008.0003.fits.fz: is cut short: copy it again"),
        ("no_such_tool", "exit code 1, its last words: \"AttributeError: module 'runner_work' has no attribute"),
        ("verifier_refuses", "dl1.h5: 3 events are missing → make it again"),
        ("verifier_raises", "its verification ended: exit code 1, its last words: 'ZeroDivisionError'"),
        ("verifier_dies", "its verification ended: killed by SIGSEGV"),
    ],
)
def test_tools_and_verifiers_may_do_as_they_like(fresh, production, tool, reason):
    result = fresh.call(work.odd, production.root, ODD, tool)
    assert reason in result.reason
    if "Read " in reason:
        assert str(result.log) in result.reason
    check_failed(production, result, ODD)


@pytest.mark.parametrize("tool", ["writes", "exits_well"])
def test_an_output_that_may_be_left_out_may(fresh, production, tool):
    assert fresh.call(work.odd, production.root, ODD, tool).outcome == "made"
    receipt = receipt_of(production, ODD)
    assert [made.role for made in receipt.outputs] == ["dl1"]
    assert receipt.counts == {"roles": ["dl1"], "sizes": {"dl1": 6}}
    assert fresh.call(work.odd, production.root, ODD, tool).outcome == "present"


def test_folders_links_and_copies_are_laid_out(fresh, production, tmp_path):
    (tmp_path / "raw").write_text("raw")
    (tmp_path / "dl1").write_text("dl1")
    (tmp_path / "dl1").chmod(0o444)
    command = {
        "folders": (Path("made"),),
        "links": {Path("in/raw"): tmp_path / "raw"},
        "copies": {Path("copied/dl1"): tmp_path / "dl1"},
    }
    result = fresh.call(work.odd, production.root, ODD, "uses_what_was_laid_out", command)
    assert result.reason == ""
    assert (production.root / "dl1.h5").read_text() == "rawdl1 and more"
    assert (tmp_path / "dl1").read_text() == "dl1"


def test_what_a_tool_leaves_running_cannot_touch_the_product(fresh, production):
    assert fresh.call(work.odd, production.root, ODD, "writes_and_forks_a_writer").outcome == "made"
    receipt = receipt_of(production, ODD)
    assert presence(production, receipt) is Presence.COMPLETE


def test_a_missing_input_is_named(fresh, production):
    first = fake_call()
    call = fake_call("dl1ab", inputs=(product(first, production.root), product(first, production.root, "muons")))
    result = fresh.call(work.attempt, production.root, call)
    for output in first.outputs:
        assert str(production.root / output.path) in result.reason
    assert "Run the night again: it is made again" in result.reason
    check_failed(production, result, call)
    assert fresh.call(work.attempt, production.root, first).good
    assert fresh.call(work.attempt, production.root, call).outcome == "made"


def test_nothing_is_made_with_other_software_than_was_planned(fresh, production):
    planned = {**scientific_software(), "lstchain": "0.0.1"}
    call = replace(fake_call(), fake=None, software=planned)
    result = fresh.call(work.attempt, production.root, call)
    here = scientific_software()["lstchain"]
    assert f"{call.name}: was planned with lstchain 0.0.1 (here {here}), in {sys.prefix} on " in result.reason
    assert "ctapipe" not in result.reason
    assert "executor.slurm.environment" in result.reason
    check_failed(production, result, call)


def test_with_the_software_of_the_plan_an_attempt_goes_on(fresh, production):
    call = fake_call("dl1ab", inputs=(product(fake_call(), production.root),))
    for same in (replace(call, fake=None, software=scientific_software()), replace(call, fake=None)):
        assert "missing input" in fresh.call(work.attempt, production.root, same).reason


def test_a_fake_is_made_with_any_software(fresh, production):
    call = replace(fake_call(), software={**scientific_software(), "lstchain": "0.0.1"})
    assert fresh.call(work.attempt, production.root, call).outcome == "made"


def test_what_is_there_is_taken_with_any_software(fresh, production):
    call = fake_call()
    assert fresh.call(work.attempt, production.root, call).outcome == "made"
    later = replace(call, fake=None, software={**scientific_software(), "lstchain": "0.0.1"})
    assert fresh.call(work.attempt, production.root, later).outcome == "present"


def test_a_file_in_the_way_is_named_with_what_to_do(fresh, production):
    call = fake_call()
    production.root.mkdir(parents=True)
    (production.root / ".osa").write_text("not a folder")
    result = fresh.call(work.attempt, production.root, call)
    assert result.outcome == "failed"
    assert str(production.root / ".osa") in result.reason
    assert "Put this right, then run again" in result.reason
    (production.root / ".osa").unlink()
    assert fresh.call(work.attempt, production.root, call).outcome == "made"


def test_a_file_in_the_way_of_a_committed_move_costs_nothing(fresh, production):
    call = fake_call()
    production.root.mkdir(parents=True)
    (production.root / "muons").write_text("not a folder")
    result = fresh.call(work.attempt, production.root, call)
    assert result.outcome == "failed"
    assert str(production.root / "muons") in result.reason
    assert presence(production, receipt_of(production, call)) is Presence.UNMOVED
    assert fresh.call(work.attempt, production.root, call).outcome == "failed"
    (production.root / "muons").unlink()
    assert fresh.call(work.attempt, production.root, call).outcome == "present"
    assert products(production) == expected(call)
    assert scratch(production) == []


# ---- what stands there already ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["file", "link", "broken link"])
def test_a_foreign_file_is_refused_and_left_alone(fresh, production, tmp_path, kind):
    call = fake_call()
    place = production.root / "muons" / "r0_to_dl1.Run02008.0003.fits"
    place.parent.mkdir(parents=True)
    (tmp_path / "elsewhere").write_text("somebody's")
    if kind == "file":
        place.write_text("somebody's")
    else:
        place.symlink_to(tmp_path / "elsewhere" if kind == "link" else "nowhere")
    result = fresh.call(work.attempt, production.root, call)
    assert f"{place}: stands where {call.name} goes, but has no receipt" in result.reason
    assert result.log is None
    assert os.path.lexists(place)
    assert (tmp_path / "elsewhere").read_text() == "somebody's"
    place.unlink()
    assert fresh.call(work.attempt, production.root, call).outcome == "made"


def test_other_settings_are_refused_with_the_difference(fresh, production):
    made = fake_call(settings={"tailcut": {"picture": 8, "boundary": 4}})
    fresh.call(work.attempt, production.root, made)
    before = products(production)
    other = fake_call(settings={"tailcut": {"picture": 10, "boundary": 4}})
    result = fresh.call(work.attempt, production.root, other)
    assert "exists in production v1, made otherwise: tailcut.picture: 8 → 10. Nothing was changed." in result.reason
    assert "Choose another production id, or restore the settings" in result.reason
    assert products(production) == before
    assert fresh.call(work.attempt, production.root, made).outcome == "present"


def test_a_product_of_more_subruns_follows_one_of_fewer(fresh, production):
    subruns = [fake_call(unit=f"Run02008.{number:04}") for number in range(2)]
    for call in subruns:
        fresh.call(work.attempt, production.root, call)
    fewer, more = (
        fake_call("merge_dl1", "Run02008", inputs=tuple(product(call, production.root) for call in subruns[:number]))
        for number in (1, 2)
    )
    assert fresh.call(work.attempt, production.root, fewer).outcome == "made"
    assert fresh.call(work.attempt, production.root, more).outcome == "made"
    assert receipt_of(production, more).generation == 2
    assert receipt_of(production, more).key == more.key
    assert products(production) == expected(*subruns, more)
    assert receipt_path(production, replace(receipt_of(production, more), generation=1)).exists()


@pytest.mark.parametrize("lost", [0, 1])
def test_a_product_that_was_lost_is_made_again(fresh, production, lost):
    call = fake_call()
    fresh.call(work.attempt, production.root, call)
    (production.root / call.outputs[lost].path).unlink()
    assert fresh.call(work.attempt, production.root, call).outcome == "made"
    assert receipt_of(production, call).generation == 2
    assert products(production) == expected(call)


def committed_elsewhere(production: Production, call, monkeypatch, text: str | None = None):
    """As another attempt of the same call would leave it if it were killed between the link and the move."""
    text = content(call.key, 1) if text is None else text
    contents = {str(output.path): text.encode() for output in call.outputs}
    receipt, folder = staged(production, contents, step=call.step, unit=call.unit, key=call.key, token="other")
    roles = [replace(made, role=output.role) for made, output in zip(receipt.outputs, call.outputs, strict=True)]
    receipt = replace(receipt, outputs=tuple(roles), settings=call.settings)
    with monkeypatch.context() as patched:
        patched.setattr("osa_luigi.products.commit.finish_move", lambda *_: None)
        assert commit(production, receipt, folder)
    return receipt


def test_a_committed_move_is_finished_not_made_again(fresh, production, monkeypatch):
    call = fake_call()
    receipt = committed_elsewhere(production, call, monkeypatch)
    assert presence(production, receipt) is Presence.UNMOVED
    assert fresh.call(work.attempt, production.root, call).outcome == "present"
    assert products(production) == expected(call)
    assert logs(production) == []


def test_a_loser_sees_to_it_that_the_winner_s_products_are_there(fresh, production, monkeypatch):
    """The other attempt commits while this one's tool runs, and dies before it has moved anything."""
    call = fake_call(duration_s=0.3)
    run = fresh.start(work.attempt, production.root, call)
    until(lambda: logs(production), "the tool runs")
    receipt = committed_elsewhere(production, call, monkeypatch)
    assert run.result().outcome == "outrun"
    assert receipt_of(production, call) == receipt
    assert presence(production, receipt) is Presence.COMPLETE
    assert products(production) == expected(call)
    assert scratch(production) == []


def test_a_loser_to_another_product_does_not_pass_it_for_its_own(fresh, production, monkeypatch):
    call = fake_call(duration_s=0.3)
    other = fake_call(settings={"picture": 10})
    run = fresh.start(work.attempt, production.root, call)
    until(lambda: logs(production), "the tool runs")
    committed_elsewhere(production, other, monkeypatch)
    result = run.result()
    assert result.outcome == "failed"
    assert "made otherwise: picture: 10 → none" in result.reason
    assert receipt_of(production, call).key == other.key


def test_an_unfinished_move_cannot_overwrite_what_replaced_it(fresh, production, monkeypatch):
    """Who committed the older generation may be slow, not dead, and go on moving later."""
    subruns = [fake_call(unit=f"Run02008.{number:04}") for number in range(2)]
    for subrun in subruns:
        fresh.call(work.attempt, production.root, subrun)
    fewer = fake_call("merge_dl1", "Run02008", inputs=(product(subruns[0], production.root),))
    more = fake_call("merge_dl1", "Run02008", inputs=(*fewer.inputs, product(subruns[1], production.root)))
    older = committed_elsewhere(production, fewer, monkeypatch)
    before = fewer.inputs[0]
    older = replace(older, inputs=({"role": "dl1", "path": str(before.path), "identity": before.identity, "key": "k"},))
    receipt_path(production, older).write_text(older.text())

    assert fresh.call(work.attempt, production.root, more).outcome == "made"
    assert receipt_of(production, more).generation == 2
    assert not any((production.root / made.scratch).exists() for made in older.outputs)
    assert products(production) == expected(*subruns, more)


def test_a_receipt_that_cannot_be_read_is_named_and_its_advice_works(fresh, production, tmp_path):
    call = fake_call()
    fresh.call(work.attempt, production.root, call)
    path = receipt_path(production, receipt_of(production, call))
    path.write_text(path.read_text()[:100])
    result = fresh.call(work.attempt, production.root, call)
    assert result.outcome == "failed"
    assert str(path) in result.reason
    assert "Move it aside, and the step's products with it, then run again" in result.reason

    aside = tmp_path / "aside"
    aside.mkdir()
    for file in (path, *(production.root / output.path for output in call.outputs)):
        file.rename(aside / file.name)
    assert fresh.call(work.attempt, production.root, call).outcome == "made"


# ---- several at once, and sudden ends -----------------------------------------------------------------------------------


@pytest.mark.parametrize("copies", [2, 4])
def test_of_copies_that_race_one_commits_and_all_are_content(fresh, production, tmp_path, copies):
    call = fake_call(duration_s=0.1)
    runs = [fresh.start(crashes.attempt_together, production.root, call, tmp_path / "go") for _ in range(copies)]
    (tmp_path / "go").touch()
    outcomes = [run.result() for run in runs]
    assert outcomes.count("made") == 1
    assert set(outcomes) <= {"made", "outrun", "present"}
    assert len(list(production.receipts(call.unit).iterdir())) == 1
    assert products(production) == expected(call)
    assert scratch(production) == []


def test_copies_that_repair_the_same_loss_end_with_one_winner(fresh, production, tmp_path):
    call = fake_call(duration_s=0.1)
    fresh.call(work.attempt, production.root, call)
    (production.root / call.outputs[0].path).unlink()
    runs = [fresh.start(crashes.attempt_together, production.root, call, tmp_path / "go") for _ in range(3)]
    (tmp_path / "go").touch()
    assert [run.result() for run in runs].count("made") == 1
    assert receipt_of(production, call).generation == 2
    assert products(production) == expected(call)


@pytest.mark.parametrize(("how", "step"), [("before", 1), ("fails", 2)])
def test_an_end_at_any_operation_loses_nothing(fresh, production, how, step):
    """The attempt's own process dies, or the disk refuses it, at each operation in turn; then it is run again."""
    call = fake_call(outputs=(Output("dl1", Path("tailcut84/dl1.h5")),))
    for number in count(1, step):
        one = Production(production.root / f"{number}")
        run = fresh.start(crashes.attempt_until, number, how, one.root, call).wait()
        if run.answered and not run.result()[0]:
            break
        was_committed = receipt_of(one, call) is not None
        again = fresh.call(work.attempt_and_sweep, one.root, call)
        assert again.outcome == ("present" if was_committed else "made"), again.reason
        assert receipt_of(one, call).generation == 1
        assert products(one) == expected(call)
        assert scratch(one) == []
    assert number > 10


LEG = ("r0_to_dl1", "dl1ab", "datacheck")


@pytest.mark.parametrize("seed", range(8))
def test_a_leg_killed_at_random_moments_goes_on_where_it_was(fresh, production, seed):
    moments = random.Random(seed)
    calls: list = []
    for step in LEG:
        inputs: tuple[Input, ...] = (product(calls[-1], production.root),) if calls else ()
        calls.append(fake_call(step, inputs=inputs))
    committed: dict[str, str] = {}
    for _ in range(5):
        run = fresh.start(work.run_leg, production.root, tuple(calls))
        time.sleep(moments.uniform(0, 0.15))
        run.kill()
        run.wait()
        started = {step: sum(f"/{step}." in str(log) for log in logs(production)) for step in LEG}
        assert all(started[step] == times for step, times in committed.items()), "committed work was done again"
        found = {call.step: receipt_of(production, call) for call in calls}
        assert committed.keys() <= {step for step, receipt in found.items() if receipt}, "a receipt is gone"
        assert all(presence(production, receipt) is not Presence.LOST for receipt in found.values() if receipt)
        committed = {step: started[step] for step, receipt in found.items() if receipt}

    reports = fresh.call(work.run_leg, production.root, tuple(calls))
    assert [report for report in reports if report.endswith("begins")] == [f"{step}: begins" for step in LEG]
    assert products(production) == expected(*calls)
    assert {receipt_of(production, call).generation for call in calls} == {1}
    assert {ReceiptBook(production).presence(call.name) for call in calls} == {Presence.COMPLETE}
    fresh.call(work.sweep, production.root)
    assert scratch(production) == []
