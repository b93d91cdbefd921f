"""Steps on paper: a call of each, and products of a few rows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from osa_luigi.night import raw_name
from osa_luigi.steps.call import FileInput, Input, Needs, StepCall
from osa_luigi.steps.catalogue import STEPS

COMMON: dict[str, Any] = {"software": {"lstchain": "0.12.3"}, "needs": Needs(2000, 1, 3600.0)}
SUBRUNS = ("Run02008.0000", "Run02008.0001")
CHAIN = tuple(name for name in STEPS if name not in ("close", "publish"))


class Paper:
    """Inputs that need not exist, and keywords that make a call of any step."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "config.json"
        self.config.write_text(json.dumps({"tailcut": {"picture_thresh": 8}}))

    def foreign(self, name: str, identity: Any = None) -> Input:
        return FileInput("any", str(self.folder / name), identity or {"name": Path(name).name})

    def raw(self, run: int, *subruns: int) -> list[Input]:
        return [self.foreign(f"R0/{raw_name(run, sub, stream)}") for sub in subruns for stream in (1, 2, 3, 4)]

    def many(self, pattern: str) -> list[Input]:
        return [self.foreign(pattern.format(unit)) for unit in SUBRUNS]

    def keywords(self, step: str) -> dict[str, Any]:
        """What the factory of a step needs, each optional input given."""
        one = self.foreign
        calibrations = {
            "pedestal": one("pedestal.h5"),
            "calibration": one("calibration.h5"),
            "time_calibration": one("time.h5"),
            "systematics": one("systematics.h5"),
        }
        sequence = {key: calibrations[key] for key in ("pedestal", "time_calibration", "systematics")}
        datachecks = [one("datacheck_dl1_LST-1.Run02008.h5"), one("datacheck_dl1_LST-1.Run02009.h5")]
        return {
            "run_summary": {"day": date(2020, 1, 17), "raw": [*self.raw(2006, 0), *self.raw(2008, 0, 1)]},
            "gain_selection": {"unit": SUBRUNS[1], "raw": self.raw(2008, 1)},
            "drs4_baseline": {"unit": "Run02005", "raw": self.raw(2005, 0)},
            "time_calibration": {
                "unit": "Run02006",
                "raw": self.raw(2006, 0, 1),
                "pedestal": one("pedestal.h5"),
                "run_summary": one("summary.ecsv"),
                "config": self.config,
            },
            "charge_calibration": {
                "unit": "Run02006",
                "raw": self.raw(2006, 0, 1),
                "run_summary": one("summary.ecsv"),
                "config": self.config,
                **sequence,
            },
            "r0_to_dl1": {
                "unit": SUBRUNS[1],
                "raw": self.raw(2008, 1),
                "run_summary": one("summary.ecsv"),
                "pointing": one("drive.txt"),
                "pedestal_ids": one("ids.h5"),
                "config": self.config,
                **calibrations,
            },
            "cat_b": {
                "unit": "Run02008",
                "interleaved": self.many("interleaved_LST-1.{}.h5"),
                "calibration": one("calibration.h5"),
                "systematics": one("systematics.h5"),
                "config": self.config,
            },
            "tailcuts": {"unit": "Run02008", "dl1": self.many("dl1_LST-1.{}.h5")},
            "dl1ab": {
                "unit": SUBRUNS[1],
                "dl1": one(f"dl1_LST-1.{SUBRUNS[1]}.h5"),
                "cat_b": one("cat_b.h5"),
                "config": self.config,
                "tailcut": "tailcut84",
            },
            "datacheck": {
                "unit": SUBRUNS[1],
                "dl1": one(f"dl1_LST-1.{SUBRUNS[1]}.h5"),
                "muons": one(f"muons_LST-1.{SUBRUNS[1]}.fits"),
                "tailcut": "tailcut84",
            },
            "run_datacheck": {
                "unit": "Run02008",
                "datachecks": self.many("datacheck_dl1_LST-1.{}.h5"),
                "tailcut": "tailcut84",
            },
            "run_plots": {
                "unit": "Run02008",
                "datachecks": self.many("datacheck_dl1_LST-1.{}.h5"),
                "muons": self.many("muons_LST-1.{}.fits"),
                "tailcut": "tailcut84",
            },
            "merge_dl1": {"unit": "Run02008", "dl1": self.many("dl1_LST-1.{}.h5"), "tailcut": "tailcut84"},
            "merge_muons": {"unit": "Run02008", "muons": self.many("muons_LST-1.{}.fits")},
            "dl2": {
                "unit": "Run02008",
                "dl1": one("dl1_LST-1.Run02008.h5"),
                "models": one("models"),
                "config": self.config,
                "tailcut": "tailcut84",
                "nsb": "nsb_tuning_0.14",
            },
            "longterm": {
                "day": date(2020, 1, 17),
                "datachecks": datachecks,
                "muons": self.many("muons_LST-1.{}.fits"),
            },
            "transparency": {"day": date(2020, 1, 17), "checked": one("longterm.h5"), "datachecks": datachecks},
        }[step]

    def call(self, step: str, **changed: Any) -> StepCall:
        """A call of a step, with some keywords changed."""
        factory: Any = STEPS[step]
        call: StepCall = factory.call(**{**COMMON, **self.keywords(step), **changed})
        return call


def write_hdf5(path: Path, tables: Mapping[str, Mapping[str, Any]], arrays: Mapping[str, Any] | None = None) -> Path:
    """An HDF5 file with tables (node → column → values by row) and arrays, with checksums as lstchain writes them."""
    import tables as pytables

    path.parent.mkdir(parents=True, exist_ok=True)
    filters = pytables.Filters(complevel=1, complib="blosc:zstd", fletcher32=True)
    with pytables.open_file(str(path), "w", filters=filters) as file:
        for node, columns in tables.items():
            values = {name: np.asarray(column) for name, column in columns.items()}
            rows = len(next(iter(values.values())))
            data = np.zeros(rows, dtype=[(name, item.dtype, item.shape[1:]) for name, item in values.items()])
            for name, item in values.items():
                data[name] = item
            parent, _, name = node.rpartition("/")
            file.create_table(parent or "/", name, data, createparents=True)
        for node, value in (arrays or {}).items():
            parent, _, name = node.rpartition("/")
            file.create_array(parent or "/", name, value, createparents=True)
    return path


def write_fits(path: Path, rows: int, name: str = "") -> Path:
    """A FITS file with one table: muon rings, or raw events."""
    from astropy.io import fits

    columns = [
        fits.Column("event_id", "K", array=np.arange(rows)),
        fits.Column("muon_efficiency", "D", array=np.full(rows, 0.2)),
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    with fits.conf.set_temp("extension_name_case_sensitive", True):
        table = fits.BinTableHDU.from_columns(columns, name=name)
        fits.HDUList([fits.PrimaryHDU(), table]).writeto(path, overwrite=True)
    return path


def truncate(path: Path) -> Path:
    """Cut a file in half."""
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    return path


def dl1_columns(event_ids: Any, event_type: Any = 32) -> dict[str, Any]:
    """Parameters of events, as DL1 has them."""
    ids = np.asarray(event_ids, dtype=np.int64)
    number = np.linspace(0.1, 1.0, len(ids))
    names = ("trigger_time", "dragon_time", "alt_tel", "az_tel", "intensity", "width", "length")
    types = np.broadcast_to(np.asarray(event_type, dtype=np.int64), ids.shape)
    return {"event_id": ids, "event_type": types, **dict.fromkeys(names, number)}
