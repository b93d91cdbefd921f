from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from osa_luigi.errors import NightError
from osa_luigi.night import RawScan, Subrun, check_raw_file, leave_out_damaged, raw_name

EVENTS = 45
# In a process of its own: protozfits brings threads along.
WRITER = """
import sys
import numpy as np
import protozfits
from protozfits import numpy_to_any_array
from protozfits.R1v1_pb2 import CameraConfiguration, Event

path, n = sys.argv[1], int(sys.argv[2])
out = protozfits.FlatProtobufZOFits(1000, 20, 4000, default_compression="zstd1")
out.open(path)
out.move_to_new_table("CameraConfiguration")
configuration = CameraConfiguration()
configuration.tel_id = 1
out.write_message(configuration)
out.move_to_new_table("Events")
for i in range(n):
    event = Event()
    event.event_id = i + 1
    event.tel_id = 1
    event.waveform.CopyFrom(numpy_to_any_array(np.arange(500, dtype=np.uint16) * (i + 1)))
    out.write_message(event)
out.close()
"""


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    pytest.importorskip("protozfits")
    path = tmp_path_factory.mktemp("zfits") / "LST-1.1.Run00001.0000.fits.fz"
    subprocess.run([sys.executable, "-c", WRITER, str(path), str(EVENTS)], check=True)
    return path.read_bytes()


@pytest.fixture
def raw(tmp_path):
    def write(content: bytes):
        path = tmp_path / "LST-1.1.Run00001.0000.fits.fz"
        path.write_bytes(content)
        return path

    return write


def test_a_whole_file_tells_its_events(raw, content):
    assert check_raw_file(raw(content)) == EVENTS


def test_an_empty_file(raw):
    with pytest.raises(NightError, match=r"this raw file is empty.*copy it again, then run again"):
        check_raw_file(raw(b""))


def test_a_missing_file(tmp_path):
    with pytest.raises(NightError, match="cannot read this raw file"):
        check_raw_file(tmp_path / "gone.fits.fz")


@pytest.mark.parametrize("fraction", [0.01, 0.1, 0.3, 0.5, 0.7, 0.9])
def test_a_truncated_file(raw, content, fraction):
    with pytest.raises(NightError, match=r"truncated.*copy it again"):
        check_raw_file(raw(content[: int(len(content) * fraction)]))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_cut_anywhere_before_its_padding(raw, content, data):
    whole = len(content.rstrip(b"\0"))
    cut = data.draw(st.integers(0, whole - 1))
    with pytest.raises(NightError):
        check_raw_file(raw(content[:cut]))


@pytest.mark.parametrize("other", [b"\x89HDF\r\n\x1a\n" + bytes(5000), b"hello", bytes(10000)])
def test_not_a_raw_file(raw, other):
    with pytest.raises(NightError, match="does not begin as FITS"):
        check_raw_file(raw(other))


def test_fits_without_events(raw, tmp_path):
    fits = pytest.importorskip("astropy.io.fits")
    path = tmp_path / "image.fits"
    fits.PrimaryHDU().writeto(path)
    with pytest.raises(NightError, match="no table Events"):
        check_raw_file(path)


def test_a_file_that_was_never_closed(raw, content):
    with pytest.raises(NightError, match="not closed by its writer, there are 5000 bytes"):
        check_raw_file(raw(content + b"e" * 5000))


def test_a_damaged_header(raw, content):
    start = content.rindex(b"XTENSION")
    damaged = content[:start] + content[start:].replace(b"ZNAXIS2 =  ", b"ZNAXIS2 = x", 1)
    with pytest.raises(NightError, match=f"damaged in the header at byte {start}"):
        check_raw_file(raw(damaged))


def test_a_file_without_compression_tells_its_rows(tmp_path):
    fits = pytest.importorskip("astropy.io.fits")
    np = pytest.importorskip("numpy")
    table = fits.BinTableHDU.from_columns([fits.Column("a", "J", array=np.arange(7))], name="Events")
    table.header["EXTNAME"] = "Events"  # astropy writes capitals
    path = tmp_path / "plain.fits"
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(path)
    assert check_raw_file(path) == 7


@pytest.fixture
def scan(tmp_path, content):
    """Runs, each with a damaged first or second subrun or none, as they were found."""

    def write(**damaged):
        subruns = {}
        for run, where in damaged.items():
            number = int(run.removeprefix("run"))
            subruns[number] = {}
            for subrun in (0, 1):
                path = tmp_path / raw_name(number, subrun, 2)
                path.write_bytes(content[: len(content) // 2] if subrun == where else content)
                subruns[number][subrun] = Subrun(number, subrun, tmp_path, (2,), (path.stat().st_size,))
        return RawScan(subruns, ignored=3)

    return write


def test_runs_whose_first_subrun_is_damaged_are_left_out_and_named(scan):
    left, told = leave_out_damaged(scan(run1=None, run2=0, run3=1))
    assert (list(left.subruns), left.ignored) == ([1, 3], 3)
    (reason,) = told
    assert reason.startswith("run 2 is left out of the run summary: ")
    assert "LST-1.2.Run00002.0000.fits.fz: this raw file is truncated" in reason


def test_a_run_without_first_subrun_is_left_to_lstchain(scan):
    found = scan(run1=None)
    del found.subruns[1][0]
    assert leave_out_damaged(found) == (found, ())


def test_of_a_night_without_a_run_that_can_be_listed_none_is_left_out(scan):
    found = scan(run1=0)
    assert leave_out_damaged(found) == (found, ())
