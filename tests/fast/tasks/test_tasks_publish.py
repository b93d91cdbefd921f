"""A fake night, closed and published: what lies where, what is refused, and what a kill leaves."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from fake_nights import FakeSite, run_night
from fresh import server

from osa_luigi.cli.app import app
from osa_luigi.products import placing
from osa_luigi.products.decisions import DecisionKind, decide
from osa_luigi.products.digest import sha256
from osa_luigi.products.integrity import check
from osa_luigi.products.published import WITHDRAWN, Journal, Publication, place_of, publications
from osa_luigi.products.receipt import Presence, ReceiptBook, current_receipt, presence
from osa_luigi.steps import publishing

DATE = ("--date", "2024-11-15", "--production", "fake")
D, P = "20241115", "fake"
RUNS = ("Run02003", "Run02004")
SUBRUNS = ("Run02003.0000", "Run02003.0001", "Run02004.0000")
TREE = sorted(
    [
        *(f"DL1/{D}/{P}/tailcut84/dl1_LST-1.{unit}.h5" for unit in (*RUNS, *SUBRUNS)),
        *(f"DL1/{D}/{P}/tailcut84/datacheck/datacheck_dl1_LST-1.{unit}.h5" for unit in (*RUNS, *SUBRUNS)),
        *(f"DL1/{D}/{P}/tailcut84/datacheck/datacheck_dl1_LST-1.{unit}.pdf" for unit in RUNS),
        *(f"DL1/{D}/{P}/muons/muons_LST-1.{unit}.fits" for unit in (*RUNS, *SUBRUNS)),
        *(f"DL1/{D}/{P}/interleaved/interleaved_LST-1.{unit}.h5" for unit in SUBRUNS),
        *(f"DL2/{D}/{P}/tailcut84/nsb_tuning_0.14/dl2_LST-1.{unit}.h5" for unit in RUNS),
        *(f"DL1/datacheck_files/night_wise/{P}/{D}/DL1_datacheck_{D}.{kind}" for kind in ("h5", "html", "log")),
        f"monitoring/PixelCalibration/Cat-A/drs4_baseline/{D}/{P}/drs4_pedestal.Run02001.0000.h5",
        f"monitoring/PixelCalibration/Cat-A/calibration/{D}/{P}/calibration_filters_52.Run02002.0000.h5",
        f"OSA/Closer/{D}/{P}/NightFinished.txt",
    ]
)
DL2 = f"DL2/{D}/{P}/tailcut84/nsb_tuning_0.14/dl2_LST-1.Run02003.h5"
DL1 = f"DL1/{D}/{P}/tailcut84/dl1_LST-1.Run02003.h5"


@pytest.fixture
def other_disk() -> Iterator[Path]:
    """A folder on another file system than the tests' own."""
    if (
        not os.access("/dev/shm", os.W_OK)
        or Path("/dev/shm").stat().st_dev == Path(tempfile.gettempdir()).stat().st_dev
    ):
        pytest.skip("there is no second file system here")
    folder = Path(tempfile.mkdtemp(dir="/dev/shm"))
    yield folder
    shutil.rmtree(folder)


def osa(site: FakeSite, *arguments: str, code: int = 0) -> str:
    done = CliRunner().invoke(app, [*arguments, *DATE], env={"OSA_CONFIG": str(site.config)})
    assert done.exit_code == code, (done.output, done.exception)
    return done.output


def close(site: FakeSite, code: int = 0) -> str:
    """``osa close`` in a process of one thread, since closing forks."""
    done, out, err = server("osa_luigi.cli.close").call(_close, site.config)
    assert done == code, (out, err)
    return str(out) + str(err)


def _close(config: Path) -> tuple[int, str, str]:
    os.environ["OSA_CONFIG"] = str(config)
    done = CliRunner().invoke(app, ["close", *DATE])
    return done.exit_code, done.stdout, done.stderr


def publish(site: FakeSite, *more: str, code: int = 0) -> dict[str, object]:
    found: dict[str, object] = json.loads(osa(site, "publish", "--json", *more, code=code))
    return found


def tree(root: Path) -> list[str]:
    """Published files, without links."""
    tops = (
        "DL1",
        "DL2",
        "OSA",
        "monitoring/PixelCalibration/Cat-A/drs4_baseline",
        "monitoring/PixelCalibration/Cat-A/calibration",
    )
    files = (path for top in tops for path in (root / top).rglob("*") if path.is_file() and not path.is_symlink())
    return sorted(str(path.relative_to(root)) for path in files if "pro" not in path.parts)


