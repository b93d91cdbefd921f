"""Folders: read, written, linked in and renamed in, with room for a night, and shared by all operators."""

from __future__ import annotations

import errno
import json
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from osa_luigi.config import Configuration, Paths
from osa_luigi.config.paths import nearest_existing, not_a_folder, not_writable
from osa_luigi.ledger.place import file_system
from osa_luigi.steps.close import SUMMARY
from osa_luigi.tasks.doctor.finding import Finding, bad, ok, warn

PREFIX = ".osa-doctor-"
WRITTEN = ("running_analysis", "run_summary", "numba_cache", "logs")
LINKED = ("running_analysis", "run_summary")
"""Where receipts are committed, by a hard link."""

READ = ("r0", "r0g", "run_catalog", "drive", "time_calibration", "systematics", "pedestal_ids")
NIGHTS = 10
"""The newest nights, of which the largest says what a night needs."""

ROOM = 1.5
SHARE_OF_RAW = 0.25
"""Of the raw files' size: what is assumed where no night was closed yet."""

SKEW_WARN_S, SKEW_BAD_S = 5.0, 60.0
SHARED_HELP = "docs/how-to/every-morning.md says how a site is shared."


def folders(configuration: Configuration) -> Iterator[Finding]:
    """What is configured is there, and may be read or written."""
    paths = configuration.main.site.paths
    for name in READ:
        if path := getattr(paths, name):
            yield _read(f"site.paths.{name}", path)
    for name in WRITTEN:
        path = getattr(paths, name)
        trouble = not_writable(path)
        if trouble:
            yield bad(f"site.paths.{name}: {trouble}", "Make it, or have it made writable.")
        else:
            new = "" if path.exists() else " (will be made)"
            yield ok(f"site.paths.{name}: {path} can be written{new}")


def _read(name: str, path: Path) -> Finding:
    if not os.path.lexists(path):
        return ok(f"{name}: {path} is not there")  # whether it must be, the check of the configuration says
    trouble = not_a_folder(path)
    if trouble:
        return bad(f"{name}: {trouble}", "Have it made readable, look whether it is mounted, or correct the setting.")
    with os.scandir(path) as entries:
        some = next(entries, None)
    return ok(f"{name}: {path} can be read") if some else warn(f"{name}: {path} is empty", "Is it mounted?")


def links(configuration: Configuration) -> Iterator[Finding]:
    """A real hard link and a real rename, and a clock that agrees with the file system's."""
    paths = configuration.main.site.paths
    yield from publication(configuration)
    for name in WRITTEN:
        root = nearest_existing(getattr(paths, name))
        if not os.access(root, os.W_OK | os.X_OK):
            continue  # said already
        try:
            with _try_folder(root) as folder:
                yield _renamed(name, folder)
                if name in LINKED:
                    yield _linked(name, folder)
                if name == "running_analysis":
                    yield _clock(folder)
        except OSError as error:
            yield bad(
                f"site.paths.{name}: {root}: nothing can be written ({error.strerror})", "Look at quota and rights."
            )


def publication(configuration: Configuration) -> Iterator[Finding]:
    """Whether products get a second name in the published tree, or must be copied there."""
    root = configuration.main.publication.root
    if not configuration.main.publication.enabled:
        return
    products, published = nearest_existing(configuration.main.site.paths.running_analysis), nearest_existing(root)
    try:
        with _try_folder(products) as here, _try_folder(published) as there:
            (here / "product").write_text("x")
            (there / "product").hardlink_to(here / "product")
        yield ok(f"publication.root: {root}: products are linked there")
    except OSError as error:
        if error.errno == errno.EXDEV:
            yield warn(
                f"publication.root: {root} is on another file system than the products: they are copied there, and compared",
                "It takes their room a second time. Choose a root beside running_analysis if that is too much.",
            )
        else:
            yield bad(
                f"publication.root: {root}: nothing can be linked there ({error.strerror})", "Look at quota and rights."
            )


@contextmanager
def _try_folder(root: Path) -> Iterator[Path]:
    """A folder to try things in, which is removed."""
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=root))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _renamed(name: str, folder: Path) -> Finding:
    source, target = folder / "before", folder / "sub" / "after"
    target.parent.mkdir()
    try:
        source.write_text("x")
        source.replace(target)
        return ok(f"site.paths.{name}: a file can be renamed")
    except OSError as error:
        return bad(
            f"site.paths.{name}: a rename fails ({error.strerror})", "Products are moved so: use another file system."
        )


def _linked(name: str, folder: Path) -> Finding:
    source, target = folder / "one", folder / "sub" / "two"
    try:
        source.write_text("x")
        target.hardlink_to(source)
        one_file = source.stat().st_nlink == 2
    except OSError as error:
        return bad(
            f"site.paths.{name}: a hard link fails ({error.strerror})",
            "Receipts are committed so: use another file system.",
        )
    if not one_file:
        return bad(f"site.paths.{name}: a hard link makes a second file", "Use a file system that has hard links.")
    try:
        target.hardlink_to(source)
    except FileExistsError:
        return ok(f"site.paths.{name}: a file can be linked, and once only")
    return bad(
        f"site.paths.{name}: a hard link replaces what is there",
        "Two engines could not be told apart: use another file system.",
    )


