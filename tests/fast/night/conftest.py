"""A site on paper: folders with run summaries, catalogs, drive logs and raw files of a few bytes."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from osa_luigi.night import NightPaths, compact, raw_name

OLD_COLUMNS = {
    "run_id": "int64",
    "n_subruns": "int64",
    "run_type": "string",
    "ucts_timestamp": "int64",
    "run_start": "int64",
    "dragon_reference_time": "int64",
    "dragon_reference_module_id": "int16",
    "dragon_reference_module_index": "int16",
    "dragon_reference_counter": "uint64",
    "dragon_reference_source": "string",
}
NEW_COLUMNS = {
    **dict(list(OLD_COLUMNS.items())[:3]),
    "data_format": "string",
    "evb_preprocessing": "int64",
    **dict(list(OLD_COLUMNS.items())[3:]),
}
DEFAULTS = {
    "data_format": "R1v1.Event",
    "evb_preprocessing": 0,
    "ucts_timestamp": -1,
    "run_start": -1,
    "dragon_reference_time": -1,
    "dragon_reference_module_id": -1,
    "dragon_reference_module_index": -1,
    "dragon_reference_counter": 18446744073709551615,
    "dragon_reference_source": "None",
}


def ecsv(columns: dict[str, str], rows: list[dict], meta: dict | None = None) -> str:
    """An ECSV table as lstchain writes it: comma-separated, everything in the header."""
    head = ["# %ECSV 1.0", "# ---", "# datatype:"]
    head += [f"# - {{name: {name}, datatype: {kind}}}" for name, kind in columns.items()]
    head.append("# delimiter: ','")
    if meta:
        head += ["# meta: !!omap", *(f"# - {{{key}: {value!r}}}" for key, value in meta.items())]
    head += ["# schema: astropy-2.0", ",".join(columns)]
    body = [",".join(_quoted(row[name]) for name in columns) for row in rows]
    return "\n".join([*head, *body]) + "\n"


def _quoted(value: object) -> str:
    text = "" if value is None else str(value)
    return f'"{text}"' if "," in text else text


class Site:
    """Writes the inputs of nights below a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        monitoring = root / "monitoring"
        self.paths = NightPaths(
            r0=root / "R0",
            r0g=root / "R0G",
            run_summary=monitoring / "RunSummary",
            run_catalog=monitoring / "RunCatalog",
            drive=monitoring / "DrivePositioning",
            time_calibration=root / "Cat-A" / "drs4_time_sampling_from_FF",
            systematics=root / "Cat-A" / "ffactor_systematics",
            pedestal_ids=root / "auxiliary" / "PedestalFinder",
        )

    def write(self, path: Path, content: str | bytes) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def summary(self, day: date, *runs: tuple, columns=NEW_COLUMNS, meta=None, **overrides) -> Path:
        """Runs as (run, type, subruns) or (run, type, subruns, {column: value})."""
        rows = [
            {
                **DEFAULTS,
                "run_id": run,
                "run_type": kind,
                "n_subruns": n,
                **overrides,
                **(extra[0] if extra else {}),
            }
            for run, kind, n, *extra in runs
        ]
        meta = {"date": day.isoformat(), "lstchain_version": "0.12.3"} if meta is None else meta
        return self.write(self.paths.run_summary_file(day), ecsv(columns, rows, meta))

    def catalog(self, day: date, *rows: tuple) -> Path:
        columns = {
            "run_id": "int64",
            "source_name": "string",
            "source_ra": "float64",
            "source_dec": "float64",
        }
        cells = [dict(zip(columns, row, strict=True)) for row in rows]
        return self.write(self.paths.run_catalog_file(day), ecsv(columns, cells))

    def raw(self, day: date, run: int, subrun: int, streams=(1, 2, 3, 4), size=8, r0g=False) -> None:
        folder = (self.paths.r0g if r0g else self.paths.r0) / compact(day)
        for stream in streams:
            self.write(folder / raw_name(run, subrun, stream), b"x" * size)

    def runs(self, day: date, *runs: tuple) -> None:
        """Raw files for runs written as for ``summary``."""
        for run, _, n, *_ in runs:
            for subrun in range(n):
                self.raw(day, run, subrun)

    def drive(self, day: date, begin: int, end: int) -> Path:
        lines = [f"{second} 95.0 {second % 90}.5\n" for second in range(begin, end + 1)]
        return self.write(self.paths.drive_log_file(day), "".join(lines))

    def bending(self, day: date, begin: int, end: int) -> Path:
        lines = [f"{second} 0.1 0.2\n" for second in range(begin, end + 1)]
        return self.write(self.paths.drive / f"BendingModelCorrection_log_{compact(day)}.txt", "".join(lines))


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "site")


@pytest.fixture
def day() -> date:
    return date(2024, 11, 15)


@pytest.fixture
def make_ecsv():
    return ecsv


@pytest.fixture
def old_columns():
    return OLD_COLUMNS


@pytest.fixture
def new_columns():
    return NEW_COLUMNS
