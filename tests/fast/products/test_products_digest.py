from __future__ import annotations

import gzip
import hashlib
import os
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import tables
from astropy.io import fits
from astropy.table import Table
from numpy.lib.recfunctions import repack_fields

from osa_luigi.products.digest import sha256, tables_digest

EVENTS = np.zeros(3000, dtype=[("event_id", "i8"), ("image", "f4", (20,)), ("tel", "S5"), ("good", "?")])
EVENTS["event_id"] = np.arange(3000)
EVENTS["image"] = np.random.default_rng(1).normal(size=(3000, 20))
EVENTS["tel"] = b"LST-1"
PLACE = "/dl1/event/telescope/parameters/LST_LSTCam"


def write(path: Path, events: np.ndarray = EVENTS, place: str = PLACE, **storage: Any) -> Path:
    """A file of lstchain's shape: tables in groups, stored as asked."""
    group, _, name = place.rpartition("/")
    with tables.open_file(path, "w") as file:
        file.create_table(group, name, events, createparents=True, **storage)
    return path


def with_leaf(path: Path, make: Any) -> Path:
    with tables.open_file(path, "w") as file:
        make(file)
    return path


def digests(*paths: Path) -> set[str]:
    found = [tables_digest(path) for path in paths]
    assert all(len(one) == 64 for one in found)
    return set(found)


@pytest.mark.parametrize(
    "storage",
    [
        {"chunkshape": (7,)},
        {"chunkshape": (999,)},
        {"filters": tables.Filters(complevel=5, complib="blosc:zstd", fletcher32=True)},
        {"track_times": False},
        {"byteorder": "big"},
        {"title": "another title", "expectedrows": 10_000_000},
    ],
    ids=str,
)
def test_how_a_table_is_stored_does_not_count(tmp_path, monkeypatch, storage):
    monkeypatch.setattr(
        tables.parameters, "IO_BUFFER_SIZE", 1 << 17
    )  # read in several blocks, which it fits to the chunks
    one, other = write(tmp_path / "one.h5"), write(tmp_path / "other.h5", **storage)
    assert sha256(one) != sha256(other)
    assert len(digests(one, other)) == 1


def test_attributes_and_the_place_of_the_inputs_do_not_count(tmp_path):
    paths = [write(tmp_path / f"{name}.h5") for name in ("one", "other")]
    for path in paths:
        with tables.open_file(path, "a") as file:
            file.root._v_attrs.CTA_PRODUCT_CREATION_TIME = path.name
            file.create_array("/source_filenames", "filenames", [str(path).encode()], createparents=True)
    assert len(digests(*paths)) == 1


def changed(name: str, row: int, value: Any) -> np.ndarray:
    events = EVENTS.copy()
    events[name][row] = value
    return events


def renamed() -> np.ndarray:
    return EVENTS.view([("charges" if name == "image" else name, *rest) for name, *rest in EVENTS.dtype.descr])


@pytest.mark.parametrize(
    "events",
    [
        changed("event_id", 0, 1),
        changed("event_id", 2999, 1),
        changed("image", 1500, np.nan),
        changed("tel", 7, b"LST-2"),
        changed("good", 7, True),
        EVENTS[:-1],
        EVENTS[::-1],
        renamed(),
        repack_fields(EVENTS[["event_id", "image", "tel"]]),
        EVENTS.astype([("event_id", "i8"), ("image", "f8", (20,)), ("tel", "S5"), ("good", "?")]),
    ],
    ids=["first", "last", "nan", "text", "flag", "shorter", "reversed", "renamed", "column less", "other type"],
)
def test_whatever_a_table_says_counts(tmp_path, events):
    assert len(digests(write(tmp_path / "one.h5"), write(tmp_path / "other.h5", events))) == 2


def test_the_place_of_a_table_counts(tmp_path):
    assert len(digests(write(tmp_path / "one.h5"), write(tmp_path / "other.h5", place="/dl1/event/other"))) == 2


