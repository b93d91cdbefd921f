"""A run's archive: what is archived is found as before, and nothing that goes wrong on the way loses a file."""

from __future__ import annotations

import errno
import os
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from unittest import mock
from zipfile import ZipFile

import fakes
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from osa_luigi.errors import ProductError
from osa_luigi.products import archive as reading
from osa_luigi.products.archive import archives
from osa_luigi.products.archiving import archive_run, is_loose
from osa_luigi.products.attempts import read_records
from osa_luigi.products.commit import commit
from osa_luigi.products.paperwork import ATTEMPTS, KINDS, LOGS, RECEIPTS, Paperwork, runs_with
from osa_luigi.products.production import Production
from osa_luigi.products.receipt import Presence, ReceiptBook, current_receipt, presence
from osa_luigi.products.scratch import claim, scratches

RUN, UNIT = "Run02008", "Run02008.0003"
OPERATIONS = ("link", "replace", "unlink", "fsync", "mkdir", "rmdir")
"""What changes the disk, besides opening and writing files."""


class Killed(BaseException):
    """Nothing of the process comes after it: not even its clearing away."""


class Trap:
    """The n-th operation on the disk is disturbed: the process is killed before it or after it, it fails, or another process works."""

    def __init__(self, number: int, how: str, meanwhile: Callable[[], object] = lambda: None) -> None:
        self._left = number
        self._how = how
        self._meanwhile = meanwhile
        self._dead = False

    @contextmanager
    def set(self) -> Iterator[None]:
        with suppress(Killed, OSError), mock.patch.multiple(os, **{name: self._trapped(name) for name in OPERATIONS}):
            yield

    def _trapped(self, name: str) -> Callable[..., Any]:
        real = getattr(os, name)

        def operation(*arguments: Any, **options: Any) -> Any:
            if self._dead:
                raise Killed
            self._left -= 1
            now = self._how if self._left == 0 else ""
            self._dead = now in ("before", "after")
            if now == "fails":
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            if now == "meanwhile":
                self._meanwhile()
            if now != "before":
                real(*arguments, **options)
            if self._dead:
                raise Killed

        return operation


class Books:
    """A production whose run is worked on, and all that was ever written of it."""

    def __init__(self, folder: Path) -> None:
        self.production = Production(folder / "v1")
        self.written: dict[tuple[str, str], bytes] = {}
        self.in_arrays: dict[str, bytes] = {}
        self.arrays: list[Path] = []
        self._count = 0

    def attempt(self, step: int, *, good: bool) -> None:
        """An attempt that leaves its log and its record, and a receipt of the next generation."""
        self._count += 1
        name, attempt = f"step{step}", f"20241115T2000{self._count:02}-node-1-aaaa"
        before = current_receipt(self.production, name, UNIT)
        self._write(LOGS, f"{name}.{UNIT}.{attempt}.log", b"words " * self._count * 50)
        if good:
            generation = before.generation + 1 if before else 1
            receipt, scratch = fakes.staged(
                self.production,
                {f"{name}.h5": b"x" * self._count},
                step=name,
                unit=UNIT,
                generation=generation,
                token="b",
            )
            assert commit(self.production, receipt, scratch)
            self.written[RECEIPTS, f"{name}.{UNIT}.{generation}.json"] = receipt.text().encode()
        record = f'{{"id": "{attempt}", "step": "{name}", "unit": "{UNIT}"}}'.encode()
        self._write(ATTEMPTS, f"{name}.{UNIT}.{attempt}.json", record)

    def _write(self, kind: str, name: str, content: bytes) -> None:
        path = self.production.state / kind / RUN / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        self.written[kind, name] = content

    def array(self) -> None:
        """A job array that is through."""
        self._count += 1
        folder = self.production.state / "engine" / "arrays" / f"osa.g1.{self._count:05}.{RUN}.dl1"
        for place in ("intent.json", "submitted.json", "closed.json", "records/0.0.0.done.json", "out/0.log"):
            path = folder / place
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(f"{place} of {folder.name}".encode())
            self.in_arrays[f"arrays/{folder.name}/{place}"] = path.read_bytes()
        self.arrays.append(folder)

    def archive(self) -> int:
        return archive_run(
            self.production, RUN, [folder for folder in self.arrays if (folder / "closed.json").exists()]
        )

    def check(self) -> None:
        """All is found that was ever written, byte by byte, and no array is half there."""
        papers = Paperwork(self.production, RUN)
        for kind in KINDS:
            assert papers.names(kind) == {name for of_kind, name in self.written if of_kind == kind}
        assert {key: papers.read(*key) for key in self.written} == self.written
        for member, content in self.in_arrays.items():
            loose = self.production.state / "engine" / member
            held = [one for one in archives(self.production, RUN) if member in one]
            assert (held[0].read(member) if held else loose.read_bytes()) == content
        for folder in self.arrays:
            assert (folder / "closed.json").exists() or not (folder / "intent.json").exists()