def _clock(folder: Path) -> Finding:
    before = time.time()
    file = folder / "clock"
    file.write_text("x")
    skew = file.stat().st_ctime - before
    said = f"this machine's clock and the file system's differ by {abs(skew):.1f} s"
    if abs(skew) < SKEW_WARN_S:
        return ok(said)
    help_ = "Have both set by NTP: what still arrives, and which attempt lives, is told by times."
    return bad(said, help_) if abs(skew) >= SKEW_BAD_S else warn(said, help_)


def room(configuration: Configuration) -> Iterator[Finding]:
    """Free disk and inodes against what the largest of the last nights took."""
    paths = configuration.main.site.paths
    root = nearest_existing(paths.running_analysis)
    size, files, by = _needed(paths)
    info = os.statvfs(root)
    free = info.f_bavail * info.f_frsize
    said = f"{root}: {free / 1e9:,.0f} GB free; a night takes about {size / 1e9:,.0f} GB ({by})"
    yield ok(said) if free >= size else bad(said, "Free some, or move running_analysis to a larger disk.")
    if info.f_files:  # some file systems do not count them
        said = f"{root}: {info.f_favail:,} inodes free; a night takes about {files:,}"
        yield ok(said) if info.f_favail >= files else bad(said, "Free some: remove productions that nobody needs.")


def _needed(paths: Paths) -> tuple[int, int, str]:
    """Bytes and files of a night, and how that is known."""
    closed = [found for night in _nights(paths.running_analysis) for found in _closed(night)]
    if closed:
        size, files = max(one[0] for one in closed), max(one[1] for one in closed)
        return int(size * ROOM), int(files * ROOM), f"{ROOM:g} times the largest of the last {len(closed)} productions"
    raw = next(iter(_nights(paths.r0)), None)
    sizes = [entry.stat().st_size for entry in os.scandir(raw) if entry.is_file()] if raw else []
    return int(sum(sizes) * SHARE_OF_RAW), 2 * len(sizes), "a quarter of the newest raw night; none was closed yet"


def _nights(root: Path) -> list[Path]:
    try:
        names = sorted((name for name in os.listdir(root) if len(name) == 8 and name.isdecimal()), reverse=True)
    except OSError:
        return []
    return [root / name for name in names[:NIGHTS]]


def _closed(night: Path) -> Iterator[tuple[float, int]]:
    """Bytes and files of a night's closed productions."""
    for summary in night.glob(f"*/{SUMMARY}"):
        try:
            told = json.loads(summary.read_text())
            yield float(told["megabytes"]) * 2**20, int(told["products"])
        except (OSError, ValueError, KeyError, TypeError):
            continue


def sharing(configuration: Configuration) -> Iterator[Finding]:
    """Whether several accounts can work on the same nights, where the site is set up for that."""
    paths = configuration.main.site.paths
    root = nearest_existing(paths.running_analysis)
    if not root.stat().st_mode & stat.S_IWGRP:
        yield ok(f"{root}: one account writes; other operators may look")
        return
    umask = os.umask(0)
    os.umask(umask)
    if umask & 0o070:
        yield bad(
            f"this account's umask is {umask:04o}: the group cannot go on with what it makes",
            f"umask 0002. {SHARED_HELP}",
        )
    else:
        yield ok(f"this account's umask is {umask:04o}: the group can go on with what it makes")
    for name in WRITTEN:
        yield from _group_folder(name, nearest_existing(getattr(paths, name)))
    yield from _closed_to_the_group(root)
    yield from _protected_links()


def _group_folder(name: str, path: Path) -> Iterator[Finding]:
    mode = path.stat().st_mode
    if not mode & stat.S_ISGID or not mode & stat.S_IWGRP:
        yield bad(
            f"site.paths.{name}: {path} is not the group's (mode {stat.S_IMODE(mode):04o})",
            f"chmod g+rwxs {path}. {SHARED_HELP}",
        )


def _closed_to_the_group(root: Path) -> Iterator[Finding]:
    """Folders of the newest nights that somebody made with another umask."""
    for night in _nights(root):
        inside = (Path(found) for found, _, _ in islice(os.walk(night), 1_000))
        shut = next(
            (path for path in inside if not path.stat().st_mode & stat.S_IWGRP and "aside" not in path.parts), None
        )
        if shut:
            yield warn(f"{shut} cannot be written by the group", f"As its owner: chmod -R g+rwX {night}. {SHARED_HELP}")
            return


def _protected_links() -> Iterator[Finding]:
    setting = Path("/proc/sys/fs/protected_hardlinks")
    if setting.exists() and setting.read_text().strip() == "1":
        yield warn(
            "fs.protected_hardlinks is 1: nobody links products of another account",
            "Nothing fails; what a sibling production of another operator holds is made again. 0 on the engine's host links it.",
        )


def file_systems(configuration: Configuration) -> Iterator[Finding]:
    """On what the productions lie."""
    root = nearest_existing(configuration.main.site.paths.running_analysis)
    yield ok(f"{root}: file system {file_system(root) or 'unknown'}")
