from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
import runner_work as work
from fakes import fake_call

from osa_luigi.products.disk import disk_trouble
from osa_luigi.products.production import Production
from osa_luigi.products.receipt import current_receipt

Disk = Callable[[str], Path]


def check_nothing_counts(production: Production, call) -> None:
    assert current_receipt(production, call.step, call.unit) is None
    assert not any((production.root / output.path).exists() for output in call.outputs)
    assert not production.scratch.exists() or not any(production.scratch.iterdir())


def test_a_disk_that_fills_up_under_the_tool_is_named(fresh, disk):
    """When it is looked at after the attempt's own files were removed, there is room again."""
    folder = disk("size=64m")
    production = Production(folder / "20241115" / "v1")
    (folder / "others").write_bytes(bytes(30 * 2**20))
    call = fake_call(size_kb=20_000)
    result = fresh.call(work.attempt, production.root, call)
    assert result.outcome == "failed"
    assert "No space left on device" in result.reason
    assert f"The disk that holds {production.root} is full (" in result.reason
    assert result.reason.endswith("MB free): make room, then run again.")
    check_nothing_counts(production, call)

    (folder / "others").unlink()
    assert fresh.call(work.attempt, production.root, call).outcome == "made"
    assert (production.root / call.outputs[0].path).stat().st_size > 20_000 * 1024


def fill(path: Path) -> None:
    """To the last byte."""
    with suppress(OSError), path.open("wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass
    assert shutil.disk_usage(path.parent).free == 0


def test_a_disk_that_was_full_before(fresh, disk):
    folder = disk("size=1m")
    production = Production(folder / "20241115" / "v1")
    fill(folder / "others")
    call = fake_call()
    result = fresh.call(work.attempt, production.root, call)
    assert result.outcome == "failed"
    assert f"The disk that holds {folder}" in result.reason
    assert "is full (0 MB free): make room, then run again." in result.reason
    check_nothing_counts(production, call)

    (folder / "others").unlink()
    assert fresh.call(work.attempt, production.root, call).outcome == "made"


@pytest.mark.parametrize("room", range(2, 22, 2))
def test_a_disk_without_inodes_wherever_they_run_out(fresh, disk, room):
    folder = disk("size=64m,nr_inodes=200")
    production = Production(folder / "20241115" / "v1")
    others = folder / "others"
    others.mkdir()
    for number in range(198 - room):
        (others / str(number)).touch()
    call = fake_call()
    result = fresh.call(work.attempt, production.root, call)
    if result.outcome == "failed":
        assert "no inodes left" in result.reason
        assert "remove files, then run again" in result.reason
        check_nothing_counts(production, call)

    shutil.rmtree(others)
    assert fresh.call(work.attempt, production.root, call).outcome == (
        "made" if result.outcome == "failed" else "present"
    )


def test_a_disk_with_room_is_no_trouble(tmp_path):
    assert disk_trouble(tmp_path / "not" / "yet" / "there") == ""


def test_a_full_disk_is_told_of_a_folder_that_is_not_there_yet(disk):
    folder = disk("size=1m")
    assert disk_trouble(folder / "20241115" / "v1").startswith(f"The disk that holds {folder} is full")
