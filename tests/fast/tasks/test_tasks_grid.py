"""Runs × stages: what is counted, and that it fits a terminal."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import click
import pytest
from click.testing import CliRunner
from fake_nights import DAY, LSTOSA_DAY, LSTOSA_RUNS, RUNS, FakeSite, run_night

from osa_luigi.batch.lease import release_lease
from osa_luigi.cli.app import app
from osa_luigi.cli.night_table import print_grid
from osa_luigi.products.decisions import DecisionKind, decide
from osa_luigi.tasks.grid import STAGES, Cell, Grid, Line
from osa_luigi.tasks.looking import overview
from osa_luigi.tasks.opening import open_session


def grid(site: FakeSite, day: date = DAY) -> Grid:
    return overview(open_session(site.config, day, to_write=False)).grid


def cells(found: Grid, run: int) -> dict[str, str]:
    (line,) = [line for line in found.runs if line.run == run]
    return {stage: str(cell) for stage, cell in line.stages.items()}


def printed(site: FakeSite, day: date = DAY, code: int = 1) -> list[str]:
    arguments = ["status", "--config", str(site.config), "--date", day.isoformat(), "--grid"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == code, result.output
    return result.output.splitlines()


def test_every_step_of_a_run_has_a_column_of_its_own(finished: FakeSite) -> None:
    steps = [step for of_stage in STAGES.values() for step in of_stage]
    assert len(steps) == len(set(steps))
    made = {"DL1A": "2/2", "DL1B": "2/2", "CHECK": "2/2", "MERGE": "2/2", "DL2": "1/1", "PLOTS": "2/2"}
    assert cells(grid(finished), 2003) == made
    found = {name: str(cell) for name, cell in grid(finished).night.items()}
    assert found == {"calibration": "2/2", "night check": "1/1", "closing": "1/1"}


@pytest.mark.usefixtures("borrowed")
def test_what_failed_and_what_is_left_out(fake_site: FakeSite) -> None:
    fake_site.night(*RUNS[:2], (2003, "DATA", 3), RUNS[3])
    decide(fake_site.production(), DecisionKind.DISCARD, "Run02003.0002", "test")
    fake_site.set(fake={"fail": ["dl1ab:Run02003.0001"]})
    run_night(fake_site)
    release_lease(fake_site.production())
    found = grid(fake_site)
    assert [line.left_out for line in found.runs] == [1, 0]
    assert cells(found, 2003)["DL1A"] == "2/2"
    assert cells(found, 2003)["DL1B"] == "1/2 ✗1"
    assert "\x1b" not in "\n".join(printed(fake_site))


@pytest.mark.parametrize("longest", [False, True])
def test_the_largest_night_fits_a_hundred_columns(fake_site: FakeSite, longest: bool) -> None:
    """With all that a cell may say, 40 runs of 152 subruns and every stage."""
    fake_site.set(gain_selection={"enabled": longest}, cat_b={"enabled": True}, tailcuts={"source": "per_run"})
    seen = overview(open_session(fake_site.config, DAY, to_write=False))
    of_run = {"CATB", "MERGE", "DL2", "PLOTS"}
    stages = {name: Cell(2, 1, 1, 0) if name in of_run else Cell(152, 150, 1, 1) for name in seen.grid.runs[0].stages}
    assert len(stages) == len(STAGES) - (not longest)
    runs = tuple(Line(20000 + number, 152, 1, stages) for number in range(40))
    with click.Context(click.Command("status")), CliRunner().isolation() as (out, *_):
        print_grid(replace(seen, grid=Grid(runs, seen.grid.night)))
        lines = out.getvalue().decode().splitlines()
    rows = [line for line in lines if line[:5].isdecimal()]
    assert len(rows) == 40
    assert ("150/152✗1…1" if longest else "150/152 ✗1 …1") in rows[0]
    assert max(map(len, [lines[0], *rows])) <= 100


@pytest.mark.usefixtures("borrowed")
def test_the_night_of_lstosa_from_nothing_to_its_tree(fake_site: FakeSite) -> None:
    """The same sequences, arrays and names: a calibration, and two runs of 11 and 9 subruns."""
    fake_site.night(*LSTOSA_RUNS, day=LSTOSA_DAY)
    assert run_night(fake_site, LSTOSA_DAY).scheduling_succeeded
    session = open_session(fake_site.config, LSTOSA_DAY, to_write=False)
    seen = overview(session)
    assert seen.closed
    assert [(row.seq, row.parent, row.type, row.run) for row in seen.rows] == [
        (1, None, "PEDCALIB", 1809),
        (2, 1, "DATA", 1807),
        (3, 1, "DATA", 1808),
    ]
    assert {run: one.run.array for run, one in session.plan.runs.items()} == {1807: "0-10", 1808: "0-8"}
    root = fake_site.production(day=LSTOSA_DAY).root
    assert root == fake_site.data / "running_analysis" / "20200117" / "fake"
    subruns = [f"Run01807.{number:04d}" for number in range(11)] + [f"Run01808.{number:04d}" for number in range(9)]
    for level, pattern in (
        (".", "dl1_LST-1.{}.h5"),
        (".", "muons_LST-1.{}.fits"),
        ("interleaved", "interleaved_LST-1.{}.h5"),
        ("tailcut84", "dl1_LST-1.{}.h5"),
        ("tailcut84", "datacheck_dl1_LST-1.{}.h5"),
    ):
        assert [unit for unit in subruns if not (root / level / pattern.format(unit)).is_file()] == []
    assert (root / "NightFinished.txt").is_file()
    assert {line.run: str(line.stages["DL1B"]) for line in seen.grid.runs} == {1807: "11/11", 1808: "9/9"}
