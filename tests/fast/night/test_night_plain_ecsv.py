"""What the small reader makes of a table is what astropy makes of it; what it cannot read it leaves to astropy."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from osa_luigi.night import ecsv
from osa_luigi.night.plain_ecsv import read_plain_ecsv

HEAD = """# %ECSV 1.0
# ---
# datatype:
# - {{name: run_id, datatype: {kind}}}
# - {{name: source, unit: deg, datatype: {other}}}
# delimiter: '{delimiter}'
# meta: {{date: '2024-11-15'}}
# schema: astropy-2.0
run_id{delimiter}source
"""
CELLS = {
    "int64": st.integers(-(2**63), 2**63 - 1).map(str),
    "uint64": st.integers(0, 2**64 - 1).map(str),
    "int8": st.integers(-128, 127).map(str),
    "float64": st.floats().map(str),
    "bool": st.booleans().map(str),
    "string": st.one_of(
        st.text("aZ09_+-.:/", min_size=1, max_size=6), st.text("aZ0 ,;#'", min_size=1, max_size=6).map('"{}"'.format)
    ),
}


def write(folder: Path, cells, kind="int64", other="string", delimiter=",") -> Path:
    path = folder / "table.ecsv"
    head = HEAD.format(kind=kind, other=other, delimiter=delimiter)
    path.write_text(head + "".join(delimiter.join(row) + "\n" for row in cells))
    return path


def with_astropy(path: Path) -> ecsv.Ecsv:
    return ecsv._read_with_astropy(path, "table", "look")


@given(st.data())
@settings(max_examples=40, suppress_health_check=list(HealthCheck))
def test_the_same_as_astropy(tmp_path, data):
    kind, other = (data.draw(st.sampled_from(sorted(CELLS))) for _ in range(2))
    rows = data.draw(st.lists(st.tuples(CELLS[kind], CELLS[other]), max_size=4))
    path = write(tmp_path, rows, kind, other, data.draw(st.sampled_from(", ")))
    plain = read_plain_ecsv(path)
    if plain is not None:
        assert plain == with_astropy(path)
        types = [[type(value) for value in row.values()] for row in plain.rows]
        assert types == [[type(value) for value in row.values()] for row in with_astropy(path).rows]
    said = path.read_text()
    assert (
        plain
        or "inf" in said
        or "'" in said.rpartition("source\n")[2]
        or re.search(r'(^|[, ])" |[ ]"($|[, ])', said, re.M)
    )


NOT_A_RUN = (" 1", "1.5", "1_0", "#1", "one", "", str(2**63))
NOT_A_SOURCE = ("", '""', '" Crab"', '"Crab""s"', '"Crab"s', '"Crab', "Bétel", "Crab,2")


@pytest.mark.parametrize(
    "row", [("1",), *((run, "Crab") for run in NOT_A_RUN), *(("1", name) for name in NOT_A_SOURCE)]
)
def test_what_is_not_plain_is_left_to_astropy(tmp_path, row):
    assert read_plain_ecsv(write(tmp_path, [row])) is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("%ECSV", "%CSV"),
        ("# ---", "# -"),
        ("run_id,source", "source,run_id"),
        ("datatype: string", "datatype: float32"),
        ("datatype: string", "datatype: string, subtype: json"),
        ("unit: deg", "unit: !astropy.units.Unit {unit: deg}"),
        ("meta: {date", "meta: {__serialized_columns__: {}, date"),
        ("delimiter: ','", "delimiter: ';'"),
        ("# schema", "# {"),
    ],
)
def test_a_header_that_is_not_plain_is_left_to_astropy(tmp_path, old, new):
    path = write(tmp_path, [("1", "Crab")])
    assert read_plain_ecsv(path)
    path.write_text(path.read_text().replace(old, new))
    assert read_plain_ecsv(path) is None


def test_a_missing_file_is_left_to_astropy(tmp_path):
    assert read_plain_ecsv(tmp_path / "none.ecsv") is None


def test_no_astropy_for_a_plain_table(tmp_path):
    path = write(tmp_path, [("1", "Crab"), ("2", '"Crab, off"')])
    code = (
        "import sys; from pathlib import Path; from osa_luigi.night.ecsv import read_ecsv;"
        f"read_ecsv(Path({str(path)!r}), ['run_id'], what='t', remedy='r'); sys.exit('astropy' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
