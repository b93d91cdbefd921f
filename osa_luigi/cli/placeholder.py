"""A night that was never observed, for fake steps: run summary, run catalog, and raw files with right names and nothing in them.

With it a graph of any size can be run in seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from osa_luigi.errors import NightError
from osa_luigi.night import RUN_CATALOG, RUN_SUMMARY, STREAMS, RunType, compact, raw_name

SOURCES = (("Crab Nebula", 83.6331, 22.0145), ("Mrk 421", 166.1138, 38.2088), ("1ES 1959+650", 299.9994, 65.1485))
"""Name, right ascension and declination (degrees), for the runs in turn; names with a space, as real ones have."""

SUMMARY_HEAD = """\
# %ECSV 1.0
# ---
# datatype:
# - {{name: run_id, datatype: int64}}
# - {{name: n_subruns, datatype: int64}}
# - {{name: run_type, datatype: string}}
# - {{name: data_format, datatype: string}}
# - {{name: evb_preprocessing, datatype: int64}}
# - {{name: ucts_timestamp, datatype: int64}}
# - {{name: run_start, datatype: int64}}
# - {{name: dragon_reference_time, datatype: int64}}
# - {{name: dragon_reference_module_id, datatype: int16}}
# - {{name: dragon_reference_module_index, datatype: int16}}
# - {{name: dragon_reference_counter, datatype: uint64}}
# - {{name: dragon_reference_source, datatype: string}}
# delimiter: ','
# meta: !!omap
# - {{date: '{day}'}}
# schema: astropy-2.0
run_id,n_subruns,run_type,data_format,evb_preprocessing,ucts_timestamp,run_start,dragon_reference_time,\
dragon_reference_module_id,dragon_reference_module_index,dragon_reference_counter,dragon_reference_source
"""
CATALOG_HEAD = """\
# %ECSV 1.0
# ---
# datatype:
# - {name: run_id, datatype: int64}
# - {name: source_name, datatype: string}
# - {name: source_ra, unit: deg, datatype: float64}
# - {name: source_dec, unit: deg, datatype: float64}
# delimiter: ','
# schema: astropy-2.0
run_id,source_name,source_ra,source_dec
"""


@dataclass(frozen=True, slots=True)
class PlaceholderNight:
    """What to pretend was observed: a DRS4 run, a PEDCALIB run, then DATA runs."""

    base: Path
    date: date
    data_runs: int = 2
    subruns: int = 3
    first_run: int = 2001

    def runs(self) -> Iterator[tuple[int, RunType, int]]:
        """Number, type and subruns of each run."""
        yield self.first_run, RunType.DRS4, 1
        yield self.first_run + 1, RunType.PEDCALIB, 1
        for index in range(self.data_runs):
            yield self.first_run + 2 + index, RunType.DATA, self.subruns

    def write(self) -> int:
        """Write what is missing of the night; returns how many files.

        Raises
        ------
        NightError
            The base holds this night already, observed otherwise.
        """
        monitoring = self.base / "monitoring"
        files = {
            monitoring / "RunSummary" / RUN_SUMMARY.format(self.date): self._summary(),
            monitoring / "RunCatalog" / RUN_CATALOG.format(self.date): self._catalog(),
            **self._raw(),
        }
        self._refuse_others(files)
        for folder in {path.parent for path in files} | {monitoring / "DrivePositioning"}:
            folder.mkdir(parents=True, exist_ok=True)
        # The run summary last: with it the night is there.
        missing = [path for path in reversed(files) if not path.exists()]
        for path in missing:
            path.write_text(files[path])
        return len(missing)

    def _refuse_others(self, files: dict[Path, str]) -> None:
        found = {path for path in (self.base / "R0" / compact(self.date)).glob("*") if path not in files}
        changed = {path for path, text in files.items() if path.exists() and path.read_bytes() != text.encode()}
        if other := sorted(found | changed):
            raise NightError(
                f"{self.base} holds {self.date.isoformat()} already, not as asked for now ({other[0]}"
                f"{f' and {len(other) - 1} more files' if len(other) > 1 else ''}): choose another --base or --date, or remove it."
            )

    def _summary(self) -> str:
        unknown = "-1,-1,-1,-1,-1,18446744073709551615,None"
        rows = (f"{run},{subruns},{kind},R1v1.Event,14,{unknown}\n" for run, kind, subruns in self.runs())
        return SUMMARY_HEAD.format(day=self.date.isoformat()) + "".join(rows)

    def _catalog(self) -> str:
        data = [run for run, kind, _ in self.runs() if kind is RunType.DATA]
        rows = (
            f'{run},"{name}",{ra},{dec}\n'
            for index, run in enumerate(data)
            for name, ra, dec in [SOURCES[index % len(SOURCES)]]
        )
        return CATALOG_HEAD + "".join(rows)

    def _raw(self) -> dict[Path, str]:
        folder = self.base / "R0" / compact(self.date)
        return {
            folder / raw_name(run, subrun, stream): "placeholder: no raw data\n"
            for run, _, subruns in self.runs()
            for subrun in range(subruns)
            for stream in STREAMS
        }
