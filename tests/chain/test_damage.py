"""What is wrong with a run is said clearly, and stops that run, never the night."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.chain.conftest import DAY, ID
from tests.drills.nights import Site, link_or_copy
from tests.drills.witness import look


def _raw(site: Site, run: int, subrun: int, stream: int) -> Path:
    return site.raw / f"LST-1.{stream}.Run{run:05d}.{subrun:04d}.fits.fz"


def _cut_in_the_middle(site: Site) -> str:
    path = _raw(site, 2003, 1, 2)
    content = path.read_bytes()
    path.unlink()  # a hard link to the kept night's
    path.write_bytes(content[: len(content) // 2])
    return f"{path}: this raw file is truncated"


def _without_a_stream(site: Site) -> str:
    _raw(site, 2003, 1, 3).unlink()
    return "Run02003.0001: stream 3 of 4 missing"


@pytest.mark.parametrize("damage", [_cut_in_the_middle, _without_a_stream])
def test_a_damaged_subrun_is_named_and_the_others_are_processed(
    night: Site, elsewhere: Site, damage: Callable[[Site], str]
) -> None:
    told = damage(elsewhere)
    done = elsewhere.run_night()
    assert done.returncode != 0
    assert told in done.stdout
    assert "Traceback" not in done.stdout
    assert sorted(look(elsewhere.production(ID)).receipts) == [
        "charge_calibration.Run02002",
        "datacheck.Run02003.0000",
        "dl1ab.Run02003.0000",
        "drs4_baseline.Run02001",
        "r0_to_dl1.Run02003.0000",
    ]

    for whole in night.raw.iterdir():
        (elsewhere.raw / whole.name).unlink(missing_ok=True)
        link_or_copy(str(whole), str(elsewhere.raw / whole.name))
    done = elsewhere.run_night()
    assert done.returncode == 0, done.stdout
    assert (elsewhere.production(ID).root / "NightFinished.txt").exists()


def test_a_calibration_run_with_too_few_events_is_named(elsewhere: Site, tmp_path: Path) -> None:
    small = Site(tmp_path / "small")
    small.base.mkdir()
    options = ("--drs4-events=500", "--pedcal-events=120", "--data-runs=0", "--no-models")
    assert small.osa("telescope", "simulate", f"--base={small.base}", f"--date={DAY}", *options).returncode == 0
    for stream in (1, 2, 3, 4):
        path = _raw(elsewhere, 2002, 0, stream)
        path.unlink()
        shutil.move(_raw(small, 2002, 0, stream), path)
    done = elsewhere.run_night()
    assert done.returncode != 0
    assert "charge_calibration.Run02002: exit code 1" in done.stdout
    assert "No calibration events in the output file" in done.stdout
    assert "flatfield collected statistics = 50 events" in done.stdout
    assert "Traceback" not in done.stdout
    assert sorted(look(elsewhere.production(ID)).receipts) == ["drs4_baseline.Run02001"]