@pytest.fixture
def books(tmp_path: Path) -> Books:
    books = Books(tmp_path)
    for step in (1, 2, 1):
        books.attempt(step, good=True)
    books.attempt(2, good=False)
    books.array()
    return books


def files(production: Production) -> list[str]:
    """Everything below ``.osa``."""
    return sorted(str(path.relative_to(production.state)) for path in production.state.rglob("*") if path.is_file())


def test_all_of_a_run_is_one_file_that_any_tool_reads(books: Books) -> None:
    receipt = current_receipt(books.production, "step1", UNIT)
    assert books.archive() == len(books.written) + len(books.in_arrays)
    (file,) = files(books.production)
    assert file.startswith("archives/Run02008.")
    with ZipFile(books.production.state / file) as bundle:
        assert bundle.testzip() is None
        assert len(bundle.namelist()) == len(books.written) + len(books.in_arrays)
    books.check()
    assert receipt is not None
    assert receipt.generation == 2
    assert current_receipt(books.production, "step1", UNIT) == receipt
    assert presence(books.production, receipt) is Presence.COMPLETE
    for book in (ReceiptBook(books.production), ReceiptBook(books.production, RUN)):
        assert book.names() == [f"step1.{UNIT}", f"step2.{UNIT}"]
        assert book.receipt(f"step1.{UNIT}") == receipt
        assert book.key(f"step1.{UNIT}") == receipt.key
    assert {name: len(records) for name, records in read_records(books.production).items()} == {
        f"step1.{UNIT}": 2,
        f"step2.{UNIT}": 2,
    }
    assert runs_with(books.production, LOGS) == [RUN]


def test_once_more_changes_nothing_and_what_comes_later_is_taken_along(books: Books) -> None:
    books.archive()
    before = files(books.production)
    assert (books.archive(), files(books.production)) == (0, before)
    books.attempt(1, good=True)
    assert current_receipt(books.production, "step1", UNIT).generation == 3  # type: ignore[union-attr]
    books.check()
    assert is_loose(books.production, RUN)
    assert books.archive() == 3
    assert len(files(books.production)) == 1
    assert files(books.production) != before
    assert not is_loose(books.production, RUN)
    books.check()


def test_a_copy_of_an_attempt_that_ends_after_its_run_was_archived_is_too_late(books: Books) -> None:
    """The name of the receipt is free again; that it counts already stands in the archive."""
    books.archive()
    late, scratch = fakes.staged(books.production, {"step2.h5": b"other"}, step="step2", unit=UNIT, token="late")
    assert not commit(books.production, late, scratch)
    books.check()
    assert (books.production.root / "step2.h5").read_bytes() == b"xx"


def test_what_is_being_written_stays(books: Books) -> None:
    """The log of an attempt under way; and a file that is not there under its own name yet."""
    name = f"dl2.{RUN}.20241116T000000-elsewhere-1-aaaa"
    (books.production.scratch / name).mkdir(parents=True)
    claim(books.production.scratch / name)
    for path in (Path("logs") / RUN / f"{name}.log", Path("attempts") / RUN / ".half.json.1-2"):
        (books.production.state / path).write_text("half")
    books.archive()
    loose = [file for file in files(books.production) if not file.startswith(("archives", "scratch"))]
    assert loose == [f"attempts/{RUN}/.half.json.1-2", f"logs/{RUN}/{name}.log"]