def test_the_tree_is_lst_1_s(finished: FakeSite) -> None:
    done = publish(finished)
    assert tree(finished.data) == TREE
    assert (done["placed"], done["by_link"], done["refused"]) == (len(TREE), len(TREE), [])
    own = finished.production().root / "tailcut84" / "nsb_tuning_0.14" / "dl2_LST-1.Run02003.h5"
    assert own.samefile(finished.data / DL2)
    files = finished.data / "DL1" / "datacheck_files"
    assert (files / D / "datacheck_dl1_LST-1.Run02003.pdf").readlink() == Path(
        f"../../{D}/{P}/tailcut84/datacheck/datacheck_dl1_LST-1.Run02003.pdf"
    )
    assert (files / D / "muons" / "muons_LST-1.Run02003.0001.fits").exists()
    assert (files / "night_wise" / f"DL1_datacheck_{D}.h5").exists()
    pro = finished.data / "monitoring" / "PixelCalibration" / "Cat-A" / "calibration" / D / "pro"
    assert pro.readlink() == Path(P)


def test_repeated_it_does_nothing(finished: FakeSite) -> None:
    publish(finished)
    before = sorted((finished.production().state / "published").iterdir())
    done = publish(finished)
    assert (done["placed"], done["replaced"], done["there"], done["links"]) == (0, 0, len(TREE), 0)
    assert sorted((finished.production().state / "published").iterdir()) == before


def test_dry_run_writes_nothing(finished: FakeSite) -> None:
    before = sorted(finished.data.rglob("*"))
    would = publish(finished, "--dry-run")
    assert would["placed"] == len(TREE)
    assert sorted(finished.data.rglob("*")) == before
    done = publish(finished)
    assert (would["placed"], would["links"], would["bytes"]) == (done["placed"], done["links"], done["bytes"])
    assert publish(finished, "--dry-run")["links"] == 0


def test_what_publishing_makes_is_the_group_s_where_the_umask_says_so(finished: FakeSite) -> None:
    before = os.umask(0o002)
    try:
        publish(finished)
    finally:
        os.umask(before)
    (journal,) = (finished.production().state / "published").iterdir()
    assert journal.stat().st_mode & 0o777 == 0o664
    assert (finished.data / DL1).parent.stat().st_mode & 0o777 == 0o775


def found_levels(site: FakeSite, run: str, **levels: float) -> None:
    """Let the receipt tell of cleaning levels, which a fake does not find."""
    path = site.production().receipts(run) / f"tailcuts.{run}.1.json"
    receipt = json.loads(path.read_text())
    path.write_text(json.dumps({**receipt, "counts": {**receipt["counts"], **levels}}))


def test_levels_that_were_found_for_a_run_name_its_folders(fake_site: FakeSite, borrowed: None) -> None:
    fake_site.set(tailcuts={"source": "per_run"})
    assert run_night(fake_site).scheduling_succeeded
    fake_site.loosen()
    found_levels(fake_site, "Run02003", picture_thresh=8, boundary_thresh=4)
    found_levels(fake_site, "Run02004", picture_thresh=10.0, boundary_thresh=5.0)
    done = publish(fake_site)
    assert done["refused"] == []
    levels = {"Run02003": "tailcut84", "Run02004": "tailcut1005"}
    cleaned = [path for path in tree(fake_site.data) if "/tailcut" in path]
    assert {path.split("/")[3] for path in cleaned} == set(levels.values())
    assert all(levels[run] in path for path in cleaned for run in levels if run in path)
    assert DL2 in cleaned
    assert str((fake_site.data / f"DL1/datacheck_files/{D}/datacheck_dl1_LST-1.Run02004.pdf").readlink()) == (
        f"../../{D}/{P}/tailcut1005/datacheck/datacheck_dl1_LST-1.Run02004.pdf"
    )


