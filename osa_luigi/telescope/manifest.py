"""``simulation.json``: which nights a base holds, how they were made, and whether they are complete."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from osa_luigi.errors import NightError
from osa_luigi.telescope.files import written_whole
from osa_luigi.telescope.options import SimulationOptions

SIMULATION_VERSION = 1
"""To be raised when the same options give other data."""
NOT_IN_IDENTITY = ("base", "date", "processes")
"""Options that do not decide what the data of a night are; the date is the night's name."""

Entry = dict[str, Any]


def identity(options: SimulationOptions) -> Entry:
    """What decides a night's data, as JSON."""
    values = dataclasses.asdict(options)
    return {"version": SIMULATION_VERSION} | {
        name: value for name, value in values.items() if name not in NOT_IN_IDENTITY
    }


class Manifest:
    """The manifest of one base."""

    def __init__(self, base: Path) -> None:
        self._base = base
        self.path = base / "simulation.json"

    def _nights(self) -> dict[str, Entry]:
        if not self.path.exists():
            return {}
        try:
            nights: dict[str, Entry] = json.loads(self.path.read_text())["nights"]
        except (ValueError, KeyError, TypeError) as error:
            raise NightError(
                f"{self.path} is no manifest of a simulation ({error}). Remove it to simulate the night again."
            ) from error
        return nights

    def complete(self, options: SimulationOptions) -> bool:
        """Whether the night is there, whole, and made with these options.

        Raises
        ------
        NightError
            It was made with others, or another night has the same run numbers.
        """
        nights = self._nights()
        for date, entry in nights.items():
            if date != options.yyyymmdd:
                self._refuse_same_runs(options, date, entry)
        entry = nights.get(options.yyyymmdd, {})
        if not entry:
            return False
        self._refuse_other_options(options, entry)
        return bool(entry["complete"]) and all(
            (self._base / name).is_file() and (self._base / name).stat().st_size == size
            for name, size in entry["files"].items()
        )

    def _refuse_other_options(self, options: SimulationOptions, entry: Entry) -> None:
        asked, found = identity(options), entry["options"]
        differences = [
            f"{name} is {found.get(name)!r} there, {asked.get(name)!r} was asked for"
            for name in sorted(asked | found)
            if asked.get(name) != found.get(name)
        ]
        if differences:
            raise NightError(
                f"{self._base} already holds the simulated night {options.yyyymmdd}, made with other options: "
                f"{'; '.join(differences)}. Ask for the same options, choose another base, or remove this one."
            )

    def _refuse_same_runs(self, options: SimulationOptions, date: str, entry: Entry) -> None:
        first = entry["options"]["first_run"]
        last = first + 1 + entry["options"]["data_runs"]
        if options.first_run <= last and first <= options.last_run:
            raise NightError(
                f"{self._base} already holds the simulated night {date} with runs {first} to {last}; "
                f"{options.yyyymmdd} would have runs {options.first_run} to {options.last_run}. "
                f"Choose first_run={last + 1} or another base."
            )

    def begin(self, options: SimulationOptions) -> None:
        """Note that the night is being made."""
        self._write(options, {"options": identity(options), "complete": False, "files": {}})

    def finish(self, options: SimulationOptions, files: list[Path]) -> None:
        """Note that the night is complete, with these files."""
        sizes = {str(path.relative_to(self._base)): path.stat().st_size for path in sorted(files)}
        self._write(options, {"options": identity(options), "complete": True, "files": sizes})

    def _write(self, options: SimulationOptions, entry: Entry) -> None:
        nights = self._nights() | {options.yyyymmdd: entry}
        with written_whole(self.path) as temporary:
            temporary.write_text(json.dumps({"nights": nights}, indent=1, sort_keys=True) + "\n")
