"""Nights through the real luigi: a run that is whole becomes one archive, and is worked on as before."""

from __future__ import annotations

import errno
import json
import os
from collections import Counter
from pathlib import Path
from unittest import mock

import pytest
from fake_nights import DAY, RUNS, FakeSite, new_process, plan_of, run_night
from test_tasks_night import WHOLE

from osa_luigi.batch.archiving import archive_after, archive_before
from osa_luigi.batch.job import Job
from osa_luigi.products.archive import archives
from osa_luigi.products.attempts import read_records
from osa_luigi.products.decisions import DecisionKind, decide
from osa_luigi.products.production import Production
from osa_luigi.products.receipt import current_receipt
from osa_luigi.tasks.night import CloseTask
from osa_luigi.tasks.run import PlotsTask

pytestmark = pytest.mark.usefixtures("borrowed")

BAR = 20
"""Small files that a run may leave beside its products."""


def papers(production: Production) -> Counter[str]:
    """Run → files that stand for it: receipts, records, logs, archives."""
    kinds = ("receipts", "attempts", "logs")
    loose = [path.parent.name for kind in kinds for path in (production.state / kind).glob("*/*")]
    return Counter([*loose, *(path.name.partition(".")[0] for path in production.archives.iterdir())])


def test_a_night_leaves_few_small_files(finished: FakeSite) -> None:
    production = finished.production()
    assert papers(production) == dict.fromkeys(("Run02001", "Run02002", "Run02003", "Run02004", "night"), 1)
    small = [path for path in production.state.rglob("*") if path.is_file()]
    assert len(small) <= BAR * len(RUNS)
    assert len([path for path in small if "Run02003" in str(path)]) <= BAR
    assert not list(production.scratch.iterdir())
    assert finished.made() == WHOLE


def test_a_run_is_archived_though_its_night_goes_on(fake_site: FakeSite, tmp_path: Path) -> None:
    fake_site.set(fake={"fail": ["dl1ab:Run02004.*"]})
    run_night(fake_site)
    assert not fake_site.is_closed()
    count = papers(fake_site.production())
    assert count["Run02003"] == 1
    assert count["Run02004"] > 1
    assert not archives(fake_site.production(), "Run02004")
    mended = fake_site.copy(tmp_path / "mended")
    mended.set(fake={"fail": []})
    assert run_night(mended).scheduling_succeeded
    assert set(papers(mended.production()).values()) == {1}
    assert "dl1ab.Run02004.0000" in mended.reasons()


def test_a_run_whose_datacheck_failed_is_archived_once_that_is_made(fake_site: FakeSite, tmp_path: Path) -> None:
    fake_site.set(fake={"fail": ["datacheck:Run02003.0001"]})
    run_night(fake_site)
    assert papers(fake_site.production())["Run02003"] > BAR
    mended = fake_site.copy(tmp_path / "mended")
    mended.set(fake={"fail": []})
    assert run_night(mended).scheduling_succeeded
    assert papers(mended.production())["Run02003"] == 1


def test_a_run_of_which_a_subrun_was_discarded_is_archived(finished: FakeSite) -> None:
    production = finished.production()
    decide(production, DecisionKind.DISCARD, "Run02003.0001", "a test")
    new_process(finished.config)
    assert run_night(finished).scheduling_succeeded
    assert current_receipt(production, "merge_dl1", "Run02003").generation == 2  # type: ignore[union-attr]
    assert set(papers(production).values()) == {1}


def test_a_product_that_was_lost_is_made_again_and_archived_again(finished: FakeSite) -> None:
    production = finished.production()
    (before,) = archives(production, "Run02003")
    receipt = current_receipt(production, "dl2", "Run02003")
    assert receipt is not None
    (production.root / receipt.outputs[0].path).unlink()
    assert run_night(finished).scheduling_succeeded
    (after,) = archives(production, "Run02003")
    assert set(before) < set(after)
    assert not before.path.exists()
    assert current_receipt(production, "dl2", "Run02003").generation == 2  # type: ignore[union-attr]
    assert papers(production)["Run02003"] == 1


