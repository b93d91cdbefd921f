"""Opening files of every kind, whole and damaged."""

from __future__ import annotations

import numpy as np
import pytest
from paper_steps import truncate, write_fits, write_hdf5

from osa_luigi.errors import VerificationError
from osa_luigi.steps import checks


@pytest.fixture
def file(tmp_path):
    columns = {"event_id": np.arange(500), "image": np.random.default_rng(1).normal(size=(500, 50))}
    return write_hdf5(tmp_path / "dl1.h5", {"/dl1/events": columns}, {"/fan": np.ones((2, 3)), "/one": 1.0})


def test_every_table_is_counted(file):
    with checks.hdf5(file) as opened:
        assert opened.rows == {"/dl1/events": 500, "/fan": 2, "/one": 1}


def test_columns_that_were_kept_are_those_of_the_file(file, monkeypatch):
    monkeypatch.setattr(checks, "_BLOCK_BYTES", 5000)
    with checks.hdf5(file, {"/dl1/events": ("event_id", "no such"), "/none": ("x",)}) as opened:
        assert opened.column("/dl1/events", "event_id").tolist() == list(range(500))
        assert opened.column("/dl1/events", "image").shape == (500, 50)


def test_a_table_without_rows_is_no_trouble(tmp_path):
    path = write_hdf5(tmp_path / "a.h5", {"/t": {"x": np.zeros(0)}})
    with checks.hdf5(path, {"/t": ("x",)}) as opened:
        assert opened.rows == {"/t": 0}
        assert len(opened.column("/t", "x")) == 0


def test_a_file_cut_in_half_is_refused(file):
    with (
        pytest.raises(VerificationError, match=r"dl1\.h5: cannot be read to its end .*check the disk"),
        checks.hdf5(truncate(file)),
    ):
        pass


@pytest.mark.parametrize("content", [b"", b"not hdf5", b"\x89HDF\r\n\x1a\n"])
def test_what_is_not_hdf5_is_refused(tmp_path, content):
    path = tmp_path / "a.h5"
    path.write_bytes(content)
    with pytest.raises(VerificationError, match=r"a\.h5: cannot be read to its end"), checks.hdf5(path):
        pass
    with pytest.raises(VerificationError, match=r"a\.h5: cannot be opened"):
        checks.hdf5_rows(path, "/t")


def test_a_flipped_bit_in_the_data_is_found_by_the_checksum(file):
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(VerificationError, match="cannot be read to its end"), checks.hdf5(file):
        pass


def test_an_error_of_the_block_stays_what_it_is(file):
    with (
        pytest.raises(VerificationError, match="lacks /no/table, /nor/this: read the attempt's log"),
        checks.hdf5(file) as opened,
    ):
        opened.require("/dl1/events", "/no/table", "/nor/this")


def test_rows_columns_and_shapes_are_asked_for(file):
    with checks.hdf5(file) as opened:
        assert opened.require_rows("/dl1/events", 500, "events") == 500
        opened.require_shape("/dl1/events", (50,), "image")
        with pytest.raises(VerificationError, match="/dl1/events has 500 rows, not the 501 raw events"):
            opened.require_rows("/dl1/events", 501, "raw events")
        with pytest.raises(VerificationError, match="lacks /dl2"):
            opened.require_rows("/dl2", 1, "anything")
        with pytest.raises(VerificationError, match="lacks the column energy"):
            opened.column("/dl1/events", "energy")
        with pytest.raises(VerificationError, match="lacks the column energy"):
            opened.require_shape("/dl1/events", (), "energy")
        with pytest.raises(VerificationError, match=r"image in /dl1/events has the shape \(50,\) per row, not \(7,\)"):
            opened.require_shape("/dl1/events", (7,), "image")
        assert opened.attribute("/", "nothing") is None
        assert opened.array("/fan").shape == (2, 3)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_must_be_a_number_is_one(tmp_path, bad):
    path = write_hdf5(tmp_path / "a.h5", {"/t": {"energy": [1.0, bad, 2.0], "id": [1, 2, 3]}})
    with checks.hdf5(path) as opened:
        opened.require_finite("/t", "id")
        with pytest.raises(VerificationError, match="1 of 3 values of energy in /t are not finite"):
            opened.require_finite("/t", "id", "energy")