def test_whether_an_attempt_has_ended_is_known_from_the_archive_too(books: Books) -> None:
    name = f"dl2.{RUN}.20241116T000000-elsewhere-1-aaaa"
    (books.production.scratch / name).mkdir(parents=True)
    (scratch,) = scratches(books.production)
    assert scratch.alive() is None
    (books.production.attempts(RUN) / f"{name}.json").write_text("{}")
    books.archive()
    assert scratch.alive() is False


@pytest.mark.parametrize(
    "damage", [lambda data: data[: len(data) // 2], lambda data: b"", lambda data: b"?" * len(data)]
)
def test_a_damaged_archive_is_named_with_what_to_do(books: Books, damage: Callable[[bytes], bytes]) -> None:
    books.archive()
    (path,) = books.production.archives.iterdir()
    path.chmod(0o644)
    path.write_bytes(damage(path.read_bytes()))
    reading.open_archive.cache_clear()
    for look in (
        lambda: ReceiptBook(books.production),
        lambda: current_receipt(books.production, "step1", UNIT),
        books.archive,
    ):
        with pytest.raises(
            ProductError, match=r"Run02008\.\w+\.zip: this archive .* is damaged .*Restore it from a backup"
        ):
            look()


def test_a_member_that_is_damaged_is_named(books: Books) -> None:
    books.archive()
    (path,) = books.production.archives.iterdir()
    path.chmod(0o644)
    data = bytearray(path.read_bytes())
    begin = data.index(f"receipts/step1.{UNIT}.2.json".encode())
    data[begin + 120] ^= 0xFF
    path.write_bytes(data)
    reading.open_archive.cache_clear()
    with pytest.raises(ProductError, match="is damaged"):
        current_receipt(books.production, "step1", UNIT)
    with pytest.raises(ProductError, match="is damaged"):
        ReceiptBook(books.production, at_once=True)


def test_all_of_a_kind_is_read_in_one_pass(books: Books) -> None:
    expected = {name: content for (kind, name), content in books.written.items() if kind == LOGS}
    papers = Paperwork(books.production, RUN)
    assert papers.contents(LOGS) == expected
    books.archive()
    assert papers.contents(LOGS) == expected
    (held,) = archives(books.production, RUN)
    assert held.contents(LOGS) == expected
    assert all(held.read(f"{LOGS}/{name}") == content for name, content in held.contents(LOGS).items())
    left_out = min(expected)
    assert papers.contents(LOGS, {left_out}).keys() == expected.keys() - {left_out}


def test_an_archive_that_is_replaced_while_it_is_read_gives_all_the_same(books: Books) -> None:
    books.archive()
    (held,) = archives(books.production, RUN)
    papers = Paperwork(books.production, RUN)
    for step in (3, 4):
        books.attempt(step, good=True)
    books.archive()
    reading.open_archive.cache_clear()
    assert not held.path.exists()
    assert papers._of_archive(held, RECEIPTS, ()).keys() == {name for kind, name in books.written if kind == RECEIPTS}


def test_threads_read_one_archive_together(books: Books) -> None:
    """As `osa verify` does: the last reader closes the file, and not the first."""
    for number in range(8):  # more than a buffer holds
        books._write(LOGS, f"step1.{UNIT}.{number}.log", random.Random(number).randbytes(30_000))
    books.archive()
    (held,) = archives(books.production, RUN)
    expected = {f"{kind}/{name}": content for (kind, name), content in books.written.items()}
    real = os.pread

    def slowly(*arguments: int) -> bytes:
        time.sleep(0.0005)
        return real(*arguments)

    with ThreadPoolExecutor(8) as readers, mock.patch.object(os, "pread", slowly):
        asked = sorted(expected) * 20
        assert list(readers.map(held.read, asked)) == [expected[member] for member in asked]
    assert not [link for link in Path("/proc/self/fd").iterdir() if link.is_symlink() and link.readlink() == held.path]


def test_a_book_that_was_opened_before_finds_what_was_archived_since(books: Books) -> None:
    book = ReceiptBook(books.production)
    books.archive()
    first = book.receipt(f"step1.{UNIT}")
    for step in (3, 4, 1):
        books.attempt(step, good=True)
    books.archive()
    reading.open_archive.cache_clear()  # as after going through other runs
    assert first is not None
    assert book.receipt(f"step1.{UNIT}") == first


def test_an_array_that_another_archives_while_it_is_listed_is_no_failure(books: Books) -> None:
    array = books.production.state / "engine" / "arrays" / "osa.1.00001.merge"
    (array / "records").mkdir(parents=True)
    (array / "records" / "0.0.0.done.json").write_text("{}")
    real = os.scandir

    def another_first(path: Any) -> Any:
        with mock.patch.object(os, "scandir", real):
            archive_run(books.production, RUN, [array])
        return real(path)

    with mock.patch.object(os, "scandir", another_first):
        archive_run(books.production, RUN, [array])
    (held,) = archives(books.production, RUN)
    assert "arrays/osa.1.00001.merge/records/0.0.0.done.json" in held
    assert not array.exists()


def test_an_archive_that_is_not_what_was_to_be_written_takes_nothing_away(books: Books) -> None:
    before = files(books.production)
    with (
        mock.patch("osa_luigi.products.archiving._BLOCK", 7),
        mock.patch.object(ZipFile, "open", _bad_disk(ZipFile.open)),
        pytest.raises(ProductError, match="Nothing was removed"),
    ):
        books.archive()
    assert files(books.production) == before


def _bad_disk(real: Callable[..., Any]) -> Callable[..., Any]:
    """Every second block that is written does not arrive."""

    def opened(bundle: ZipFile, name: Any, mode: str = "r", **more: Any) -> Any:
        file = real(bundle, name, mode, **more)
        if mode == "w":
            write, count = file.write, iter(range(10**9))
            file.write = lambda block: write(block) if next(count) % 2 else len(block)
        return file

    return opened


@pytest.mark.parametrize("how", ["before", "after", "fails", "meanwhile"])
def test_wherever_it_is_cut_short_nothing_is_lost(tmp_path: Path, how: str) -> None:
    """At each operation on the disk in turn; what goes on meanwhile is another one that archives, and an attempt."""
    number, reached = 0, True
    while reached:
        number += 1
        books = Books(tmp_path / f"{how}{number}")
        books.attempt(1, good=True)
        books.archive()
        books.attempt(1, good=True)
        books.array()
        trap = Trap(number, how, lambda books=books: (books.archive(), books.attempt(2, good=True), books.archive()))
        with trap.set():
            books.archive()
        reached = trap._left <= 0
        books.check()
        books.archive()
        books.check()
        loose = [file for file in files(books.production) if not file.startswith(("archives", "scratch"))]
        assert (loose, len(list(books.production.archives.iterdir()))) == ([], 1)
    assert number >= 20


STEP = st.integers(1, 3)
ACTIONS = st.one_of(
    st.tuples(st.just("attempt"), STEP, st.booleans()),
    st.tuples(st.just("array")),
    st.tuples(
        st.just("archive"), st.integers(1, 60), st.sampled_from(["before", "after", "fails", "meanwhile", "not at all"])
    ),
)


@settings(max_examples=20)
@given(st.lists(ACTIONS, min_size=3, max_size=10))
def test_no_sequence_of_commits_archivings_and_kills_loses_anything(actions: list[Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        books = Books(Path(folder))
        for action, *more in actions:
            if action == "attempt":
                books.attempt(more[0], good=more[1])
            elif action == "array":
                books.array()
            else:
                with Trap(more[0], more[1], lambda books=books: (books.attempt(3, good=True), books.archive())).set():
                    books.archive()
            books.check()
        books.archive()
        books.check()
        assert len(archives(books.production, RUN)) == bool(books.written or books.in_arrays)