def test_columns_of_an_empty_table_count(tmp_path):
    assert len(digests(*(write(tmp_path / f"{n}.h5", e[:0]) for n, e in enumerate((EVENTS, renamed(), EVENTS))))) == 2


def test_padding_between_columns_does_not_count(tmp_path):
    aligned = np.zeros(5, dtype=np.dtype([("a", "i1"), ("b", "f8")], align=True))
    paths = []
    for name, filler in (("one", 0), ("other", 255)):
        raw = np.full(aligned.nbytes, filler, dtype="u1").view(aligned.dtype)
        raw["a"], raw["b"] = 1, 2.0
        paths.append(tmp_path / f"{name}.h5")
        with h5py.File(paths[-1], "w") as file:
            file["t"] = raw
    assert len(digests(*paths)) == 1


def test_rows_of_varying_length(tmp_path):
    def rings(*rows: list[int], chunk: int = 16):
        def make(file):
            rows_of = file.create_vlarray("/", "rings", tables.Int32Atom(), chunkshape=chunk)
            for row in rows:
                rows_of.append(row)

        return make

    def digest_of(make):
        return tables_digest(with_leaf(tmp_path / "v.h5", make))

    base = digest_of(rings([1, 2], [], [3]))
    assert base == digest_of(rings([1, 2], [], [3], chunk=999))
    assert base not in {digest_of(rings(*rows)) for rows in ([[1], [2], [3]], [[1, 2], [3], []], [[1, 2], [], [4]])}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (lambda f: f.create_array("/", "x", 3.5), lambda f: f.create_array("/", "x", 3.25)),
        (lambda f: f.create_array("/", "x", b"LST-1"), lambda f: f.create_array("/", "x", b"LST-2")),
        (lambda f: f.create_array("/", "x", [b"a", b"b"]), lambda f: f.create_array("/", "x", [b"a", b"c"])),
        (lambda f: f.create_array("/", "x", [[1, 2]]), lambda f: f.create_array("/", "x", [[1], [2]])),
        (lambda f: f.create_vlarray("/", "x", obj=[1]), lambda f: f.create_vlarray("/", "x", obj=[1, 2])),
        (
            lambda f: f.create_vlarray("/", "x", tables.VLUnicodeAtom()).append("µ"),
            lambda f: f.create_vlarray("/", "x", tables.VLUnicodeAtom()).append("π"),
        ),
        (
            lambda f: f.create_vlarray("/", "x", tables.ObjectAtom()).append({"a": 1}),
            lambda f: f.create_vlarray("/", "x", tables.ObjectAtom()).append({"a": 2}),
        ),
    ],
    ids=["scalar", "text", "texts", "shape", "varying", "unicode", "object"],
)
def test_every_kind_of_leaf_is_read(tmp_path, one, other):
    paths = with_leaf(tmp_path / "1.h5", one), with_leaf(tmp_path / "2.h5", one), with_leaf(tmp_path / "3.h5", other)
    assert len(digests(*paths[:2])) == 1
    assert len(digests(*paths)) == 2


def test_an_array_that_grows_sideways_is_read_to_its_end(tmp_path):
    def sideways(last: float):
        def make(file):
            grown = file.create_earray("/", "x", tables.Float64Atom(), shape=(2, 0))
            grown.append(np.array([[1.0, 2.0, 3.0], [4.0, 5.0, last]]))

        return make

    assert len(digests(with_leaf(tmp_path / "1.h5", sideways(6)), with_leaf(tmp_path / "2.h5", sideways(7)))) == 2


def test_what_pytables_cannot_read_is_no_trouble(tmp_path):
    """As lstchain's provenance: strings of variable length, which hold times."""
    paths = []
    for name in ("one", "other"):
        paths.append(tmp_path / f"{name}.h5")
        with h5py.File(paths[-1], "w") as file:
            file["provenance"] = f"made at another time: {name}"
            file["events"] = np.arange(3)
    with pytest.warns(UserWarning, match="UnImplemented"):
        assert len(digests(*paths)) == 1


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.9])
def test_a_file_that_is_cut_short_raises(tmp_path, share):
    path = write(tmp_path / "dl1.h5", chunkshape=(100,))
    os.truncate(path, int(path.stat().st_size * share))
    with pytest.raises(tables.HDF5ExtError):
        tables_digest(path)