def test_rows_are_counted_without_reading(file):
    assert checks.hdf5_rows(file, "/dl1/events") == 500
    assert checks.hdf5_rows(file, "/none") == 0


def test_strings_of_variable_length_are_passed_over(tmp_path):
    import h5py

    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as handle:
        handle["provenance"] = "text of any length"
        handle["fan"] = np.ones(3)
    with checks.hdf5(path) as opened:
        assert opened.rows["/fan"] == 3


@pytest.mark.parametrize("rows", [0, 1, 7])
def test_rows_of_a_fits_table(tmp_path, rows):
    assert checks.fits_rows(write_fits(tmp_path / "m.fits", rows), ("event_id",)) == rows


def test_a_fits_file_lacks_a_column(tmp_path):
    with pytest.raises(VerificationError, match=r"m\.fits: lacks the columns ring"):
        checks.fits_rows(write_fits(tmp_path / "m.fits", 3), ("event_id", "ring"))


@pytest.mark.parametrize("kept", [0.0, 0.2, 0.5, 0.8])
def test_a_fits_file_cut_anywhere_is_refused(tmp_path, kept):
    path = write_fits(tmp_path / "m.fits", 2000)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(VerificationError, match=r"m\.fits: "):
        checks.fits_rows(path)


def test_a_pdf_is_read_to_its_end(tmp_path):
    path = tmp_path / "a.pdf"
    page = b"1 0 obj << /Type /Page >> endobj "
    path.write_bytes(b"%PDF-1.4 << /Type /Pages >> " + page * 3 + b"trailer %%EOF\n")
    assert checks.pdf_pages(path) == 3
    with pytest.raises(VerificationError, match="cut short"):
        checks.pdf_pages(truncate(path))
    path.write_bytes(b"%PDF-1.4 %%EOF")
    with pytest.raises(VerificationError, match="no page"):
        checks.pdf_pages(path)
    path.write_bytes(b"")
    with pytest.raises(VerificationError, match="not a PDF"):
        checks.pdf_pages(path)


def test_a_real_pdf_is_taken(tmp_path):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    from matplotlib.backends.backend_pdf import PdfPages
    from matplotlib.figure import Figure

    with PdfPages(tmp_path / "a.pdf") as pdf:
        pdf.savefig(Figure())
        pdf.savefig(Figure())
    assert checks.pdf_pages(tmp_path / "a.pdf") == 2


@pytest.mark.parametrize(("content", "said"), [("{", "is not JSON"), ("[1]", "holds a list, not an object")])
def test_a_json_file_holds_an_object(tmp_path, content, said):
    path = tmp_path / "a.json"
    path.write_text(content)
    with pytest.raises(VerificationError, match=said):
        checks.json_object(path)
    path.write_text('{"a": 1}')
    assert checks.json_object(path) == {"a": 1}


@pytest.mark.parametrize(
    ("content", "said"), [(b" \n", "is empty"), (b"<html>", "does not end in </html>"), (b"\xff\xfe", "is not text")]
)
def test_a_page_is_whole(tmp_path, content, said):
    path = tmp_path / "a.html"
    path.write_bytes(content)
    with pytest.raises(VerificationError, match=said):
        checks.text(path, end="</html>")
    path.write_text("<html></html>\n")
    assert checks.text(path, end="</html>") == "<html></html>\n"


def test_messages_do_not_carry_the_call_stack_of_hdf5():
    error = RuntimeError("HDF5 error back trace\n\n  File H5F.c, line 500\n\nUnable to open file")
    assert checks.first_line(error) == "Unable to open file"
    assert checks.first_line(ValueError()) == "ValueError"
    assert checks.first_line(ValueError("one\ntwo")) == "one"
