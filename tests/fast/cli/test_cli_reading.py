"""Who only reads needs no right to write, and leaves nothing behind; what may not be read is said, or passed over."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cli_nights import DATE, FAKE, Demo, Site, like_anybody

READING = (
    ("status", *DATE),
    ("close", *DATE, "--dry-run"),
    ("decisions", *DATE),
    ("report", *DATE),
    ("plan", *DATE, "--all"),
    ("morning", *DATE, "--dry-run"),
    ("logs", "dl1ab", "Run02003.0000", *DATE),
    ("step", "run", "dl1ab", "Run02003.0000", *DATE, "--print"),
)
TIGHT = {**FAKE, "name": "tight", "production_id": "tight", "dl1ab": {"tailcuts": {"picture_thresh": 10}}}


@pytest.fixture
def done(closed: Demo, tmp_path: Path) -> Site:
    """A closed night to do damage to."""
    site = Site(tmp_path / "copy")
    shutil.copytree(closed.site.base, site.base)
    site.configure()
    return site


def listing(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_nothing_need_be_writable_to_look_at_a_night(done: Site) -> None:
    before = listing(done.base)
    for folder, _, _ in os.walk(done.base):
        os.chmod(folder, 0o555)  # noqa: PTH101
    try:
        for arguments in READING:
            out, _ = done.process(*arguments, like=like_anybody)
            assert out
        _, err = done.process("step", "run", "dl1ab", "Run02003.0000", *DATE, like=like_anybody, code=3)
        assert f"is not writable: {done.base / 'running_analysis'}" in err
    finally:
        for folder, _, _ in os.walk(done.base):
            os.chmod(folder, 0o755)  # noqa: PTH101
    assert listing(done.base) == before


def test_looking_at_a_production_that_is_not_there_makes_none(site: Site) -> None:
    before = listing(site.base)
    site.osa("plan", *DATE, "--production", "typo")
    site.osa("status", *DATE, "--production", "typo", code=3)
    site.osa("step", "run", "close", *DATE, "--production", "typo", "--print")
    assert listing(site.base) == before


def test_a_production_that_is_not_there_is_said_with_those_that_are(done: Site) -> None:
    said = done.osa("status", *DATE, "--production", "typo", code=3).stderr
    assert f"no such production yet: {done.production('typo').root} (there are fake)" in said
    done.configure(TIGHT)
    begun = done.osa("status", *DATE, "--production", "tight", code=1).stdout
    assert f"no such production yet: {done.production('tight').root} (there are fake); no engine works on it" in begun


def test_the_printed_shell_brings_the_configurations_that_are_only_planned(site: Site, tmp_path: Path) -> None:
    """The list of what a night declares: its tool is ours, and refuses what is not made yet once it has read the list."""
    script = site.osa("step", "run", "close", *DATE, "--print").stdout
    assert "cat > " in script
    beside = Path(sys.executable).parent
    environment = {**site.environment, "PATH": f"{beside}:{site.environment['PATH']}"}
    (tmp_path / "empty").mkdir()
    ended = subprocess.run(
        ["sh", "-e"], input=script, text=True, cwd=tmp_path / "empty", env=environment, check=False, capture_output=True
    )
    assert "declared products are not there" in ended.stderr
    (listing_file,) = (site.production().state / "configs").iterdir()
    assert listing_file.name in script
    again = site.osa("step", "run", "close", *DATE, "--print").stdout
    assert "cat > " not in again


def test_a_private_production_beside_ours_is_passed_over_with_a_note(done: Site) -> None:
    theirs = done.production("theirs").root
    shutil.copytree(done.production().root, theirs)
    done.configure(TIGHT)
    (theirs / "keep").touch()
    theirs.chmod(0)
    try:
        out, err = done.process("plan", *DATE, "--production", "tight", like=like_anybody)
        assert "fake: 4" in out  # linked from the one that may be read
        assert f"{theirs}: Permission denied: nothing is linked from that production" in err
        _, err = done.process("status", *DATE, like=like_anybody)
        assert "Traceback" not in err
    finally:
        theirs.chmod(0o755)


def test_what_the_system_refuses_is_a_message(done: Site) -> None:
    receipts = done.production().state / "receipts"
    receipts.chmod(0)
    try:
        for arguments in (READING[0], READING[3]):
            _, err = done.process(*arguments, like=like_anybody, code=3)
            assert f"{receipts}: Permission denied." in err
            assert "Traceback" not in err
    finally:
        receipts.chmod(0o755)