def test_a_damaged_chunk_raises(tmp_path):
    path = write(tmp_path / "dl1.h5", chunkshape=(100,), filters=tables.Filters(complevel=1, fletcher32=True))
    data = bytearray(path.read_bytes())
    for position in range(len(data) // 2, len(data) // 2 + 2000):
        data[position] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(tables.HDF5ExtError):
        tables_digest(path)


def rings(path: Path, *, radius: float = 1.0, lengths: tuple[int, ...] = (2, 1), **header: str) -> Path:
    columns = [
        fits.Column("ring", "D", array=np.array([radius, 2.0])),
        fits.Column("tel", "5A", array=np.array(["LST-1", "LST-1"])),
        fits.Column("pixels", "PJ()", array=np.array([np.arange(n) for n in lengths], dtype=object)),
    ]
    hdu = fits.BinTableHDU.from_columns(columns, name="MUONS")
    hdu.header.update(header)
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path)
    return path


def test_fits_dates_do_not_count_and_columns_do(tmp_path):
    one = rings(tmp_path / "one.fits", DATE="2024-11-15")
    other = rings(tmp_path / "other.fits", DATE="2024-11-16")
    assert sha256(one) != sha256(other)
    assert len(digests(one, other)) == 1
    assert len(digests(one, rings(tmp_path / "radius.fits", radius=1.5))) == 2


def test_fits_values_of_varying_length_count(tmp_path):
    assert len(digests(rings(tmp_path / "one.fits"), rings(tmp_path / "other.fits", lengths=(1, 2)))) == 2


def test_fits_images_count(tmp_path):
    for name, value in (("one", 1.0), ("other", 2.0)):
        fits.PrimaryHDU(np.full((3, 4), value)).writeto(tmp_path / f"{name}.fits")
    assert len(digests(tmp_path / "one.fits", tmp_path / "other.fits")) == 2


def test_a_compressed_fits_file_equals_the_bare_one(tmp_path):
    path = rings(tmp_path / "dl3.fits")
    with gzip.open(tmp_path / "dl3.fits.gz", "wb") as file:
        file.write(path.read_bytes())
    assert len(digests(path, tmp_path / "dl3.fits.gz")) == 1


def test_a_fits_file_that_is_cut_short_raises(tmp_path):
    path = tmp_path / "muons.fits"
    Table({"ring": np.arange(10_000)}).write(path)
    os.truncate(path, 20_000)
    with pytest.raises((OSError, ValueError, TypeError)), pytest.warns(match="truncated"):
        tables_digest(path)


@pytest.mark.parametrize("name", ["tailcuts.json", "RunSummary.ecsv", "NightFinished.txt"])
def test_text_is_its_own_table(tmp_path, name):
    (tmp_path / name).write_text("one")
    assert tables_digest(tmp_path / name) == hashlib.sha256(b"one").hexdigest()


@pytest.mark.parametrize("name", ["datacheck.pdf", "DL1_datacheck.html", "attempt.log", "nothing"])
def test_plots_and_logs_hold_no_tables(tmp_path, name):
    (tmp_path / name).write_text("one")
    assert tables_digest(tmp_path / name) == ""


@pytest.mark.parametrize("size", [0, 1, 1 << 20, (1 << 20) + 1])
def test_the_hash_of_the_bytes_is_that_of_everybody(tmp_path, size):
    data = os.urandom(size)
    (tmp_path / "file").write_bytes(data)
    assert sha256(tmp_path / "file") == sha256(tmp_path / "file", sync=True) == hashlib.sha256(data).hexdigest()