def test_what_lies_under_former_levels_is_withdrawn(fake_site: FakeSite, borrowed: None) -> None:
    fake_site.set(tailcuts={"source": "per_run"})
    assert run_night(fake_site).scheduling_succeeded
    fake_site.loosen()
    for run in RUNS:
        found_levels(fake_site, run, picture_thresh=8, boundary_thresh=4)
    publish(fake_site)
    before = [path for path in tree(fake_site.data) if "Run02004" in path and "/tailcut84/" in path]
    changed = fake_site.data / next(path for path in before if "datacheck_dl1_LST-1.Run02004.0000.h5" in path)
    found_levels(fake_site, "Run02004", picture_thresh=10, boundary_thresh=5)
    changed.unlink()
    changed.write_text("somebody's")

    would, done = publish(fake_site, "--dry-run"), publish(fake_site)
    assert would["withdrawn"] == done["withdrawn"] == len(before) - 1
    assert would["links"] == done["links"]
    assert done["notes"] == [
        f"{changed}: it is at {str(changed).replace('tailcut84', 'tailcut1005')} now, but the file was changed, or is the only one: left",
        f"{fake_site.data}/DL1/datacheck_files/{D}/{changed.name}: leads to ../../{D}/{P}/tailcut84/datacheck/{changed.name}, "
        "and was left so (`osa publish --pro` takes it over)",
    ]
    left = [path for path in tree(fake_site.data) if "Run02004" in path and "/tailcut84/" in path]
    assert [fake_site.data / path for path in left] == [changed]
    assert all((fake_site.data / path.replace("tailcut84", "tailcut1005")).exists() for path in before)
    link = fake_site.data / f"DL1/datacheck_files/{D}/datacheck_dl1_LST-1.Run02004.pdf"
    assert link.readlink() == Path(f"../../{D}/{P}/tailcut1005/datacheck/{link.name}")
    assert publish(fake_site)["withdrawn"] == 0
    receipt = current_receipt(fake_site.production(), "merge_dl1", "Run02004")
    assert receipt is not None
    place = place_of(fake_site.production(), receipt.outputs[0])
    assert place is not None
    assert "/tailcut1005/" in str(place)


