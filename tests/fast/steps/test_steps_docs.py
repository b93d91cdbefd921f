"""docs/steps.md says of every step what it runs, reads and writes, or these tests fail."""

from __future__ import annotations

from pathlib import Path

import pytest
from paper_steps import CHAIN, Paper

from osa_luigi.steps import mends
from osa_luigi.steps.catalogue import STEPS

PAGE = (Path(__file__).parents[3] / "docs" / "steps.md").read_text()
ROWS = {line.split("`")[1]: line for line in PAGE.splitlines() if line.startswith("| `")}
SECTIONS = {
    name.strip()
    for line in PAGE.splitlines()
    if line.startswith("### ")
    for name in line.removeprefix("### ").split(",")
}


def test_the_table_has_every_step_in_the_order_of_the_chain():
    assert list(ROWS) == list(STEPS)


@pytest.mark.parametrize("name", CHAIN)
def test_tool_and_roles_of_a_step_are_written_down(paper: Paper, name):
    call = paper.call(name)
    _, _, unit, tool, inputs, outputs, _ = (cell.strip() for cell in ROWS[name].split("|"))
    assert tool == f"`{STEPS[name].command(call).tool.command}`"
    assert {item.role for item in call.inputs} <= set(
        inputs.replace("?", "").replace("(", " ").replace(")", " ").replace(",", " ").split()
    )
    assert call.outputs[0].role in outputs
    assert call.outputs[-1].role in outputs
    assert unit == ("subrun" if "." in call.unit else "run" if call.unit.startswith("Run") else "night")


@pytest.mark.parametrize("name", CHAIN)
def test_how_a_step_is_verified_is_written_down(name):
    assert name in SECTIONS


@pytest.mark.parametrize("name", ["run_summary", "time_calibration", "run_datacheck", "merge_muons"])
def test_the_work_arounds_are_written_down(name):
    assert getattr(mends, name)
    assert f"`{name}`" in PAGE.split("## Work-arounds")[1]
