"""Nights with faults: what is asked for is what is wrong, nothing else is, and it can be repaired."""

from __future__ import annotations

import datetime as dt
import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from astropy.table import QTable
from hypothesis import given
from hypothesis import strategies as st
from telescope_nights import read_raw, same_events, tiny

from osa_luigi.errors import NightError
from osa_luigi.night.truncation import check_raw_file
from osa_luigi.telescope import Fault, FaultKind, RunType, SimulatedNight, deliver, simulate
from osa_luigi.telescope import subrun as subrun_module
from osa_luigi.telescope.damage import decide_streams
from osa_luigi.telescope.faults import DEPTHS
from osa_luigi.telescope.schedule import SPARSE_EVENTS

DAY = dt.date(2024, 11, 15)
ASKED = (
    "truncated:2003.0.2",
    "empty-file:2003.1",
    "flipped-bit:2004.0",
    "missing-stream:2004.1.3",
    "missing-subrun:2005.0",
    "late:2005.1",
    "sparse:2006",
    "no-pointing:2006",
)
SIZE = {"data_runs": 4, "drs4_events": 4, "pedcal_events": 4}


def faults(*texts: str) -> tuple[Fault, ...]:
    return tuple(Fault.parse(text) for text in texts)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> SimulatedNight:
    """A night with nothing wrong."""
    return simulate(tiny(tmp_path_factory.mktemp("whole"), **SIZE))


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory) -> SimulatedNight:
    """The same with everything wrong; not to be changed."""
    return simulate(tiny(tmp_path_factory.mktemp("bad"), **SIZE, faults=faults(*ASKED)))


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def raw(run: int, subrun: int, stream: int) -> str:
    return f"LST-1.{stream}.Run{run:05d}.{subrun:04d}.fits.fz"


def stream_of(night: SimulatedNight, kind: FaultKind) -> int:
    (fault,) = [fault for fault in night.faults if fault.kind is kind]
    assert fault.stream is not None
    return fault.stream


def test_what_is_missing_is_what_was_asked_for(whole: SimulatedNight, bad: SimulatedNight) -> None:
    missing = {raw(2004, 1, 3), *(raw(2005, subrun, stream) for subrun in (0, 1) for stream in (1, 2, 3, 4))}
    assert names(whole.r0) - names(bad.r0) == missing


def test_damaged_files_are_damaged_as_asked_for(whole: SimulatedNight, bad: SimulatedNight) -> None:
    short, full = bad.r0 / raw(2003, 0, 2), whole.r0 / raw(2003, 0, 2)
    assert 0 < short.stat().st_size < full.stat().st_size
    with pytest.raises(NightError, match="this raw file is truncated: its headers say"):
        check_raw_file(short)
    empty = bad.r0 / raw(2003, 1, stream_of(bad, FaultKind.EMPTY_FILE))
    with pytest.raises(NightError, match="this raw file is empty"):
        check_raw_file(empty)


def test_one_bit_is_wrong_among_the_events_and_the_headers_do_not_tell(bad: SimulatedNight) -> None:
    name = raw(2004, 0, stream_of(bad, FaultKind.FLIPPED_BIT))
    held = bad.base / "late" / "20241115" / name
    one, other = (np.frombuffer(path.read_bytes(), np.uint8) for path in (bad.r0 / name, held))
    assert np.unpackbits(one ^ other).sum() == 1
    assert check_raw_file(bad.r0 / name) == check_raw_file(held) == 3


def test_all_else_is_as_without_faults(whole: SimulatedNight, bad: SimulatedNight) -> None:
    for run in (2001, 2002):
        assert same_events(read_raw(bad, run, 0), read_raw(whole, run, 0))
    assert same_events(read_raw(bad, 2006, 0), read_raw(whole, 2006, 0))


def test_a_sparse_subrun_has_few_events_and_none_interleaved(bad: SimulatedNight) -> None:
    truth = QTable.read(bad.truth)
    last = truth[(truth["run"] == 2006) & (truth["subrun"] == 1)]
    assert list(last["event_id"]) == list(range(13, 13 + SPARSE_EVENTS))
    assert not {"flatfield", "pedestal"} & set(last["kind"])
    assert len(read_raw(bad, 2006, 1)) == SPARSE_EVENTS


