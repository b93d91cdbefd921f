"""Productions as their nights would have left them, written with the writers of the engine itself, and a ledger's rows to compare."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from operator import itemgetter
from pathlib import Path
from typing import Any

from sqlalchemy import select

from osa_luigi.batch.slurm.records import Record, write_record
from osa_luigi.cli.placeholder import PlaceholderNight
from osa_luigi.config import MainConfig, load_main
from osa_luigi.ledger import update as updating
from osa_luigi.ledger.database import address, open_engine
from osa_luigi.ledger.models import CONTENT
from osa_luigi.ledger.update import update_ledger
from osa_luigi.products.production import Production
from osa_luigi.products.receipt import Made, Receipt

DAY = date(2024, 11, 15)
RUN = "Run02003"
STEPS = ("r0_to_dl1", "dl1ab")
LONG_AGO = 1_700_000_000
PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "ask-the-ledger.md"


def questions() -> list[str]:
    """The SQL of the page."""
    return re.findall(r"```sql\n(.*?);\n```", PAGE.read_text(), re.S)


@dataclass
class LedgerSite:
    """A site with a ledger of its own."""

    base: Path
    url: str = ""

    def configure(self, **main: Any) -> MainConfig:
        """Write the configuration."""
        self.base.mkdir(parents=True, exist_ok=True)
        text = {
            "site": {"name": "test", "base": "."},
            "procedures": ["procedures.yaml"],
            "ledger": {"url": self.url or f"sqlite:///{self.base}/ledger.sqlite"},
            **main,
        }
        (self.base / "procedures.yaml").write_text(json.dumps({"name": "fake", "fake": {}}))
        self.config.write_text(json.dumps(text))
        return self.main

    @property
    def config(self) -> Path:
        return self.base / "main.yaml"

    @property
    def main(self) -> MainConfig:
        return load_main(self.config, check_files=False)

    def production(self, day: date = DAY, name: str = "v1") -> Production:
        return Production(self.base / "running_analysis" / f"{day:%Y%m%d}" / name)

    def night(self, day: date = DAY, name: str = "v1", subruns: int = 3) -> Production:
        """A closed night: a DATA run, one attempt that failed, an array, a decision."""
        PlaceholderNight(self.base, day, 1, 1).write()
        production = self.production(day, name)
        keys: dict[str, str] = {}
        for subrun in range(subruns):
            for step in STEPS:
                write_receipt(production, step, f"{RUN}.{subrun:04d}", keys)
        write_receipt(production, "merge_dl1", RUN, keys)
        write_record_of(production, "dl1ab", f"{RUN}.0001", "failed", id_="20241116T010000-node2-7-b", exit_code=1)
        listing = production.write_config(keys)
        closing = {"role": "declared", "path": str(listing), "identity": "", "key": "d"}
        write_receipt(production, "close", "night", {}, inputs=(closing,))
        (production.root / "NightFinished.txt").write_text("finished\n")
        write_array(production, "osa.1.dl1", subruns)
        decide(production, 1, kind="discard", unit=f"{RUN}.0002")
        decide(production, 2, kind="undo", unit=f"{RUN}.0002", undoes=[1])
        self.settle()
        return production

    def settle(self) -> None:
        """All this was long ago."""
        for folder in [self.base, *(path for path in self.base.rglob("*") if path.suffix != ".sqlite")]:
            os.utime(folder, (LONG_AGO, LONG_AGO))

    def remove(self, day: date = DAY, name: str = "v1") -> None:
        shutil.rmtree(self.production(day, name).root)


def write_receipt(
    production: Production, step: str, unit: str, keys: dict[str, str], *, generation: int = 1, inputs: Any = ()
) -> None:
    """A receipt with its product's file and its attempt's record."""
    name = f"{step}.{unit}"
    keys[name] = key = f"{hash_of(name)}"
    id_ = f"20241116T000000-node1-{generation}-a"
    attempt = {"id": id_, "ended": f"2024-11-16T00:0{generation}:00.123+00:00"}
    calibration = production.root / "calibration" / "calibration.Run02002.0000.h5"
    made_from = {"role": "calibration", "path": str(calibration), "identity": "", "key": "c"}
    made = Made("dl1", f"{name}.h5", ".osa/scratch/x", 2**33, "5" * 64, "7" * 64)
    receipt = Receipt(
        *(step, unit, key, generation, {}, inputs or (made_from,), (made,), {}),
        software={"lstchain": "0.12.3"},
        attempt=attempt,
    )
    put(production.receipts(unit) / f"{name}.{generation}.json", receipt.text())
    write_record_of(production, step, unit, "made", id_=id_)


def put(path: Path, text: str) -> None:
    """Write a file, durable or not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def hash_of(name: str) -> str:
    return name.encode().hex()[:40]


