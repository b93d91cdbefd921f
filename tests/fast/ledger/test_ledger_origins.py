"""Foreign files are compared with what step keys took of them, and with nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_nights import DAY, FakeSite

from osa_luigi.ledger.making import Source
from osa_luigi.ledger.origins import Origins
from osa_luigi.night import DriveLog, foreign_identity, read_run_summary


def trouble(role: str, path: Path, identity: object) -> str:
    return Origins().trouble(Source(role, str(path), "", identity))


def test_a_raw_file_counts_by_its_size(tmp_path: Path) -> None:
    path = tmp_path / "LST-1.1.Run02003.0000.fits.fz"
    path.write_bytes(b"raw data")
    identity = {"name": path.name, "size": 8}
    assert trouble("raw", path, identity) == ""
    path.write_bytes(b"RAW DATA")
    assert trouble("raw", path, identity) == ""  # no hash was taken, so none is compared
    path.write_bytes(b"raw")
    assert trouble("raw", path, identity) == f"{path}: has 3 bytes, and had 8 when it was read"
    path.unlink()
    assert "No such file" in trouble("raw", path, identity)


def test_a_model_counts_by_its_content(tmp_path: Path) -> None:
    folder = tmp_path / "dec_2276"
    folder.mkdir()
    (folder / "reg_energy.sav").write_bytes(b"a forest")
    identity = foreign_identity(folder)
    assert trouble("models", folder, identity) == ""
    (folder / "reg_energy.sav").write_bytes(b"a desert")
    assert "is another file than when it was read" in trouble("models", folder, identity)
    (folder / "reg_energy.sav").unlink()
    assert "holds no files" in trouble("models", folder, identity)


def test_of_a_run_summary_the_run_s_row_counts(tmp_path: Path) -> None:
    site = FakeSite(tmp_path)
    path = site.summary((2003, "DATA", 2), (2004, "DATA", 1))
    row = next(row.row for row in read_run_summary(path, DAY) if row.run_id == 2003)
    identity = {name: value for name, value in row.items() if name != "n_subruns"}
    site.summary((2003, "DATA", 7), (2005, "DATA", 1))  # it grows while a run is taken
    assert trouble("run_summary", path, identity) == ""
    site.summary((2003, "EDATA", 7))
    assert "the row of run 2003 is another" in trouble("run_summary", path, identity)
    site.summary((2004, "DATA", 1))
    assert "the row of run 2003 is another" in trouble("run_summary", path, identity)


def test_of_a_drive_log_the_lines_of_the_run_count(tmp_path: Path) -> None:
    path = tmp_path / "DrivePosition_log_20241115.txt"
    lines = [f"{second} 180.0 20.0\n" for second in range(1000, 2000)]
    path.write_text("".join(lines))
    identity = DriveLog.read(path).pointing(1200, 1400).identity
    path.write_text("".join([*lines, "2000 180.0 20.0\n"]))
    assert trouble("pointing", path, identity) == ""
    path.write_text("".join(lines).replace("1300 180.0", "1300 181.0"))
    assert "its lines of the interval are others" in trouble("pointing", path, identity)


@pytest.mark.parametrize("identity", [{}, None, "a text"])
def test_where_nothing_was_taken_nothing_is_compared(tmp_path: Path, identity: object) -> None:
    assert trouble("models", tmp_path / "gone", identity) == ""
