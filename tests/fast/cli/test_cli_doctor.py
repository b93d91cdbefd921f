"""``osa doctor``: what it says of good and bad sites; it ends whatever hangs, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cli_nights import Site, like_anybody
from daemon import Luigid
from fresh import Fresh
from packaging.requirements import Requirement

from osa_luigi.config import load
from osa_luigi.tasks.doctor import services
from osa_luigi.tasks.doctor.apart import Apart
from osa_luigi.tasks.doctor.finding import Finding, Level, ok
from osa_luigi.tasks.doctor.folders import PREFIX, publication, room, sharing
from osa_luigi.tasks.doctor.machine import _package


def listing(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def bad(findings: list[Finding]) -> list[str]:
    return [finding.what for finding in findings if finding.level is Level.BAD]


def doctor(site: Site, *arguments: str, code: int = 0, like: Any = None) -> list[dict[str, str]]:
    """What it finds, in a process of its own."""
    out, err = site.process("doctor", "--json", *arguments, code=code, like=like)
    assert "Traceback" not in err
    said = json.loads(out)
    assert said["good"] is (code == 0)
    found: list[dict[str, str]] = said["findings"]
    return found


def test_a_good_site_is_good_and_stays_as_it_was(site: Site) -> None:
    before = listing(site.base)
    found = doctor(site)
    assert {one["level"] for one in found} <= {"ok", "warn"}
    assert {"configuration", "software", "folders", "links", "room", "sharing", "machine", "ledger", "luigid"} <= {
        one["area"] for one in found
    }
    assert any("a file can be linked, and once only" in one["what"] for one in found)
    assert all(one["next"] for one in found if one["level"] != "ok")
    assert listing(site.base) == before


def test_a_site_that_may_not_be_written_is_bad_and_says_where(site: Site) -> None:
    for folder, _, _ in os.walk(site.base):
        os.chmod(folder, 0o555)  # noqa: PTH101
    try:
        found = doctor(site, code=1, like=like_anybody)
    finally:
        for folder, _, _ in os.walk(site.base):
            os.chmod(folder, 0o755)  # noqa: PTH101
    said = [one["what"] for one in found if one["level"] == "bad"]
    assert any(one.startswith("site.paths.running_analysis: ") and "not writable" in one for one in said)


def test_a_wrong_configuration_is_said_with_its_place(site: Site) -> None:
    site.config.write_text(site.config.read_text().replace('"test"', "7"))
    said = site.osa("doctor", code=1).stdout
    assert "site.yaml:" in said
    assert "bad   configuration: " in said


def test_too_little_room_for_a_night_like_the_last_ones_is_bad(site: Site) -> None:
    root = site.production().root
    root.mkdir(parents=True)
    (root / "NightFinished.json").write_text(json.dumps({"megabytes": 1e12, "products": 10**12}))
    said = bad(list(room(load(site.config))))
    assert "GB free; a night takes about" in said[0]
    assert "inodes free" in said[1]


@pytest.fixture
def umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.mark.usefixtures("umask")
def test_a_shared_site_wants_a_umask_and_folders_of_the_group(site: Site) -> None:
    configuration = load(site.config)
    paths = configuration.main.site.paths
    assert bad(list(sharing(configuration))) == []
    for folder in (paths.running_analysis, paths.run_summary, paths.numba_cache, paths.logs):
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o2775)
    assert "umask is 0022" in bad(list(sharing(configuration)))[0]
    os.umask(0o002)
    assert bad(list(sharing(configuration))) == []
    paths.logs.chmod(0o755)
    assert "site.paths.logs" in bad(list(sharing(configuration)))[0]
    paths.logs.chmod(0o2775)
    (paths.running_analysis / "20241115").mkdir(mode=0o755)
    shut = [one for one in sharing(configuration) if "cannot be written by the group" in one.what]
    assert "chmod -R g+rwX" in shut[0].next


def test_versions_that_are_not_supported_are_bad() -> None:
    assert bad(list(_package(Requirement("luigi<1"))))[0].endswith("<1 is supported")
    assert bad(list(_package(Requirement("no-such-package-at-all"))))


# ---- checks that hang, run through a process of one thread ------------------------------------------------------


def hangs(folder: str, deaf: bool) -> list[str]:
    """What is found of a check that hangs, in how long, and what it left."""

    def check() -> Iterator[Finding]:
        if deaf:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        with tempfile.TemporaryDirectory(prefix=PREFIX, dir=folder):
            yield ok("begun")
            time.sleep(60)

    began = time.monotonic()
    found = Apart.start(check).findings(began + 0.3)
    took = time.monotonic() - began
    return [*(finding.what for finding in found), "soon" if took < 20 else "late"]


def fails() -> list[str]:
    """What is found of a check that fails itself."""

    def check() -> Iterator[Finding]:
        yield ok("begun")
        raise RuntimeError("broken")

    return [finding.what for finding in Apart.start(check).findings(time.monotonic() + 30)]


def test_a_check_that_hangs_is_given_up_and_tidies_up(fresh: Fresh, tmp_path: Path) -> None:
    assert fresh.call(hangs, str(tmp_path), False) == ["begun", "did not come to an end", "soon"]
    assert list(tmp_path.iterdir()) == []
    assert fresh.call(hangs, str(tmp_path), True) == ["begun", "did not come to an end", "soon"]


def test_a_check_that_fails_says_so(fresh: Fresh) -> None:
    assert fresh.call(fails) == ["begun", "RuntimeError: broken"]


# ---- luigid -----------------------------------------------------------------------------------------------------


def test_a_luigid_that_answers_and_one_that_does_not(luigid: Luigid) -> None:
    assert services.asked(luigid.url) == ok(f"luigid answers at {luigid.url}")
    luigid.end(signal.SIGTERM)
    gone = services.asked(luigid.url)
    assert gone.level is Level.WARN
    assert gone.what.startswith(f"no luigid at {luigid.url} (")


def test_whether_products_are_linked_or_copied_into_the_published_tree(site: Site, tmp_path: Path) -> None:
    configuration = load(site.config)
    assert not list(publication(configuration))  # nothing is to be published

    def said(root: Path) -> Finding:
        asked = replace(configuration.main.publication, enabled=True, root=root)
        [found] = publication(replace(configuration, main=replace(configuration.main, publication=asked)))
        return found

    assert said(site.base).level is Level.OK
    assert said(tmp_path / "not" / "made").level is Level.OK
    assert said(Path("/proc/no")).level is Level.BAD
    other = Path("/dev/shm")
    if other.is_dir() and other.stat().st_dev != site.base.stat().st_dev:
        assert "copied" in said(other).what
    assert not list(other.glob(f"{PREFIX}*"))
