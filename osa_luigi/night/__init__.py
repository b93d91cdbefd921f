"""What was observed: dates, names, runs, and the files they came with. It reads, and never writes.

``observe(paths, date)`` makes a `Night` of `Run` of `Subrun`; ``sequences(night)`` puts it into the operator's
order; ``find_calibration`` says with which runs it is calibrated.
"""

from osa_luigi.night.calibration import (
    CalibrationSource,
    find_calibration,
    find_systematics,
    find_time_calibration,
)
from osa_luigi.night.catalog import read_run_catalog
from osa_luigi.night.dates import compact, night_bounds, observation_date, parse_date
from osa_luigi.night.drive import DriveLog
from osa_luigi.night.foreign import foreign_identity
from osa_luigi.night.model import (
    DataLevel,
    Night,
    Pointing,
    Preprocessing,
    RawFile,
    Run,
    RunType,
    Source,
    Subrun,
    index_ranges,
)
from osa_luigi.night.names import (
    BENDING_LOG,
    DRIVE_LOG,
    RUN_CATALOG,
    RUN_SUMMARY,
    STREAMS,
    SYSTEMATICS,
    TELESCOPE,
    DatedName,
    RawName,
    Unit,
    parse_pedestal_ids_name,
    parse_raw_name,
    parse_time_calibration_name,
    parse_unit,
    pedestal_ids_name,
    raw_name,
    run_label,
    time_calibration_name,
    unit_label,
)
from osa_luigi.night.observe import NightPaths, observe
from osa_luigi.night.raw import RawScan, require_raw, scan_raw
from osa_luigi.night.selection import Selection, select
from osa_luigi.night.sequences import Sequence, sequences
from osa_luigi.night.summary import SummaryRow, read_run_summary
from osa_luigi.night.truncation import check_raw_file, leave_out_damaged

__all__ = [
    "BENDING_LOG",
    "DRIVE_LOG",
    "RUN_CATALOG",
    "RUN_SUMMARY",
    "STREAMS",
    "SYSTEMATICS",
    "TELESCOPE",
    "CalibrationSource",
    "DataLevel",
    "DatedName",
    "DriveLog",
    "Night",
    "NightPaths",
    "Pointing",
    "Preprocessing",
    "RawFile",
    "RawName",
    "RawScan",
    "Run",
    "RunType",
    "Selection",
    "Sequence",
    "Source",
    "Subrun",
    "SummaryRow",
    "Unit",
    "check_raw_file",
    "compact",
    "find_calibration",
    "find_systematics",
    "find_time_calibration",
    "foreign_identity",
    "index_ranges",
    "leave_out_damaged",
    "night_bounds",
    "observation_date",
    "observe",
    "parse_date",
    "parse_pedestal_ids_name",
    "parse_raw_name",
    "parse_time_calibration_name",
    "parse_unit",
    "pedestal_ids_name",
    "raw_name",
    "read_run_catalog",
    "read_run_summary",
    "require_raw",
    "run_label",
    "scan_raw",
    "select",
    "sequences",
    "time_calibration_name",
    "unit_label",
]