def test_the_drive_log_ends_before_a_last_run_without_pointing(bad: SimulatedNight) -> None:
    assert bad.drive_log is not None
    seconds = [int(line.split()[0]) for line in bad.drive_log.read_text().splitlines()]
    starts = {run.run_id: run.start.timestamp() for run in bad.runs}
    assert starts[2005] < max(seconds) < starts[2006]


def test_a_run_without_pointing_leaves_a_gap_in_the_drive_log(tmp_path: Path) -> None:
    night = simulate(tiny(tmp_path, data_runs=2, subruns=1, faults=faults("no-pointing:2003")))
    assert night.drive_log is not None
    seconds = [int(line.split()[0]) for line in night.drive_log.read_text().splitlines()]
    (gap,) = [(one, two) for one, two in pairwise(seconds) if two - one > 1]
    first, second = (run.start.timestamp() for run in night.runs_of(RunType.DATA))
    assert gap[0] < first < first + 1 < gap[1] < second


def test_a_night_without_drive_log_or_calibration_runs(tmp_path: Path) -> None:
    night = simulate(tiny(tmp_path, subruns=1, faults=faults("no-pointing", "no-calibration")))
    assert [run.run_id for run in night.runs] == [2003]
    assert (night.drive_log, night.time_calibration) == (None, None)
    assert not list((tmp_path / "monitoring").rglob("*_log_*"))
    assert {name[:16] for name in names(night.r0)} == {f"LST-1.{stream}.Run02003"[:16] for stream in (1, 2, 3, 4)}
    assert not simulate(tiny(tmp_path, subruns=1, faults=faults("no-pointing", "no-calibration"))).fresh


def test_faults_are_named_in_the_manifest_and_the_truth(bad: SimulatedNight) -> None:
    told = QTable.read(bad.truth).meta["faults"]
    assert told == [str(fault) for fault in bad.faults]
    assert stream_of(bad, FaultKind.FLIPPED_BIT) in (1, 2, 3, 4)
    entry = json.loads((bad.base / "simulation.json").read_text())["nights"]["20241115"]
    assert entry["options"]["faults"] == sorted(ASKED)
    assert entry["night"]["faults"] == told


def test_the_same_night_has_the_same_faults(bad: SimulatedNight, tmp_path: Path) -> None:
    asked = ("flipped-bit:2004.0", "empty-file:2003.1")
    again = simulate(tiny(tmp_path, **SIZE, faults=faults(*asked)))
    assert set(again.faults) < set(bad.faults)
    name = raw(2004, 0, stream_of(bad, FaultKind.FLIPPED_BIT))
    assert same_damage(again, bad, name)
    assert not simulate(tiny(tmp_path, **SIZE, faults=faults(*reversed(asked)))).fresh
    with pytest.raises(NightError, match="faults is"):
        simulate(tiny(tmp_path, **SIZE))


def same_damage(one: SimulatedNight, other: SimulatedNight, name: str) -> bool:
    """Whether the same bit is wrong; the headers carry the time of writing."""
    wrong = []
    for night in (one, other):
        held = np.frombuffer((night.base / "late" / "20241115" / name).read_bytes(), np.uint8)
        wrong.append(np.flatnonzero(np.unpackbits(held ^ np.frombuffer((night.r0 / name).read_bytes(), np.uint8))))
    return np.array_equal(*wrong)


