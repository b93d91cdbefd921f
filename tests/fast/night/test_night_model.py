from __future__ import annotations

import json
import pickle
from dataclasses import FrozenInstanceError
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osa_luigi.errors import NightError
from osa_luigi.night import (
    DataLevel,
    Night,
    Pointing,
    Preprocessing,
    Run,
    RunType,
    Source,
    Subrun,
    index_ranges,
)


def make_subrun(number=0, streams=(1, 2, 3, 4), *, in_r0g=False, folder="/data"):
    return Subrun(7, number, Path(folder) if streams else None, streams, tuple(10 * s for s in streams), in_r0g)


def make_run(run_id=7, kind=RunType.DATA, preprocessing=0, subruns=(), **row):
    return Run(run_id, kind, len(subruns), "R1v1.Event", Preprocessing(preprocessing), row, subruns=subruns)


@pytest.mark.parametrize(
    ("bits", "in_r0g", "level"),
    [
        (0, False, DataLevel.RAW),
        (2 | 4 | 8, False, DataLevel.RAW),
        (0, True, DataLevel.GAIN_SELECTED),
        (1, False, DataLevel.GAIN_SELECTED),
        (1 | 2 | 4 | 8, False, DataLevel.GAIN_SELECTED),
        (1 | 64, False, DataLevel.CALIBRATED),
        (111, True, DataLevel.CALIBRATED),
        (32, False, DataLevel.RAW),
    ],
)
def test_level(bits, in_r0g, level):
    assert DataLevel.of(bits, in_r0g=in_r0g) is level
    assert make_run(preprocessing=bits, subruns=(make_subrun(in_r0g=in_r0g),)).level is level


def test_bits_are_those_of_the_event_builder():
    preprocessing = pytest.importorskip("ctapipe_io_lst.evb_preprocessing")
    theirs = {flag.name: flag.value for flag in preprocessing.EVBPreprocessingFlag}
    assert {flag.name: flag.value for flag in Preprocessing} == theirs


def test_a_run_half_gain_selected_is_raw_and_its_subruns_are_what_they_are():
    run = make_run(subruns=(make_subrun(0), make_subrun(1, in_r0g=True)))
    assert run.level is DataLevel.RAW
    assert [run.level_of(subrun) for subrun in run.subruns] == [DataLevel.RAW, DataLevel.GAIN_SELECTED]
    assert run.in_r0g


def test_missing_streams():
    assert make_subrun().missing_streams == ()
    assert make_subrun().describe_missing() is None
    assert make_subrun(streams=(1, 4)).missing_streams == (2, 3)
    assert make_subrun(streams=()).missing_streams == (1, 2, 3, 4)


@pytest.mark.parametrize(
    ("streams", "words"),
    [
        ((1, 2, 3), "lacks stream 4 in /data:"),
        ((1,), "lacks streams 2, 3, 4 in /data:"),
        ((), "lacks all its raw files:"),
    ],
)
def test_missing_streams_are_described_with_what_to_do(streams, words):
    message = make_subrun(3, streams).describe_missing()
    assert message.startswith("Run00007.0003 ")
    assert words in message
    assert "copy them again, then run again" in message


def test_first_stream():
    assert make_subrun().first_stream == Path("/data/LST-1.1.Run00007.0000.fits.fz")
    with pytest.raises(NightError, match="lacks stream 1"):
        _ = make_subrun(streams=(2, 3, 4)).first_stream


def test_identity_of_a_subrun_is_names_and_sizes_wherever_they_lie():
    subrun = make_subrun(streams=(1, 2))
    assert subrun.identity == {"files": [["LST-1.1.Run00007.0000.fits.fz", 10], ["LST-1.2.Run00007.0000.fits.fz", 20]]}
    assert make_subrun(streams=(1, 2), folder="/elsewhere").identity == subrun.identity
    assert make_subrun(streams=(1,)).identity != subrun.identity


def test_identity_of_a_run_does_not_grow_with_its_subruns():
    assert make_run(run_id=7, b=1, n_subruns=3).identity == make_run(run_id=7, n_subruns=4, b=1).identity
    assert make_run(run_type="DATA").identity != make_run(run_type="EDATA").identity


def test_identity_of_source_and_pointing():
    assert Source("Crab Nebula", 83.63, 22.01).identity == {"name": "Crab Nebula", "ra": 83.63, "dec": 22.01}
    assert Pointing("log.txt").identity == {"log": "log.txt"}
    assert Pointing("log.txt", (1, 2), "ab").identity == {"log": "log.txt", "interval": [1, 2], "sha256": "ab"}


def test_identities_can_be_written_as_json():
    for identity in (
        make_subrun().identity,
        make_run(a=1).identity,
        Source("x").identity,
        Pointing("l", (1, 2), "a").identity,
    ):
        assert json.loads(json.dumps(identity)) == identity


@pytest.mark.parametrize(
    ("indices", "text"),
    [((), ""), ((0,), "0"), ((0, 1, 2), "0-2"), ((0, 1, 3, 7, 8), "0-1,3,7-8"), ((5, 4, 5), "4-5")],
)
def test_index_ranges(indices, text):
    assert index_ranges(indices) == text


@given(st.sets(st.integers(0, 300)))
def test_index_ranges_mean_the_same_indices(indices):
    found = set()
    for part in filter(None, index_ranges(tuple(indices)).split(",")):
        first, _, last = part.partition("-")
        found |= set(range(int(first), int(last or first) + 1))
    assert found == indices


def test_a_subrun_is_found_by_its_number():
    run = make_run(subruns=(make_subrun(0), make_subrun(1)))
    assert run.subrun(1).subrun == 1
    with pytest.raises(NightError, match="Run00007 has no subrun 9: its subruns are 0-1"):
        run.subrun(9)


def test_a_night_finds_its_runs():
    kinds = [
        RunType.DRS4,
        RunType.DRS4,
        RunType.PEDCALIB,
        RunType.ERRPEDCALIB,
        RunType.DATA,
        RunType.EDATA,
        RunType.DATA,
    ]
    night = Night(date(2024, 11, 15), tuple(make_run(i, kind) for i, kind in enumerate(kinds)), unlisted_runs=(99,))
    assert night.run(4).run_id == 4
    assert [run.run_id for run in night.data_runs] == [4, 6]
    assert night.drs4.run_id == 1
    assert night.pedcal.run_id == 2
    assert night.has_calibration
    with pytest.raises(NightError, match="Run00042 is not in the run summary of 2024-11-15"):
        night.run(42)
    with pytest.raises(NightError, match="make the run summary again"):
        night.run(99)


def test_a_night_without_calibration():
    night = Night(date(2024, 11, 15), (make_run(),))
    assert night.drs4 is None
    assert night.pedcal is None
    assert not night.has_calibration


def test_values_are_frozen_hashable_and_can_be_pickled():
    run = make_run(subruns=(make_subrun(),), a=1)
    night = Night(date(2024, 11, 15), (run,))
    assert night.run(7) is run
    copy = pickle.loads(pickle.dumps(night))
    assert copy == night
    assert hash(copy) == hash(night)
    with pytest.raises(FrozenInstanceError):
        run.n_subruns = 5
