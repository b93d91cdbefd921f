"""What the engine hears and decides is written down so that it can be decided on again."""

from __future__ import annotations

import json
from dataclasses import is_dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slurm_work import SETTINGS, Driver, seen, wish

from osa_luigi.batch.slurm import exchange as ex
from osa_luigi.batch.slurm import model as m
from osa_luigi.batch.slurm.codec import KINDS, decode, decode_kind, encode, encode_kind, opened, opened_kind
from osa_luigi.batch.slurm.recorder import Recorder, Recording, changed, difference
from osa_luigi.batch.slurm.replay import replay
from osa_luigi.batch.slurm.seen import Sighting
from osa_luigi.errors import ExecutorError
from osa_luigi.jsontext import line_of
from tests.simulation.nights import Night

MOMENTS = st.integers(0, 1 << 31).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
st.register_type_strategy(datetime, MOMENTS)
st.register_type_strategy(float, st.floats(allow_nan=False, allow_infinity=False))
ANY = st.one_of(*(st.builds(kind) for kind in KINDS.values()))
QUEUES = st.dictionaries(
    st.sampled_from(["osa.a", "osa.b", "osa.c"]),
    st.dictionaries(st.integers(0, 4), st.builds(Sighting), min_size=1, max_size=4),
    max_size=3,
)


@given(ANY)
@settings(max_examples=150)
def test_events_and_commands_come_back(value: Any) -> None:
    assert decode_kind(json.loads(json.dumps(encode_kind(value)))) == value
    assert json.loads(line_of(opened_kind(value), opened)) == json.loads(json.dumps(encode_kind(value)))


def test_settings_come_back() -> None:
    assert decode(m.Settings, json.loads(json.dumps(encode(SETTINGS)))) == SETTINGS


def test_every_event_and_command_has_a_name() -> None:
    assert set(KINDS.values()) == {*get_args(ex.Event), *get_args(ex.Command)}
    assert all(is_dataclass(kind) and not issubclass(kind, StrEnum) for kind in KINDS.values())


@pytest.mark.parametrize("data", [{"is": "Polled"}, {"is": "Sent", "at": 1, "array": 7, "job": 3}, {"is": "Nothing"}])
def test_what_is_none_of_them_is_refused(data: dict[str, Any]) -> None:
    with pytest.raises((TypeError, KeyError)):
        decode_kind(data)


@given(QUEUES, QUEUES)
@settings(max_examples=80)
def test_a_queue_and_its_difference_give_the_next(before: Any, after: Any) -> None:
    told = json.loads(line_of(difference(before, after), opened))
    assert changed(before, told) == after
    assert difference(after, after) == {"seen": {}, "gone": {}}


@pytest.mark.parametrize("seed", range(12))
def test_a_simulated_night_is_decided_the_same_again(seed: int, tmp_path: Path) -> None:
    night = Night(seed, tmp_path).play()
    assert night.trouble == []
    lives = sorted(tmp_path.iterdir())
    assert lives
    for life in lives:
        moments = list(replay(Recording(life)))
        assert all(moment.lines[0] == "Recovered" for moment in moments[:1])  # a life may end before it begins
        assert all(moment.same for moment in moments)


def recorded(file: Path) -> Path:
    """A small night: two jobs, of which one fails."""
    driver = Driver()
    recorder = Recorder(file, driver.settings)

    def hear(event: ex.Event) -> None:
        recorder(event, tuple(driver.hear(event)))

    hear(ex.Wanted(1000.0, (wish(0), wish(1))))
    hear(ex.Tick(1000.0))
    array = driver.array.name
    hear(ex.Sent(1001.0, array, 7))
    running = {index: seen("RUNNING", index, name=array) for index in (0, 1)}
    foreign = {"other.1": {0: seen("RUNNING", name="other.1")}}
    for at in (1030.0, 1060.0):
        hear(ex.Polled(at, (), at, {array: running, **foreign}))
    return file


def test_of_a_queue_only_what_is_new_is_written(tmp_path: Path) -> None:
    lines = [json.loads(line) for line in recorded(tmp_path / "1.jsonl").read_text().splitlines()]
    [array] = lines[4]["queue"]["seen"]
    assert set(lines[4]["queue"]["seen"][array]) == {"0", "1"}
    assert lines[5]["queue"] == {"seen": {}, "gone": {}}


def test_another_decision_is_shown_and_ends_the_replay(tmp_path: Path) -> None:
    file = recorded(tmp_path / "1.jsonl")
    file.write_text(file.read_text().replace('{"is":"Submit"', '{"is":"Look"'))
    *_, last = replay(Recording(file))
    assert not last.same
    assert [line[:8] for line in last.difference()] == ["- Look o", "+ Submit"]
    assert last.lines[0] == "Tick"


def test_a_torn_end_is_passed_over_and_a_torn_middle_is_told(tmp_path: Path) -> None:
    file = recorded(tmp_path / "1.jsonl")
    whole = len(list(replay(Recording(file))))
    text = file.read_text()
    file.write_text(text[:-10])
    assert len(list(replay(Recording(file)))) == whole - 1
    file.write_text(text[:-10] + "\n")
    with pytest.raises(ExecutorError, match="line 6"):
        list(replay(Recording(file)))
    file.write_text("{}\n")
    with pytest.raises(ExecutorError, match="no recording"):
        Recording(file)


def test_a_recording_that_cannot_be_written_disturbs_nobody(tmp_path: Path) -> None:
    (tmp_path / "events").write_text("a file in the folder's place")
    recorder = Recorder(tmp_path / "events" / "1.jsonl", SETTINGS)
    recorder(ex.Sent(1.0, "a", 1), ())
    full = Recorder(Path("/dev/full"), SETTINGS)
    full(ex.Sent(1.0, "a", 1), ())