def test_what_is_late_is_delivered_and_the_rest_can_be_repaired(whole: SimulatedNight, tmp_path: Path) -> None:
    options = tiny(tmp_path, **SIZE, faults=faults(*ASKED))
    night = simulate(options)
    assert [path.name for path in deliver(tmp_path, DAY)] == [raw(2005, 1, stream) for stream in (1, 2, 3, 4)]
    assert same_events(read_raw(night, 2005, 1), read_raw(whole, 2005, 1))
    assert deliver(tmp_path, DAY) == []
    assert not simulate(options).fresh
    assert len(deliver(tmp_path, DAY, repair=True)) == 8 + 3
    assert names(night.r0) == names(whole.r0)
    assert night.drive_log is not None
    assert whole.drive_log is not None
    assert night.drive_log.read_bytes() == whole.drive_log.read_bytes()
    for run in (2003, 2004, 2005):
        assert all(same_events(read_raw(night, run, sub), read_raw(whole, run, sub)) for sub in (0, 1))
    assert not simulate(options).fresh


def test_of_a_night_that_is_not_there_nothing_is_delivered(bad: SimulatedNight) -> None:
    with pytest.raises(NightError, match=r"no complete simulated night 20241116 \(nights there: 20241115\)"):
        deliver(bad.base, dt.date(2024, 11, 16))


def test_killed_before_the_damage_is_done_it_is_done_after(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = tiny(tmp_path, subruns=1, faults=faults("truncated:2003.0.1"))

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("osa_luigi.telescope.damage.damaged", die)
        with pytest.raises(KeyboardInterrupt):
            simulate(options)
    night = simulate(options)
    with pytest.raises(NightError, match="truncated"):
        check_raw_file(night.r0 / raw(2003, 0, 1))
    assert len(list(night.r0.glob("*Run02003*"))) == subrun_module.N_STREAMS


@pytest.mark.parametrize(
    ("texts", "told"),
    [
        (("truncated:2007.0",), "the night has the runs 2001 to 2003"),
        (("truncated:2003.2",), "the subruns of run 2003 are 0 to 1"),
        (("truncated:2003.1.5",), "the streams are 1 to 4"),
        (("sparse:2002",), "run 2002 is no DATA run"),
        (("late:2003.1", "truncated:2003.1"), "late:2003.1 and truncated:2003.1 are of the same file"),
        (("no-calibration", "late:2001"), "there are no calibration runs"),
    ],
)
def test_impossible_faults_are_told(texts: tuple[str, ...], told: str, tmp_path: Path) -> None:
    with pytest.raises(NightError, match=told):
        tiny(tmp_path, faults=faults(*texts))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("truncted:2003.0", "no fault 'truncted'; there are: truncated, empty-file"),
        ("truncated", "must be truncated:RUN.SUBRUN or truncated:RUN.SUBRUN.STREAM"),
        ("late", "must be late:RUN or late:RUN.SUBRUN or late:RUN.SUBRUN.STREAM"),
        ("no-calibration:2001", "must be no-calibration"),
        ("late:2003.x", "'2003.x' is not RUN"),
        ("late:2003.1.2.3", "is not RUN"),
        ("", "no fault ''"),
    ],
)
def test_a_fault_that_makes_no_sense_is_explained(text: str, told: str) -> None:
    with pytest.raises(NightError, match=told):
        Fault.parse(text)


@st.composite
def any_fault(draw: st.DrawFn) -> Fault:
    kind = draw(st.sampled_from(FaultKind))
    depth = draw(st.integers(*DEPTHS[kind]))
    return Fault(kind, *draw(st.lists(st.integers(0, 99_999), min_size=depth, max_size=depth)))


@given(any_fault())
def test_a_fault_is_written_as_it_is_read(fault: Fault) -> None:
    assert Fault.parse(str(fault)) == fault


@given(st.text(max_size=30).filter(lambda text: text.partition(":")[0] not in list(FaultKind)))
def test_other_text_is_no_fault(text: str) -> None:
    with pytest.raises(NightError, match="there is no fault"):
        Fault.parse(text)


def test_the_seed_decides_on_the_stream() -> None:
    asked = faults(*(f"truncated:2003.{subrun}" for subrun in range(40)))
    decided = decide_streams(asked, seed=1)
    assert decide_streams(asked, seed=1) == decided
    assert decide_streams(asked, seed=2) != decided
    assert {fault.stream for fault in decided} == {1, 2, 3, 4}
