"""Short versions of the drills, and that their witness sees what it is there to see; the long ones are run by hand (docs/benchmarks.md)."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from osa_luigi.cli.placeholder import PlaceholderNight
from tests.drills import evidence
from tests.drills.nights import DAY, ROOT, Site
from tests.drills.witness import judge, look

FAKE = ("--procedure", "fake")


def test_a_killed_night_loses_nothing_and_repeats_nothing() -> None:
    """Four points of a hundred: 28 fake steps each, killed at a random moment and run again."""
    command = [sys.executable, "-m", "tests.drills.kill", "--points=4", "--real-points=0", "--seed=20241115", "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    report = json.loads(done.stdout)
    assert report["troubles"] == []
    assert done.returncode == 0
    assert report["kills"] >= report["points"] == 4


@pytest.fixture
def fake(tmp_path: Path) -> Site:
    """A finished night of fake steps."""
    PlaceholderNight(tmp_path, DAY, data_runs=1, subruns=1).write()
    site = Site(tmp_path)
    assert site.run_night(*FAKE).returncode == 0
    return site


def test_the_witness_sees_what_was_lost_and_what_nobody_made(fake: Site) -> None:
    production = fake.production("fake")
    before = look(production)
    (dl2,) = production.root.rglob("dl2_LST-1.*.h5")
    (muons,) = production.root.glob("muons_LST-1.Run02003.0000.fits")
    dl2.unlink()
    muons.chmod(0o644)
    muons.write_text("something else")
    (production.root / "stray.h5").touch()
    (production.scratch / "left").mkdir(parents=True)
    verdict = judge(production, [before])
    place = dl2.relative_to(production.root)
    assert verdict.lost == [
        f"dl2.Run02003: {place} is not there",
        f"r0_to_dl1.Run02003.0000: {muons.name} is not intact",
    ]
    assert verdict.unverified == [*verdict.lost, "stray.h5: no receipt names it"]
    assert verdict.left == ["left"]
    assert verdict.executed_again == []


def test_the_witness_sees_what_was_executed_again(fake: Site) -> None:
    production = fake.production("fake")
    before = look(production)
    (dl2,) = production.root.rglob("dl2_LST-1.*.h5")
    dl2.unlink()
    assert fake.run_night(*FAKE).returncode == 0
    verdict = judge(production, [before])
    assert [line.partition(":")[0] for line in verdict.executed_again] == ["dl2.Run02003"] * len(verdict.executed_again)
    assert "dl2.Run02003: generation 1 became 2" in verdict.executed_again
    assert (verdict.lost, verdict.unverified, verdict.left) == ([], [], [])


def test_the_evidence_tells_what_was_done_from_what_was_not(night: Site) -> None:
    """The tiny night: gains selected by the event builder, no Cat-B, the procedure's cleaning levels of 8 and 4 p.e."""
    production = night.production("tiny")
    products = evidence.Products(production, look(production).receipts)
    levels = {"picture_thresh": 8, "boundary_thresh": 4}
    assert evidence.finished(products).good
    assert evidence.images(products, cat_b=False).good
    assert not evidence.images(products, cat_b=True).good
    assert evidence.cleaning(products, per_run=False, asked={evidence.CLEANING: levels}).good
    for wrong in ({"picture_thresh": 9}, {"boundary_thresh": 3}):
        assert not evidence.cleaning(products, per_run=False, asked={evidence.CLEANING: levels | wrong}).good
    assert not evidence.gains(products, selected=True).good
    assert not evidence.gains(products, selected=False).good
    assert evidence.same_charges(products, products).good
