"""The page on SLURM holds every state, reason and cause that the code knows, in the code's words."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from osa_luigi.batch.slurm.policies import RETRIES
from osa_luigi.batch.slurm.states import PATIENT, STATES, STUCK, Cause
from osa_luigi.config.slurm import RETRIES as CONFIGURED

PAGE = (Path(__file__).parents[3] / "docs" / "how-to" / "run-on-slurm.md").read_text()


def table(heading: str) -> list[str]:
    """The rows of the first table under a heading, without its head."""
    section = PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]
    return [line for line in section.splitlines() if line.startswith("| `")]


STATE_ROWS = [f"| `{state}` | {what.standing} | {what.cause or ''} |" for state, what in STATES.items()]
REASON_ROWS = [
    *(f"| `{reason}` | {advice.replace('{id}', 'ID')} |" for reason, advice in STUCK.items()),
    *(f"| `{reason}` | nothing to do: {words} |" for reason, words in PATIENT.items()),
]


@pytest.mark.parametrize(
    ("heading", "rows"), [("What SLURM's states mean", STATE_ROWS), ("Why an element waits", REASON_ROWS)]
)
def test_a_table_is_that_of_the_code(heading: str, rows: list[str]) -> None:
    assert table(heading) == rows


def test_every_cause_has_its_number_of_retries() -> None:
    told = {cause: int(number) for cause, number in re.findall(r"^\| `(\w+)` \| (\d+) \|", PAGE, re.M)}
    assert told == {str(cause): number for cause, number in RETRIES.items()}
    assert {cause: told[cause] for cause in CONFIGURED} == {cause: number for cause, (number, _) in CONFIGURED.items()}
    assert set(RETRIES) == set(Cause)
