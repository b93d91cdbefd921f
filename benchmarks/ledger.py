"""How fast a large ledger answers: seconds, in this process and as the command `osa nights`, from the start of Python on.

``python -m benchmarks.ledger --nights 1000 --subruns 2000 --json`` fills a SQLite file with synthetic rows (made by SQLite itself), asks
it, and writes a night into it. Each subrun has four attempts, five products and a job; one attempt in fifty failed. With ``--folder`` the
file is kept, and used again. docs/benchmarks.md says what each figure is.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from benchmarks.compiled import compile_package
from osa_luigi.config import MainConfig, load_main
from osa_luigi.ledger.database import address, open_engine
from osa_luigi.ledger.history import contents, last_nights
from osa_luigi.ledger.rows import Observed, read_production
from osa_luigi.ledger.schema import upgrade
from osa_luigi.ledger.update import replace
from tests.fast.ledger_nights import LedgerSite

FIRST = date(2022, 1, 1)
PER_RUN = 150
STEPS = ("datacheck", "dl1ab", "gain_selection", "r0_to_dl1")
ROLES = (
    ("datacheck", "datacheck"),
    ("dl1ab", "dl1"),
    ("r0_to_dl1", "dl1"),
    ("r0_to_dl1", "interleaved"),
    ("r0_to_dl1", "muons"),
)
BARS = {"nights_s": 1.0, "command_s": 1.0}
REPEATS = 5
QUESTIONS = {
    "failures_s": "SELECT step, host, COUNT(*) FROM attempts WHERE date >= '{month}' AND outcome = 'failed' GROUP BY step, host",
    "run_s": "SELECT date, production FROM runs WHERE run = {run}",
    "memory_s": "SELECT step, MAX(peak_memory_mb) FROM attempts WHERE date >= '{month}' GROUP BY step",
}

# A row for each subrun of a night: the numbers of its run and of itself, its unit.
SUBRUNS = """
WITH RECURSIVE counted(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM counted WHERE n + 1 < :subruns),
subrun(run, subrun, unit) AS (
  SELECT :run + n / 150, n % 150, printf('Run%05d.%04d', :run + n / 150, n % 150) FROM counted ORDER BY n
)
"""
FILL = (
    "INSERT INTO nights VALUES (:day, 'v1', '/data/running_analysis/' || :day || '/v1', 'closed', :day || ' 12:00:00.000000',"
    " 9000, 9000, :day, 1, 2, '0.12.3', :subruns / 150 + 1, :subruns, :subruns * 4, :subruns * 4 / 50, 1e6, :subruns,"
    " :subruns * 5, :subruns * 300000000, 0)",
    f"INSERT INTO runs {SUBRUNS} SELECT :day, 'v1', run, 'DATA', 'Crab', COUNT(*) FROM subrun GROUP BY run",
    f"INSERT INTO subruns {SUBRUNS} SELECT :day, 'v1', run, subrun, 4, 4, 4, 0, 500.0 FROM subrun",
    f"INSERT INTO jobs {SUBRUNS} SELECT :day, 'v1', 'osa.v1.' || run, subrun, 0, 0, 'slurm', 'job.' || unit, 'r0_to_dl1', 'done',"
    " '', '', run || '_' || subrun, 'node' || subrun % 60, :day || ' 10:00:00.000000', 6000, 9000.0, 1, 4000.0, 1900.0 FROM subrun",
    *(
        f"INSERT INTO attempts {SUBRUNS} SELECT :day, 'v1', '{step}', unit, '20240101T000000-node-' || lower(hex(randomblob(4))),"
        " run, subrun, CASE WHEN (run + subrun) % 50 = 0 THEN 'failed' ELSE 'made' END, '', 0, NULL, 0, :day || ' 09:00:00.000000',"
        " :day || ' 10:00:00.000000', 1000.0, 990.0, 5.0, 4.0, 3000.0 + subrun, 'node' || subrun % 60,"
        f" '.osa/logs/{step}.' || unit || '.log', lower(hex(randomblob(20))) FROM subrun"
        for step in STEPS
    ),
    *(
        f"INSERT INTO products {SUBRUNS} SELECT :day, 'v1', '{step}', unit, '{role}/{step}_LST-1.' || unit || '.h5', run, subrun,"
        f" '{role}', 1, 60000000, lower(hex(randomblob(32))), lower(hex(randomblob(32))), lower(hex(randomblob(20))),"
        " :day || ' 10:00:00.000000', '20240101T000000-node', '' FROM subrun"
        for step, role in ROLES
    ),
    "INSERT INTO readings VALUES (:day, 'v1', 'f', :day || ' 12:00:00.000000', :day || ' 12:00:00.000000', 0)",
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Fill, ask, print; the exit code is 1 where a bar is missed."""
    asked = parse(arguments)
    compile_package()
    folder = asked.folder or Path(tempfile.mkdtemp(prefix="osa-bench-ledger-"))
    try:
        results = measure(folder, asked.nights, asked.subruns)
    finally:
        if not asked.folder:
            shutil.rmtree(folder)
    print(json.dumps({"results": [results], "bars": BARS}, indent=1) if asked.json else _table(results))
    sys.exit(any(results[name] > bar for name, bar in BARS.items()))


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ledger", description=__doc__)
    parser.add_argument("--nights", type=int, default=1000)
    parser.add_argument("--subruns", type=int, default=2000, help="of each night")
    parser.add_argument("--folder", type=Path, help="keep the ledger here, or use the one that is here")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of lines")
    return parser.parse_args(arguments)