def write_record_of(production: Production, step: str, unit: str, outcome: str, *, id_: str, **more: Any) -> None:
    """An exit record."""
    record = {
        "id": id_,
        "step": step,
        "unit": unit,
        "key": "k",
        "outcome": outcome,
        "reason": "ü — because",
        "exit_code": 0,
        "signal": None,
        "timed_out": False,
        "started": "2024-11-16T00:00:00.001+00:00",
        "ended": "2024-11-16T00:00:09.123+00:00",
        "wall_s": 9.1,
        "cpu_s": 0.1,
        "verify_wall_s": 0.3,
        "verify_cpu_s": 0.2,
        "peak_memory_mb": 1234.5678901234567,
        "log": "x.log",
        "pid": 7,
        "host": "node1",
        **more,
    }
    put(production.attempts(unit) / f"{step}.{unit}.{id_}.json", json.dumps(record))


def write_array(production: Production, name: str, elements: int) -> None:
    """A job array, of which the last element left no record yet."""
    folder = production.state / "engine" / "arrays" / name
    asked = {"memory_mb": 6000, "time_limit_s": 9000.0, "cores": 1}
    jobs = {str(index): [f"job{index}"] for index in range(elements)}
    put(folder / "intent.json", json.dumps({"name": name, "stage": "dl1", "asked": asked, "elements": jobs}))
    put(folder / "submitted.json", json.dumps({"job": 17}))
    for index in range(elements - 1):
        write_record(folder, Record(index, 0, 0, "done", f"job{index}", host="node1", slurm_job=17, cpu_s=1.5))
        write_record(folder, Record(index, -1, 0, "ended"))


def decide(production: Production, number: int, **more: Any) -> None:
    """A decision, with a field that this version does not know."""
    said = {"format": 1, "reason": "no events", "by": "person", "user": "op", "host": "node1", "undoes": [], "new": 1}
    text = json.dumps({**said, "when": "2024-11-16T08:00:00.000+00:00", **more})
    put(production.state / "decisions" / f"{number:04d}.json", text)


def dump(main: MainConfig) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of the view of the files, table by table, in the order of their keys."""
    return dict(_tables(main))


def _tables(main: MainConfig) -> Iterator[tuple[str, list[tuple[Any, ...]]]]:
    with open_engine(address(main), to_write=False).connect() as connection:
        for table in CONTENT:
            columns = table.__table__.columns
            rows = connection.execute(select(*columns)).all()
            keys = [columns.keys().index(column.name) for column in table.__table__.primary_key]
            yield table.__tablename__, sorted(map(tuple, rows), key=itemgetter(*keys))


def killed_in_update(site: LedgerSite, after: int) -> None:
    """An update that is killed between two statements of a production's transaction."""
    real, count = updating.insert, 0

    def counting(table: Any) -> Any:
        nonlocal count
        count += 1
        if count > after:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(table)

    updating.insert = counting  # type: ignore[assignment]
    update_ledger(site.main, again=True)
