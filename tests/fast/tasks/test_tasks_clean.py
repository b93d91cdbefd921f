"""``osa clean`` on a night that was closed, and on one that was abandoned."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

from click.testing import CliRunner
from fake_nights import FakeSite
from hypothesis import given
from hypothesis import strategies as st

from osa_luigi.batch.lease import engine
from osa_luigi.cli.app import app
from osa_luigi.process import host
from osa_luigi.products.production import Production
from osa_luigi.products.receipt import ReceiptBook
from osa_luigi.tasks.clean import REMOVED

DEAD = f"20241116T000000-{host()}-999999999-000000"
ELSEWHERE = "20241116T000000-far-1-000000"
DAY_S = 86_400


def clean(site: FakeSite, *arguments: str, code: int = 0, said: str = "") -> dict[str, Any]:
    done = CliRunner().invoke(app, ["clean", "--json", *arguments], input=said, env={"OSA_CONFIG": str(site.config)})
    assert done.exit_code == code, (done.output, done.exception)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def age(path: Path, days: float) -> None:
    """As if nothing had touched it, and what is in it, for so long."""
    then = time.time() - days * DAY_S
    for folder, _, files in os.walk(path, topdown=False):
        for name in (*files, ""):
            os.utime(Path(folder, name), (then, then), follow_symlinks=False)
    os.utime(path, (then, then))


def litter(production: Production) -> dict[str, Path]:
    """One of each that may go, long ago, and one of each that may not yet."""
    state = production.state
    made = {
        "dead": state / "scratch" / f"dl1ab.Run02003.0000.{DEAD}" / "work" / "half.h5",
        "far": state / "scratch" / f"dl1ab.Run02003.0001.{ELSEWHERE}" / "half.h5",
        "log": state / "logs" / "Run02003" / "dl1ab.Run02003.0000.old.log",
        "aside": state / "aside" / "dl2.Run02003.1.20241116T000000" / "dl2.h5",
    }
    for path in made.values():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x" * 1000)
    return made


def test_what_is_old_goes_and_the_night_stays(finished: FakeSite) -> None:
    production = finished.production()
    made = litter(production)
    kept = {
        path: path.read_bytes() for path in production.root.rglob("*") if path.is_file() and path not in made.values()
    }
    young = clean(finished, "--dry-run")
    assert [item["kind"] for item in young["items"]] == ["scratch"]  # known to be dead: it goes at once
    for path in made.values():
        age(path.parent, 1000)
    assert clean(finished, "--dry-run")["bytes"] == 4000
    done = clean(finished)
    assert sorted(item["kind"] for item in done["items"] if item["removed"]) == ["aside", "log", "scratch", "scratch"]
    assert not any(path.exists() for path in made.values())
    assert all(path.read_bytes() == content for path, content in kept.items())
    assert clean(finished)["items"] == []
    assert engine(production) is None  # the lease was given back


def test_looking_takes_no_lease(finished: FakeSite) -> None:
    litter(finished.production())
    before = sorted(finished.data.rglob("*"))
    clean(finished, "--dry-run")
    assert sorted(finished.data.rglob("*")) == before


def test_a_committed_file_that_was_not_moved_yet_stays(finished: FakeSite) -> None:
    production = finished.production()
    receipt = ReceiptBook(production).receipt("dl2.Run02003")
    assert receipt is not None
    made = receipt.outputs[0]
    waiting = production.root / made.scratch
    waiting.parent.mkdir(parents=True)
    (production.root / made.path).rename(waiting)
    age(production.scratch, 1000)
    assert clean(finished)["items"] == []
    assert waiting.exists()


def test_beside_a_living_engine_nothing_goes(finished: FakeSite) -> None:
    production = finished.production()
    made = litter(production)
    lease = production.state / "engine" / "7.json"
    lease.parent.mkdir(exist_ok=True)
    said = {"host": "far", "boot": "", "pid": 1, "start_ticks": None, "since": "2024-11-16", "namespace": ""}
    lease.write_text(json.dumps(said))
    found = clean(finished, code=1)
    assert "is being worked on by process 1 on far" in found["troubles"][0]
    assert all(path.exists() for path in made.values())


def abandon(site: FakeSite) -> Production:
    """Another production of the night that was never closed."""
    production = site.production("test")
    shutil.copytree(site.production().root, production.root)
    for path in production.archives.glob("night.*"):
        path.unlink()
    for path in (production.state / "receipts").rglob("close.*"):
        path.unlink()
    return production


def test_an_abandoned_production_goes_only_when_that_is_confirmed(finished: FakeSite) -> None:
    production = abandon(finished)
    assert clean(finished, "--productions", "--yes")["items"] == []  # touched just now
    age(production.root, 1000)
    assert clean(finished)["items"] == []
    clean(finished, "--productions", said="n\n")
    assert production.root.is_dir()
    done = clean(finished, "--productions", said="y\n")
    assert [(item["kind"], item["removed"]) for item in done["items"]] == [("production", True)]
    assert not production.root.exists()
    assert finished.is_closed()


def test_a_closed_production_never_goes(finished: FakeSite) -> None:
    age(finished.production().root, 1000)
    assert clean(finished, "--productions", "--yes")["items"] == []
    assert finished.is_closed()


def test_a_production_that_lends_its_calibration_stays(finished: FakeSite) -> None:
    production = finished.production()
    earlier = Production(production.root.parent.parent / "20241114" / "fake")
    shutil.copytree(abandon(finished).root, earlier.root)
    age(earlier.root, 1000)
    asked = ("--date", "2024-11-14", "--productions", "--yes")
    assert len(clean(finished, *asked, "--dry-run")["items"]) == 1
    for path in (finished.loosen().state / "receipts" / "Run02003").glob("r0_to_dl1.*"):
        path.write_text(path.read_text().replace("20241115/fake/calibration", "20241114/fake/calibration"))
    assert clean(finished, *asked)["items"] == []
    assert earlier.root.is_dir()


def test_a_removal_that_was_killed_is_finished(finished: FakeSite) -> None:
    production = abandon(finished)
    production.state.rename(production.root / REMOVED)
    age(production.root, 1000)
    clean(finished, "--productions", "--yes")
    assert not production.root.exists()


@given(days=st.integers(0, 10_000))
def test_nights_are_chosen_by_their_age(tmp_path_factory: Any, days: int) -> None:
    from datetime import UTC, datetime, timedelta

    from osa_luigi.cli.clean import _chosen

    root = tmp_path_factory.mktemp("site")
    night = datetime.now(UTC).date() - timedelta(days=days)
    (root / f"{night:%Y%m%d}" / "v1" / ".osa" / "receipts").mkdir(parents=True)
    assert len(list(_chosen(root, None, days, ""))) == 1
    assert not list(_chosen(root, None, days + 1, ""))
