"""Merging and reading tables: all rows kept, differing columns refused by their names."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import tables
from hypothesis import given, settings
from hypothesis import strategies as st

from osa_luigi.analysis import Data, File, Run
from osa_luigi.analysis.tables import merge_hdf5
from osa_luigi.errors import ProductError

DAY = date(2024, 11, 15)
TYPES = ("i8", "f4", "f8", "S6", "(3,)f8")
columns = st.dictionaries(
    st.sampled_from(["run", "rate", "charge", "date", "source"]), st.sampled_from(TYPES), min_size=1
)


def write(path: Path, kinds: dict[str, str], rows: int, node: str = "trend") -> Path:
    dtype = np.dtype(list(kinds.items()))
    content = np.frombuffer(np.random.default_rng(rows).bytes(rows * dtype.itemsize), dtype=dtype)
    with tables.open_file(str(path), "w") as file:
        file.create_table("/", node, content)
    return path


def read(path: Path, node: str = "/trend") -> bytes:
    with tables.open_file(str(path)) as file:
        content: bytes = file.get_node(node).read().tobytes()
    return content


@settings(max_examples=20)
@given(columns, st.lists(st.integers(0, 5), min_size=1, max_size=4))
def test_equal_columns_are_merged_and_every_row_is_kept_in_order(kinds: dict[str, str], counts: Sequence[int]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        files = [write(Path(folder, f"{number}.h5"), kinds, rows) for number, rows in enumerate(counts)]
        assert merge_hdf5(files, Path(folder, "all.h5")) == {"/trend": sum(counts)}
        assert read(Path(folder, "all.h5")) == b"".join(map(read, files))


@settings(max_examples=20)
@given(columns, columns)
def test_differing_columns_are_refused_with_their_names(one: dict[str, str], other: dict[str, str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        first, second = write(Path(folder, "1.h5"), one, 1), write(Path(folder, "2.h5"), other, 1)
        target = Path(folder, "all.h5")
        if list(one.items()) == list(other.items()):
            merge_hdf5([first, second], target)
            return
        with pytest.raises(ProductError) as refused:
            merge_hdf5([first, second], target)
        changed = {name for name in one.keys() | other if one.get(name) != other.get(name)}
        said = str(refused.value)
        assert str(first) in said
        assert str(second) in said
        assert all(re.search(rf"\b{name}\b", said) for name in changed)
        assert not target.exists()


def test_other_tables_or_arrays_are_refused(tmp_path: Path) -> None:
    one, other = write(tmp_path / "1.h5", {"run": "i8"}, 1), write(tmp_path / "2.h5", {"run": "i8"}, 1, "rates")
    with pytest.raises(ProductError, match="lacks /trend; has besides /rates"):
        merge_hdf5([one, other], tmp_path / "all.h5")
    same = write(tmp_path / "3.h5", {"run": "i8"}, 1)
    for path, values in ((one, [1, 2]), (same, [1, 3])):
        with tables.open_file(str(path), "a") as file:
            file.create_array("/", "edges", values)
    with pytest.raises(ProductError, match="/edges is no table, and not the same"):
        merge_hdf5([one, same], tmp_path / "all.h5")


@pytest.fixture
def data(tmp_path: Path) -> Data:
    paths = [write(tmp_path / f"{run}.h5", {"run": "i8", "rate": "f8"}, rows) for run, rows in ((2003, 5), (2004, 2))]
    files = tuple(File("dl2", path, DAY, "v1", "v1", "", int(path.stem)) for path in paths)
    whole = File("longterm", tmp_path / "no.h5", DAY, "v1", "v1", "")
    return Data((*files, whole), (Run(2003, DAY, "Crab"), Run(2004, DAY)), chunk_rows=2)


def test_data_are_read_whole_or_in_chunks(data: Data) -> None:
    assert len(data.read_table("dl2", "/trend")) == 7
    assert [len(chunk) for chunk in data.chunks("dl2", "/trend")] == [2, 2, 1, 2]
    assert [len(part.read_table("dl2", "/trend")) for _, part in data.by_run()] == [5, 2]
    assert [day for day, _ in data.by_night()] == [DAY]
    assert all(part.paths("longterm") for _, part in data.by_run())
    assert Data.from_json(data.as_json()) == data


def test_what_cannot_be_read_is_said(data: Data, tmp_path: Path) -> None:
    with pytest.raises(
        ProductError, match=r"no dl1 among the data of this analysis \(dl2, longterm\): name it in `reads`"
    ):
        data.read_table("dl1")
    with pytest.raises(ProductError, match="has no table /rates: name one of /trend"):
        data.read_table("dl2", "/rates")
    with pytest.raises(ProductError, match=r"no\.h5: cannot be opened as HDF5"):
        data.read_table("longterm")
    write(tmp_path / "2004.h5", {"run": "i8", "zenith": "f8"}, 2)
    with pytest.raises(ProductError, match="lacks rate; has besides zenith"):
        data.read_table("dl2", "/trend")
    assert not data.has_table("dl2", "/rates")
