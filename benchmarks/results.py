"""Figures of the engine benchmark, kept in a file as they come: what is there is not measured again."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

COLUMNS = (
    "tool",
    "tasks",
    "runs",
    "sbatch_calls",
    "status_calls",
    "polls",
    "cpu_ms_per_task",
    "rss_mb",
    "luigid_rss_mb",
    "plan_s",
    "submit_s",
    "makespan_ratio",
)
"""Those of the printed table; the JSON has more."""
CONDITIONS = ("slots", "seconds", "poll_s", "subruns_per_job")
"""Figures are comparable where these are equal, and only then."""


@dataclass(frozen=True)
class Results:
    """The results file: one JSON object with a list ``results``."""

    path: Path

    def read(self) -> list[dict[str, Any]]:
        """All that was measured.

        Raises
        ------
        SystemExit
            It is no results file.
        """
        try:
            results = [{"subruns_per_job": 1, **one} for one in json.loads(self.path.read_text())["results"]]
        except FileNotFoundError:
            return []
        except (ValueError, KeyError, TypeError) as error:
            raise SystemExit(f"{self.path} holds no results of this benchmark ({error!r}): remove it") from error
        return results

    def find(self, tool: str, tasks: int, conditions: dict[str, float]) -> dict[str, Any] | None:
        """What was measured for a tool and size under these conditions."""
        wanted = {"tool": tool, "tasks": tasks, **conditions}
        return next((one for one in self.read() if wanted.items() <= one.items()), None)

    def add(self, result: dict[str, Any]) -> None:
        """Keep it, in place of an earlier one of the same tool, size and conditions."""
        same = ("tool", "tasks", *CONDITIONS)
        others = [one for one in self.read() if any(one[key] != result[key] for key in same)]
        self.path.parent.mkdir(parents=True, exist_ok=True)
        new = self.path.with_suffix(".new")
        new.write_text(json.dumps({"results": [*others, result]}, indent=1) + "\n")
        new.replace(self.path)


def table(results: list[dict[str, Any]]) -> str:
    """The columns side by side, and below them what must be known about a row."""
    rows = [COLUMNS, *([_shown(one.get(column)) for column in COLUMNS] for one in results)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    notes = [f"{one['tool']} {one['tasks']}: {one['note']}" for one in results if one.get("note")]
    return "\n".join([*lines, *notes])


def _shown(value: object) -> str:
    return "-" if value is None else str(value)
