from __future__ import annotations

from datetime import date

import pytest

from osa_luigi.night import RunType, observe, sequences

JANUARY = date(2020, 1, 17)
RUNS = (
    (1803, "DRS4", 1),
    (1804, "DRS4", 1),
    (1805, "PEDCALIB", 1),
    (1806, "PEDCALIB", 1),
    (1807, "DATA", 11),
    (1808, "DATA", 9),
    (1809, "PEDCALIB", 1),
)


@pytest.fixture
def january(site, old_columns):
    site.summary(JANUARY, *RUNS, columns=old_columns)
    site.runs(JANUARY, *RUNS)
    site.catalog(JANUARY, (1807, "Crab", 83.63, 22.01), (1808, "MadeUpSource", 10.0, 20.0))
    return observe(site.paths, JANUARY)


def test_the_order_of_work(january):
    found = sequences(january)
    assert [s.seq for s in found] == [1, 2, 3]
    assert [s.parent for s in found] == [None, 1, 1]
    assert [s.run_id for s in found] == [1809, 1807, 1808]
    assert [s.type for s in found] == [RunType.PEDCALIB, RunType.DATA, RunType.DATA]


def test_the_calibration_brings_its_drs4_run(january):
    calibration, *data = sequences(january)
    assert calibration.drs4.run_id == 1804
    assert all(sequence.drs4 is None for sequence in data)


def test_subruns_and_sources(january):
    _, crab, made_up = sequences(january)
    assert (crab.array, crab.n_subruns, crab.source_name) == ("0-10", 11, "Crab")
    assert (made_up.array, made_up.n_subruns, made_up.source_name) == ("0-8", 9, "MadeUpSource")


def test_vetoed_and_faulty_runs_are_no_sequences(site, day):
    runs = ((1, "DRS4", 1), (2, "PEDCALIB", 1), (3, "ERRPEDCALIB", 1), (4, "EDATA", 1), (5, "ERROR", 1), (6, "DATA", 1))
    site.summary(day, *runs)
    site.runs(day, *runs)
    found = sequences(observe(site.paths, day))
    assert [(s.run_id, s.parent) for s in found] == [(2, None), (6, 1)]
    assert found[1].source_name is None


@pytest.mark.parametrize("calibration", [(), ((1, "DRS4", 1),), ((2, "PEDCALIB", 1),)])
def test_without_a_calibration_of_its_own(site, day, calibration):
    runs = (*calibration, (3, "DATA", 2), (4, "DATA", 1))
    site.summary(day, *runs)
    site.runs(day, *runs)
    found = sequences(observe(site.paths, day))
    assert [(s.seq, s.parent, s.run_id) for s in found] == [(1, None, 3), (2, None, 4)]


def test_a_night_of_calibration_alone(site, day):
    runs = ((1, "DRS4", 1), (2, "PEDCALIB", 1))
    site.summary(day, *runs)
    site.runs(day, *runs)
    assert [s.run_id for s in sequences(observe(site.paths, day))] == [2]