def test_a_subrun_that_comes_late_joins_the_archive(finished: FakeSite) -> None:
    production = finished.production()
    finished.night((2001, "DRS4", 1), (2002, "PEDCALIB", 1), (2003, "DATA", 3), (2004, "DATA", 1))
    assert run_night(finished).scheduling_succeeded
    assert papers(production)["Run02003"] == 1
    assert current_receipt(production, "merge_dl1", "Run02003").generation == 2  # type: ignore[union-attr]
    assert current_receipt(production, "r0_to_dl1", "Run02003.0002") is not None
    assert len(read_records(production, "Run02003")["merge_dl1.Run02003"]) == 2


def test_another_production_links_what_is_archived_here(finished: FakeSite) -> None:
    assert run_night(finished, production="other").scheduling_succeeded
    linked = current_receipt(finished.production("other"), "dl1ab", "Run02003.0001")
    assert linked is not None
    assert linked.linked_from == "fake"
    assert set(papers(finished.production("other")).values()) == {1}


def test_what_an_earlier_version_left_as_files_is_archived_when_the_night_is_closed_again(finished: FakeSite) -> None:
    production = finished.loosen()
    (production.root / "NightFinished.txt").unlink()
    assert papers(production)["Run02003"] > BAR
    assert run_night(finished).scheduling_succeeded
    assert set(papers(production).values()) == {1}


def test_what_cannot_be_archived_is_said_and_holds_nothing_back(finished: FakeSite) -> None:
    production = finished.loosen()
    new_process(finished.config)
    (job,) = CloseTask(date=DAY, production="fake").jobs()
    with mock.patch("os.fsync", side_effect=OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))):
        told = archive_before(job)
    assert set(told) == {f"archive.{run}" for run in ("Run02001", "Run02002", "Run02003", "Run02004", "night")}
    assert all("stay as files" in why and "No space left on device" in why for why in told.values())
    assert not list(production.scratch.glob("archive.*"))
    assert not archive_after(job)
    assert set(papers(production).values()) == {1}


def test_only_jobs_that_may_be_a_run_s_last_look_and_only_what_is_whole_is_archived(finished: FakeSite) -> None:
    production = finished.loosen()
    plan = plan_of(finished, "fake")
    new_process(finished.config)
    (last,) = PlotsTask(date=DAY, production="fake", run_id=2003).jobs()
    assert last.declared == plan.close.calls[0].path("declared")
    assert Job.from_json(json.loads(json.dumps(last.as_json()))).declared == last.declared
    assert (archive_before(last), list(production.archives.iterdir())) == ({}, [])
    product = production.root / plan.runs[2003].legs["dl1"][1].calls[0].outputs[0].path
    product.rename(product.with_suffix(".away"))
    assert (archive_after(last), list(production.archives.iterdir())) == ({}, [])
    product.with_suffix(".away").rename(product)
    assert archive_after(last) == {}
    assert [path.name.partition(".")[0] for path in production.archives.iterdir()] == ["Run02003"]


def test_arrays_that_are_through_go_into_the_archive_of_their_run_or_of_the_night(finished: FakeSite) -> None:
    production = finished.loosen()
    folder = production.state / "engine" / "arrays"
    names = {
        name: f"osa.20241115.fake.abc123.g1.0000{n}.{name}"
        for n, name in enumerate(("Run02003.dl1", "merge", "Run02004.dl1"))
    }
    for name in names.values():
        (folder / name / "out").mkdir(parents=True)
        for file in ("intent.json", "out/0.log", "closed.json"):
            (folder / name / file).write_text("{}")
    (folder / names["Run02004.dl1"] / "closed.json").unlink()
    new_process(finished.config)
    (last,) = PlotsTask(date=DAY, production="fake", run_id=2003).jobs()
    assert not archive_after(last)
    assert [path.name for path in folder.iterdir()] == [names["Run02004.dl1"]]
    for run, name in (("Run02003", "Run02003.dl1"), ("night", "merge")):
        (held,) = archives(production, run)
        assert f"arrays/{names[name]}/out/0.log" in held
    assert (folder / names["Run02004.dl1"] / "intent.json").exists()


def test_reading_what_is_archived_needs_no_right_to_write(finished: FakeSite, tmp_path: Path) -> None:
    """Nor does it leave anything."""
    state = finished.production().state
    before = sorted((str(path), path.stat().st_mtime_ns) for path in state.rglob("*"))
    assert read_records(finished.production())
    assert plan_of(finished, "fake")
    assert sorted((str(path), path.stat().st_mtime_ns) for path in state.rglob("*")) == before