def measure(folder: Path, nights: int, subruns: int) -> dict[str, Any]:
    """All figures."""
    folder.mkdir(parents=True, exist_ok=True)
    site = LedgerSite(folder)
    main_ = site.configure()
    file = folder / "ledger.sqlite"
    filled = _timed(lambda: fill(main_, file, nights, subruns))
    month = FIRST + timedelta(days=nights - 30)
    facts = {"month": month.isoformat(), "run": 1000 + 7 * 100}
    return {
        "nights": nights,
        "subruns": subruns,
        "rows": sum(contents(main_).rows.values()),
        "size_mb": round(file.stat().st_size / 2**20),
        "fill_s": filled,
        "nights_s": _median(lambda: last_nights(main_, 30)),
        "all_nights_s": _median(lambda: last_nights(main_, nights)),
        "command_s": _median(lambda: command(site.config)),
        "command_cpu_s": _cpu(lambda: command(site.config)),
        **{name: _median(lambda text=text: ask(file, text.format(**facts))) for name, text in QUESTIONS.items()},
        **_one_night(site, subruns),
    }


def fill(main: MainConfig, file: Path, nights: int, subruns: int) -> None:
    """Make a ledger, unless it is there; killed in the middle it goes on with the next night."""
    url = address(main)
    upgrade(open_engine(url, to_write=True), url)
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute("PRAGMA synchronous=OFF")
    for number in range(connection.execute("SELECT COUNT(*) FROM nights").fetchone()[0], nights):
        day = (FIRST + timedelta(days=number)).isoformat()
        connection.execute("BEGIN")
        for statement in FILL:
            connection.execute(
                statement, {"day": day, "subruns": subruns, "run": 1000 + number * (subruns // PER_RUN + 1)}
            )
        connection.execute("COMMIT")
    connection.close()


def ask(file: Path, question: str) -> list[Any]:
    """As anybody would who has a SQLite client."""
    with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as connection:
        return connection.execute(question).fetchall()


def command(config: Path) -> None:
    """The command, in a process of its own."""
    path = os.pathsep.join(entry for entry in sys.path if entry)
    environment = {**os.environ, "OSA_CONFIG": str(config), "PYTHONPATH": path}
    program = [sys.executable, "-c", "from osa_luigi.cli import main; main()", "nights"]
    subprocess.run(program, env=environment, stdout=subprocess.DEVNULL, check=True)


def _one_night(site: LedgerSite, subruns: int) -> dict[str, float]:
    """What an update takes for a night that changed: reading its files, and putting its rows into the large ledger."""
    day = FIRST - timedelta(days=1)
    production = site.night(day, subruns=subruns)
    main = load_main(site.config, check_files=False)
    paths = main.site.paths
    begun = time.perf_counter()
    reading = read_production(production, day, Observed(paths.run_summary, paths.run_catalog))
    read_s = time.perf_counter() - begun
    with open_engine(address(main), to_write=True).begin() as connection:
        written = _timed(lambda: replace(connection, (day, "v1"), reading, ""))
        connection.rollback()
    rows = sum(map(len, reading.rows.values()))
    return {"night_rows": rows, "read_night_s": round(read_s, 3), "write_night_s": written}


def _timed(what: Callable[[], object]) -> float:
    begun = time.perf_counter()
    what()
    return round(time.perf_counter() - begun, 3)


def _median(what: Callable[[], object]) -> float:
    return statistics.median(_timed(what) for _ in range(REPEATS))


def _cpu(what: Callable[[], object]) -> float:
    before = os.times()
    what()
    after = os.times()
    return round(after.children_user + after.children_system - before.children_user - before.children_system, 3)


def _table(results: dict[str, Any]) -> str:
    return "\n".join(f"{name:15} {value}" for name, value in results.items())


if __name__ == "__main__":
    main()
