"""Decisions on disk: append-only, by several at once, and the same for whoever reads them."""

from __future__ import annotations

import json
import multiprocessing
import os
import tempfile
from itertools import count
from pathlib import Path
from typing import Any

import crashes
import pytest
from fresh import Fresh
from hypothesis import given, settings
from hypothesis import strategies as st

from osa_luigi.errors import ProductError
from osa_luigi.products.decisions import (
    PERSON,
    DecisionKind,
    about,
    decide,
    decisions,
    standing,
    within,
)
from osa_luigi.products.production import Production

DISCARD, VETO, UNDO, RELEASE = (
    DecisionKind.DISCARD,
    DecisionKind.VETO,
    DecisionKind.UNDO,
    DecisionKind.RELEASE,
)
UNITS = ("Run02003", "Run02003.0000", "Run02003.0001", "Run02004")


def test_a_decision_says_who_when_what_and_why(production: Production) -> None:
    made = decide(production, DISCARD, "Run02003.0001", " no \n pedestals ", evidence={"events": 3})
    (read,) = decisions(production)
    assert read == made
    assert (read.number, read.kind, read.unit, read.reason, read.by) == (
        1,
        DISCARD,
        "Run02003.0001",
        "no pedestals",
        PERSON,
    )
    assert read.user
    assert read.host
    assert read.when.endswith("+00:00")
    assert read.evidence == {"events": 3}
    assert os.listdir(production.state / "decisions") == ["0001.json"]
    assert "decision 1: discard Run02003.0001, " in str(read)


def test_a_production_that_has_not_begun_has_none_and_reading_makes_nothing(production: Production) -> None:
    assert decisions(production) == ()
    assert not production.root.exists()


def test_no_reason_no_decision(production: Production) -> None:
    with pytest.raises(ValueError, match="reason"):
        decide(production, VETO, "Run02003", " \n")
    assert not production.root.exists()


def test_what_holds_for_a_subrun_is_its_own_and_its_runs(production: Production) -> None:
    subrun = decide(production, DISCARD, "Run02003.0001", "bad")
    run = decide(production, VETO, "Run02003", "test run")
    decide(production, DISCARD, "Run02004.0001", "bad")
    now = standing(decisions(production))
    assert about(now, "Run02003.0001") == (run, subrun)
    assert about(now, "Run02003.0000") == (run,)
    assert about(now, "Run02003") == (run,)
    assert about(now, "Run02005") == ()
    assert within(now, "Run02003") == (subrun, run)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"format": 2}', '{"format": 1, "kind": "discard"}', '{"format": 1, "kind": "burn"}']
)
def test_a_decision_that_cannot_be_read_is_never_passed_over(production: Production, text: str) -> None:
    decide(production, VETO, "Run02003", "test run")
    (production.state / "decisions" / "0001.json").write_text(text)
    with pytest.raises(ProductError, match=r"0001\.json: not a decision .* restore the file"):
        decisions(production)


def test_other_files_are_no_decisions(production: Production) -> None:
    decide(production, VETO, "Run02003", "test run")
    for name in (".node-1-abc", "0002.json~", "2.json", "00002.json", "notes.txt"):
        (production.state / "decisions" / name).write_text("{")
    assert [one.number for one in decisions(production)] == [1]
    assert decide(production, RELEASE, "Run02003", "no", undoes=[1]).number == 2


def test_a_failing_disk_decides_nothing(production: Production, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            decide(production, VETO, "Run02003", "test run")
    assert decisions(production) == ()
    assert os.listdir(production.state / "decisions") == []


@pytest.mark.parametrize("how", ["before", "after", "fails"])
def test_a_decision_is_there_whole_or_not_at_all(production: Production, fresh: Fresh, how: str) -> None:
    """Killed, or refused by the disk, at each operation in turn; the next one is recorded all the same."""
    for number in count(1):
        one = Production(production.root / f"{number}")
        run = fresh.start(crashes.decide_until, number, how, one.root).wait()
        before = decisions(one)
        assert [(made.number, made.unit) for made in before] in ([], [(1, "Run02003")])
        assert decide(one, RELEASE, "Run02003", "back").number == len(before) + 1
        if run.answered and not run.result():
            break
    assert number > 4


# ---- many at once -----------------------------------------------------------------------------------------------


def _decide_often(root: Path, name: str, count: int, gate: Any) -> None:
    gate.wait()
    for number in range(count):
        decide(Production(root), DISCARD, f"Run02003.{number:04d}", name)


def test_of_many_at_once_each_gets_a_number_of_its_own(production: Production) -> None:
    context = multiprocessing.get_context("fork")
    gate = context.Barrier(4)
    writers = [context.Process(target=_decide_often, args=(production.root, f"w{n}", 10, gate)) for n in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    found = decisions(production)
    assert [one.number for one in found] == list(range(1, 41))
    for name in ("w0", "w1", "w2", "w3"):  # of each, all, in the order in which it decided
        assert [one.unit for one in found if one.reason == name] == [f"Run02003.{n:04d}" for n in range(10)]
    assert len(os.listdir(production.state / "decisions")) == 40


class Writer:
    """An operator who looks first, and decides by what was seen then."""

    def __init__(self, production: Production) -> None:
        self.production = production
        self.seen: list[int] = []

    def look(self) -> None:
        """Which decisions leave something out now."""
        self.seen = [one.number for several in standing(decisions(self.production)).values() for one in several]


class Model:
    """What holds, as a set: unit and number."""

    def __init__(self) -> None:
        self.holds: dict[int, str] = {}
        self.next = 1

    def leave_out(self, unit: str) -> None:
        self.holds[self.next] = unit
        self.next += 1

    def take_back(self, number: int) -> None:
        self.holds.pop(number, None)
        self.next += 1


actions = st.lists(
    st.tuples(
        st.integers(0, 1), st.sampled_from(["look", "discard", "veto", "undo"]), st.sampled_from(UNITS), st.integers(0)
    ),
    max_size=25,
)


@settings(max_examples=40)
@given(actions)
def test_two_writers_leave_what_a_simple_model_says(script: list[tuple[int, str, str, int]]) -> None:
    """Also where one takes back what the other has taken back meanwhile, or decides by what was true before."""
    with tempfile.TemporaryDirectory() as folder:
        production = Production(Path(folder) / "v1")
        writers, model = (Writer(production), Writer(production)), Model()
        for who, what, unit, pick in script:
            writer = writers[who]
            if what == "look":
                writer.look()
            elif what == "undo" and writer.seen:
                number = writer.seen[pick % len(writer.seen)]
                decide(production, UNDO, unit, "back", undoes=[number])
                model.take_back(number)
            elif what != "undo":
                decide(production, DecisionKind(what), unit, "out")
                model.leave_out(unit)
        now = standing(decisions(production))
        assert {one.number: one.unit for several in now.values() for one in several} == model.holds
        assert all(one.unit == unit for unit, several in now.items() for one in several)
        files = sorted((production.state / "decisions").glob("*.json"))
        assert [int(path.stem) for path in files] == list(range(1, model.next))
        assert all(json.loads(path.read_text())["format"] == 1 for path in files)
