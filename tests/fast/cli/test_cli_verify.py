"""``osa verify`` and ``osa provenance`` on a whole night of fake steps."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from zipfile import ZipFile

import pytest
from cli_nights import DATE, Demo, Site, like_anybody
from prov.model import ProvDocument

from osa_luigi.products.commit import receipt_path
from osa_luigi.products.integrity import product_files
from osa_luigi.products.production import Production
from osa_luigi.products.receipt import ReceiptBook, current_receipt

DL1 = Path("tailcut84/dl1_LST-1.Run02003.h5")
DL2 = "dl2_LST-1.Run02003.h5"


@pytest.fixture
def done(closed: Demo, tmp_path: Path) -> Site:
    """A closed night to do damage to."""
    site = Site(tmp_path / "copy")
    shutil.copytree(closed.site.base, site.base)
    site.configure()
    return site


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def each_kind(production: Production) -> list[Path]:
    """One product of each kind: of each step and role."""
    book = ReceiptBook(production)
    receipts = (receipt for name in book.names() if (receipt := book.receipt(name)))
    kinds = {(one.step, made.role): production.root / made.path for one in receipts for made in one.outputs}
    return list(kinds.values())


def test_a_night_that_is_whole(closed: Demo) -> None:
    said = closed.site.data("verify", *DATE)
    assert (said["findings"], said["stray"]) == ([], [])
    assert said["files"] == len(list(product_files(closed.site.production())))
    assert "all as they were made" in closed.site.osa("verify", *DATE, "--run", "2003").stdout


@pytest.mark.parametrize(("damage", "fault"), [(flip, "bytes"), (truncate, "size"), (empty, "size")])
def test_damage_in_every_kind_of_product_is_found(done: Site, damage: Callable[[Path], None], fault: str) -> None:
    paths = each_kind(done.production())
    assert len(paths) > 15
    for path in paths:
        path.chmod(0o644)
        damage(path)
    findings = done.data("verify", *DATE, "--jobs", "2", code=1)["findings"]
    assert {finding["path"] for finding in findings} == {str(path) for path in paths}
    assert {finding["fault"] for finding in findings} == {fault}


def test_an_archive_is_read_to_its_end_logs_too(done: Site) -> None:
    (archive,) = done.production().archives.glob("Run02003.*.zip")
    with ZipFile(archive) as bundle:
        log = next(member for member in bundle.infolist() if member.filename.startswith("logs/"))
    content = bytearray(archive.read_bytes())
    content[log.header_offset + 30 + len(log.filename) + 20 + log.compress_size // 2] ^= 1
    archive.write_bytes(content)
    (finding,) = done.data("verify", *DATE, code=1)["findings"]
    assert (finding["fault"], finding["path"]) == ("papers", str(archive))
    assert done.data("verify", *DATE, "--run", "2003", code=1)["findings"] == [finding]
    assert done.data("verify", *DATE, "--run", "2004")["findings"] == []
    said = done.osa("verify", *DATE, code=1).stdout
    assert "this archive of the receipts and logs of Run02003 is damaged" in said
    assert "1 archives or settings damaged." in said


def test_an_archive_without_an_index_is_a_finding(done: Site) -> None:
    (archive,) = done.production().archives.glob("Run02003.*.zip")
    archive.write_bytes(archive.read_bytes()[:-100])
    (finding,) = done.data("verify", *DATE, code=1)["findings"]
    assert (finding["fault"], finding["path"]) == ("papers", str(archive))


def test_damaged_settings_are_found(done: Site) -> None:
    settings = sorted((done.production().state / "configs").glob("*.json"))[0]
    flip(settings)
    (finding,) = done.data("verify", *DATE, code=1)["findings"]
    assert (finding["fault"], finding["path"]) == ("papers", str(settings))


def test_what_to_do_about_it_is_said(done: Site) -> None:
    path = done.production().root / DL1
    path.chmod(0o644)
    flip(path)
    (done.production().root / "stray.txt").touch()
    said = done.osa("verify", *DATE, code=1).stdout
    assert f"{path}: has other bytes than when it was made" in said
    assert "merge_dl1.Run02003.1.json" in said
    again = "luigi --module osa_luigi NightTask --date 2024-11-15 --production fake"
    assert f"next: osa verify {path} --set-aside; {again}" in said
    assert f"no receipt names {done.production().root / 'stray.txt'}" in said
    assert "1 damaged." in said


def test_a_damaged_product_set_aside_is_to_be_made_again(done: Site) -> None:
    path = done.production().root / DL1
    path.chmod(0o644)
    flip(path)
    assert done.data("plan", *DATE)["steps"]
    (finding,) = done.data("verify", str(path), "--set-aside", code=1)["findings"]
    assert Path(finding["moved"]).is_file()
    assert "lost" in done.osa("plan", *DATE, "--all").stdout
    (finding,) = done.data("verify", *DATE, code=1)["findings"]
    assert finding["fault"] == "missing"


def test_nothing_is_moved_while_an_engine_works(done: Site) -> None:
    path = done.production().root / DL1
    path.chmod(0o644)
    flip(path)
    lease = max((done.production().state / "engine").glob("*.json"), key=lambda path: int(path.stem))
    holder = {**json.loads(lease.read_text()), "host": "node7"}
    lease.write_text(json.dumps(holder))
    lease.with_suffix(".released").unlink(missing_ok=True)
    assert "is being worked on by process" in done.osa("verify", str(path), "--set-aside", code=3).stderr
    assert path.exists()


def test_a_published_copy_is_verified_where_it_lies(done: Site, tmp_path: Path) -> None:
    published = tmp_path / DL2
    shutil.copyfile(next(done.production().root.rglob(DL2)), published)
    done.osa("verify", str(published))
    flip(published)
    said = done.osa("verify", str(published), "--set-aside", code=1).stdout
    assert f"{published}: has other bytes" in said
    assert "next: replace it by" in said
    assert published.exists()


def test_wrong_usage_is_said(done: Site) -> None:
    assert "Give files, or --date" in done.osa("verify", code=2).stderr
    assert "no run" in done.osa("verify", *DATE, "--run", "crab", code=2).stderr
    assert "there are fake" in done.osa("verify", *DATE, "--production", "typo", code=3).stderr
    assert "no such file" in done.osa("verify", "nothing.h5", code=3).stderr


def test_where_a_file_comes_from(closed: Demo, tmp_path: Path) -> None:
    site = closed.site
    path = next(site.production().root.rglob(DL2))
    tree = site.osa("provenance", str(path)).stdout
    assert "dl1 (2 files) ← 2 × dl1ab of Run02003, all alike" in tree
    assert "raw: 8 files in" in tree
    assert "no hash was taken" in tree
    data = site.data("provenance", str(path))
    assert [step["step"] for step in data["steps"]][:3] == ["dl2", "merge_dl1", "dl1ab"]
    out = tmp_path / "dl2.prov.json"
    site.osa("provenance", str(path), "--prov-json", str(out), "--picture", str(tmp_path / "dl2.dot"))
    assert len(ProvDocument.deserialize(str(out)).records) > 50
    assert "2 × dl1ab" in (tmp_path / "dl2.dot").read_text()


def test_where_a_run_and_a_night_come_from(closed: Demo, tmp_path: Path) -> None:
    site = closed.site
    run = site.osa("provenance", "2003", *DATE, "--depth", "1").stdout
    assert run.startswith("Run02003 of 2024-11-15, production fake\n")
    assert "Run02004" not in run
    document = ProvDocument.deserialize(content=site.osa("provenance", "night", *DATE, "--prov-json", "-").stdout)
    assert any("close" in str(record.identifier) for record in document.records)
    site.osa("provenance", "night", *DATE, "--prov-json", str(tmp_path))
    written = {path.name: ProvDocument.deserialize(str(path)) for path in tmp_path.glob("*.prov.json")}
    assert sorted(written) == [f"{run}.prov.json" for run in ("Run02001", "Run02002", "Run02003", "Run02004", "night")]
    assert "nothing was made of Run02999" in site.osa("provenance", "2999", *DATE, code=3).stderr
    assert "pictures are" in site.osa("provenance", "2003", *DATE, "--picture", "run.jpg", code=2).stderr


def test_neither_needs_a_right_to_write(done: Site) -> None:
    for folder, _, _ in os.walk(done.base):
        os.chmod(folder, 0o555)  # noqa: PTH101
    try:
        out, _ = done.process("verify", *DATE, "--provenance", like=like_anybody)
        assert "all as they were made" in out
        out, _ = done.process("provenance", "2003", *DATE, like=like_anybody)
        assert "all alike" in out
    finally:
        for folder, _, _ in os.walk(done.base):
            os.chmod(folder, 0o755)  # noqa: PTH101


def test_decisions_are_told_where_something_was_left_out(done: Site) -> None:
    production = done.production()
    receipt = current_receipt(production, "merge_dl1", "Run02003")
    assert receipt
    decision = {"number": 3, "kind": "discard", "unit": "Run02003.0007", "by": "no_interleaved", "reason": "none there"}
    later = replace(receipt, generation=receipt.generation + 1, counts={"decisions": [decision]})
    receipt_path(production, later).parent.mkdir(parents=True, exist_ok=True)
    receipt_path(production, later).write_text(later.text())
    tree = done.osa("provenance", str(production.root / DL1)).stdout
    assert "decision 3: discard Run02003.0007, policy no_interleaved: none there" in tree