def test_a_withdrawal_that_was_killed_is_finished(
    fake_site: FakeSite, borrowed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_site.set(tailcuts={"source": "per_run"})
    assert run_night(fake_site).scheduling_succeeded
    fake_site.loosen()
    found_levels(fake_site, "Run02003", picture_thresh=8, boundary_thresh=4)
    publish(fake_site)
    before = {path for path in tree(fake_site.data) if "Run02003" in path and "/tailcut84/" in path}
    found_levels(fake_site, "Run02003", picture_thresh=10, boundary_thresh=5)

    def killed(self: Journal, publication: Publication) -> None:
        if publication.what == WITHDRAWN:
            raise KeyboardInterrupt  # after the file went, before that was noted
        real(self, publication)

    real = Journal.note
    with monkeypatch.context() as patch:
        patch.setattr(Journal, "note", killed)
        CliRunner().invoke(app, ["publish", *DATE], env={"OSA_CONFIG": str(fake_site.config)})
    assert len(before.intersection(tree(fake_site.data))) == len(before) - 1
    assert publish(fake_site)["withdrawn"] == len(before)
    assert not before.intersection(tree(fake_site.data))
    assert not [
        place for place in publications(fake_site.production()) if "Run02003" in place and "/tailcut84/" in place
    ]


def test_templates_that_change_leave_what_was_published(finished: FakeSite) -> None:
    publish(finished)
    finished.set_main(publication={"templates": {"dl2": "DL2/{date}/{production}/all/{tailcut}/{nsb}/{name}"}})
    done = publish(finished)
    assert (done["placed"], done["withdrawn"], done["notes"]) == (2, 0, [])
    assert (finished.data / DL2).exists()


def test_closing_publishes_where_the_site_asks_for_it(fake_site: FakeSite, borrowed: None) -> None:
    fake_site.set_main(publication={"enabled": True})
    assert run_night(fake_site).scheduling_succeeded
    assert tree(fake_site.data) == TREE
    assert "publish.night" in fake_site.made()
    assert "CLOSED at" in osa(fake_site, "status")
    assert run_night(fake_site).scheduling_succeeded
    assert len([name for name in fake_site.made() if name == "publish.night"]) == 1


def test_a_night_that_cannot_be_published_is_not_through_and_can_be_repeated(
    fake_site: FakeSite, borrowed: None
) -> None:
    fake_site.set_main(publication={"enabled": True})
    foreign = fake_site.data / DL2
    foreign.parent.mkdir(parents=True)
    foreign.write_text("somebody's")
    run_night(fake_site)
    reason = fake_site.reasons()["publish.night"]
    assert f"{foreign}: is another file than dl2.Run02003 made" in reason
    assert "Move such files aside" in reason
    assert foreign.read_text() == "somebody's"
    assert not (fake_site.data / "OSA").exists()
    assert "but is not published" in osa(fake_site, "status", code=1)
    assert "is another file than dl2.Run02003 made" in close(fake_site, code=1)
    foreign.unlink()
    assert "Closed: " in close(fake_site)
    assert "CLOSED at" in osa(fake_site, "status")
    assert tree(fake_site.data) == TREE


def test_another_file_system_gets_copies_that_were_compared(finished: FakeSite, other_disk: Path) -> None:
    finished.set_main(publication={"root": str(other_disk)})
    done = publish(finished)
    assert (tree(other_disk), done["by_copy"]) == (TREE, len(TREE))
    receipt = current_receipt(finished.production(), "dl2", "Run02003")
    assert receipt is not None
    assert sha256(other_disk / DL2) == receipt.outputs[0].sha256
    assert not (other_disk / DL2).stat().st_mode & 0o222
    assert publish(finished)["there"] == len(TREE)
    assert not list(other_disk.rglob(".*"))


def test_a_damaged_product_is_not_copied(finished: FakeSite, other_disk: Path) -> None:
    finished.set_main(publication={"root": str(other_disk)})
    own = finished.production().root / "tailcut84" / "dl1_LST-1.Run02003.h5"
    content = own.read_bytes()
    own.chmod(0o644)
    own.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert "has other bytes than when it was made" in osa(finished, "publish", code=3)
    assert not (other_disk / DL1).exists()
    own.write_bytes(content)
    publish(finished)
    assert tree(other_disk) == TREE


def test_a_newer_generation_of_our_own_replaces_the_older(finished: FakeSite, other_disk: Path) -> None:
    finished.set_main(publication={"root": str(other_disk)})
    publish(finished)
    older, place = b"as it was made before", other_disk / DL2
    receipt = current_receipt(finished.production(), "dl2", "Run02003")
    assert receipt is not None
    # What the record says stood there is ours, whatever the receipt that counts now says.
    folder = finished.production().state / "published"
    place.chmod(0o644)
    place.write_bytes(older)
    record = next(folder.iterdir())
    lines = [json.loads(line) for line in record.read_text().splitlines()]
    for line in lines:
        if line["place"] == str(place):
            line |= {"size": len(older), "sha256": sha256(place), "generation": 0}
    record.write_text("".join(json.dumps(line) + "\n" for line in lines))
    done = publish(finished)
    assert (done["replaced"], done["there"]) == (1, len(TREE) - 1)
    assert sha256(place) == receipt.outputs[0].sha256


def test_a_file_that_was_changed_is_refused_and_left(finished: FakeSite, other_disk: Path) -> None:
    finished.set_main(publication={"root": str(other_disk)})
    publish(finished)
    (other_disk / DL2).chmod(0o644)
    (other_disk / DL2).write_text("changed")
    refused = publish(finished, code=1)["refused"]
    assert isinstance(refused, list)
    assert len(refused) == 1
    assert (other_disk / DL2).read_text() == "changed"


def test_another_production_s_links_are_left_unless_asked_for(finished: FakeSite) -> None:
    pro = finished.data / "monitoring" / "PixelCalibration" / "Cat-A" / "calibration" / D / "pro"
    (pro.parent / "v0").mkdir(parents=True)
    pro.symlink_to("v0")
    assert "leads to v0, and was left so" in osa(finished, "publish")
    assert pro.readlink() == Path("v0")
    osa(finished, "publish", "--pro")
    assert pro.readlink() == Path(P)


def test_what_a_kill_left_is_finished(finished: FakeSite, monkeypatch: pytest.MonkeyPatch) -> None:
    real, left = publishing.put, iter(range(7))

    def killed(*arguments: object, **more: object) -> str:
        how = real(*arguments, **more)  # type: ignore[arg-type]
        if next(left, None) is None:
            raise KeyboardInterrupt  # after the file was placed, before that was noted
        return how

    with monkeypatch.context() as patch:
        patch.setattr(publishing, "put", killed)
        CliRunner().invoke(app, ["publish", *DATE], env={"OSA_CONFIG": str(finished.config)})
    assert len(tree(finished.data)) == 8
    done = publish(finished)
    assert (done["placed"], done["there"]) == (len(TREE) - 8, 8)
    assert len(publications(finished.production())) == len(TREE)


def test_a_full_disk_is_said(finished: FakeSite, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(source: Path, target: Path, *_: object, **__: object) -> str:
        raise OSError(28, "No space left on device", str(target))

    monkeypatch.setattr(publishing, "put", full)
    said = osa(finished, "publish", code=3)
    assert "No space left on device. 0 files are published, and stay" in said
    assert "Make room on the disk" in said


def test_what_was_discarded_since_is_withdrawn(fake_site: FakeSite, borrowed: None) -> None:
    fake_site.set_main(publication={"enabled": True})
    assert run_night(fake_site).scheduling_succeeded
    gone = fake_site.data / f"DL1/{D}/{P}/tailcut84/dl1_LST-1.Run02003.0001.h5"
    assert gone.exists()
    decide(fake_site.production(), DecisionKind.DISCARD, "Run02003.0001", "clouds")
    assert "decided since this plan was made" in osa(fake_site, "publish", code=3)
    assert run_night(fake_site).scheduling_succeeded
    assert tree(fake_site.data) == [path for path in TREE if "Run02003.0001" not in path]
    own = fake_site.production().root / "tailcut84" / "dl1_LST-1.Run02003.0001.h5"
    assert own.exists()
    # The merged file was made again, of one subrun, and replaced the one that was published before.
    assert (fake_site.data / DL1).samefile(fake_site.production().root / "tailcut84" / "dl1_LST-1.Run02003.h5")


def test_a_product_is_found_at_either_place(finished: FakeSite, borrowed: None) -> None:
    publish(finished)
    own = finished.production().root / "tailcut84" / "dl1_LST-1.Run02003.h5"
    receipt = current_receipt(finished.production(), "merge_dl1", "Run02003")
    assert receipt is not None
    own.unlink()
    assert presence(finished.production(), receipt) is Presence.COMPLETE
    assert ReceiptBook(finished.production()).presence("merge_dl1.Run02003") is Presence.COMPLETE
    assert place_of(finished.production(), receipt.outputs[0]) == finished.data / DL1
    assert check(finished.production(), "merge_dl1.Run02003").findings == ()
    assert "CLOSED at" in osa(finished, "status")
    # What needs it brings it back.
    dl2 = finished.production().root / "tailcut84" / "nsb_tuning_0.14" / "dl2_LST-1.Run02003.h5"
    dl2.unlink()
    (finished.data / DL2).unlink()
    assert run_night(finished).scheduling_succeeded
    assert own.samefile(finished.data / DL1)
    assert dl2.exists()
    # Gone from both, it is lost.
    own.unlink()
    (finished.data / DL1).unlink()
    assert presence(finished.production(), receipt) is Presence.LOST


def test_a_published_file_leads_to_its_receipt(finished: FakeSite, other_disk: Path) -> None:
    finished.set_main(publication={"root": str(other_disk)})
    publish(finished)
    env = {"OSA_CONFIG": str(finished.config)}
    done = CliRunner().invoke(app, ["provenance", str(other_disk / DL2)], env=env)
    assert done.exit_code == 0, done.output
    assert "dl2" in done.output


def test_an_open_night_is_not_published(finished: FakeSite) -> None:
    (finished.production().root / "NightFinished.txt").unlink()
    said = osa(finished, "publish", code=3)
    assert "is not closed, and only closed nights are published" in said
    assert "osa close --date 20241115 --production fake" in said


def test_parts_of_dead_copies_are_swept_and_others_left(tmp_path: Path) -> None:
    dead = tmp_path / f".a.h5.{placing.host()}-999999999-00000000.part"
    alive = tmp_path / f".b.h5.{placing.host()}-{os.getpid()}-00000000.part"
    elsewhere = tmp_path / ".c.h5.far-1-00000000.part"
    for path in (dead, alive, elsewhere):
        path.write_text("half")
    placing.sweep(tmp_path)
    assert not dead.exists()
    assert alive.exists()
    assert elsewhere.exists()
    os.utime(elsewhere, (0, 0))
    placing.sweep(tmp_path)
    assert not elsewhere.exists()


def test_two_at_once(finished: FakeSite, monkeypatch: pytest.MonkeyPatch) -> None:
    real, inside = publishing.put, []

    def with_another(*arguments: object, **more: object) -> str:
        if not inside:
            inside.append(True)
            assert publish(finished)["refused"] == []
        return real(*arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(publishing, "put", with_another)
    done = publish(finished)
    assert (done["published"], done["refused"]) == (len(TREE), [])
    assert tree(finished.data) == TREE
