"""``simulation.json``: which nights a base holds, how they were made, and whether they are complete."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from osa_luigi.errors import NightError
from osa_luigi.telescope.faults import Fault
from osa_luigi.telescope.files import written_whole
from osa_luigi.telescope.options import RunType, SimulatedNight, SimulatedRun, SimulationOptions

SIMULATION_VERSION = 1
"""To be raised when the same options give other data."""
NOT_IN_IDENTITY = ("base", "date", "processes")
"""Options that do not decide what the data of a night are; the date is the night's name."""

Entry = dict[str, Any]

DEFAULTS: Entry = {
    field.name: field.default for field in dataclasses.fields(SimulationOptions) if field.name not in NOT_IN_IDENTITY
} | {"faults": []}


@dataclass(frozen=True)
class Held:
    """A raw file that is held back, or was until it was delivered."""

    fault: str
    file: Path
    """Where it belongs."""
    whole: Path
    """Where it is held."""


def identity(options: SimulationOptions) -> Entry:
    """What decides a night's data, as JSON."""
    values = dataclasses.asdict(options) | {"faults": sorted(str(fault) for fault in options.faults)}
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

    def recorded(self, options: SimulationOptions) -> SimulatedNight | None:
        """The night, if it is there, whole, and made with these options.

        Raises
        ------
        NightError
            It was made with others, or another night has the same run numbers.
        """
        nights = self._nights()
        for night, entry in nights.items():
            if night != options.yyyymmdd:
                self._refuse_same_runs(options, night, entry)
        entry = nights.get(options.yyyymmdd, {})
        if not entry:
            return None
        self._refuse_other_options(options, entry)
        if not entry["complete"] or not self._files_are_whole(entry) or not self._held_are_somewhere(entry):
            return None
        return _night_from_json(options, entry["night"])

    def _files_are_whole(self, entry: Entry) -> bool:
        files = ((self._base / name, size) for name, size in entry["files"].items())
        return all(path.is_file() and path.stat().st_size == size for path, size in files)

    def held(self, day: date) -> list[Held]:
        """The files of a night that are held back, or were.

        Raises
        ------
        NightError
            There is no such night, or it is not complete.
        """
        nights = self._nights()
        entry = nights.get(f"{day:%Y%m%d}", {"complete": False})
        if not entry["complete"]:
            known = ", ".join(sorted(nights)) or "none"
            raise NightError(
                f"{self._base} holds no complete simulated night {day:%Y%m%d} (nights there: {known}): "
                "check --base and --date, or simulate it first"
            )
        return [
            Held(one["fault"], self._base / one["file"], self._base / one["whole"]) for one in entry.get("held", [])
        ]

    def _held_are_somewhere(self, entry: Entry) -> bool:
        places = ([self._base / one["whole"], self._base / one["file"]] for one in entry.get("held", []))
        return all(any(place.is_file() for place in two) for two in places)

    def _refuse_other_options(self, options: SimulationOptions, entry: Entry) -> None:
        # Before an option existed, what is its default was all there was.
        asked, found = identity(options), DEFAULTS | entry["options"]
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

    def finish(self, options: SimulationOptions, night: SimulatedNight, files: list[Path], held: list[Held]) -> None:
        """Note that the night is complete, with these files, and these that are held back."""
        sizes = {str(path.relative_to(self._base)): path.stat().st_size for path in sorted(files)}
        entry = {"options": identity(options), "complete": True, "files": sizes}
        if held:
            entry["held"] = [self._relative(one) for one in held]
        self._write(options, entry | {"night": _night_to_json(night)})

    def _relative(self, held: Held) -> dict[str, str]:
        places = {name: str(getattr(held, name).relative_to(self._base)) for name in ("file", "whole")}
        return {"fault": held.fault} | places

    def _write(self, options: SimulationOptions, entry: Entry) -> None:
        nights = self._nights() | {options.yyyymmdd: entry}
        with written_whole(self.path) as temporary:
            temporary.write_text(json.dumps({"nights": nights}, indent=1, sort_keys=True) + "\n")


PATHS = (
    "r0",
    "run_catalog",
    "drive_log",
    "ffactor_systematics",
    "time_calibration",
    "truth",
    "models",
    "model_config",
)
"""Fields of a SimulatedNight that lie below its base, and are recorded relative to it: a base can be moved."""


def _night_to_json(night: SimulatedNight) -> Entry:
    paths = {name: getattr(night, name) for name in PATHS}
    relative = {name: path and str(path.relative_to(night.base)) for name, path in paths.items()}
    runs = [dataclasses.asdict(run) | {"start": run.start.isoformat()} for run in night.runs]
    faults = [str(fault) for fault in night.faults]
    return {"source": night.source, "runs": runs, "paths": relative, "faults": faults}


def _night_from_json(options: SimulationOptions, entry: Entry) -> SimulatedNight:
    runs = (
        SimulatedRun(
            run["run_id"],
            RunType(run["run_type"]),
            run["subruns"],
            run["events"],
            datetime.fromisoformat(run["start"]),
        )
        for run in entry["runs"]
    )
    paths = {name: options.base / path if path else None for name, path in entry["paths"].items()}
    return SimulatedNight(
        base=options.base,
        date=options.date,
        source=entry["source"],
        runs=tuple(runs),
        fresh=False,
        faults=tuple(Fault.parse(text) for text in entry.get("faults", [])),
        **paths,  # type: ignore[arg-type]  # only those that may be None are
    )
