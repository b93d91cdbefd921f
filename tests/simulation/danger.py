"""Chance, kills, and a disk: what the simulated worlds of an engine and of a campaign have in common."""

from __future__ import annotations

import errno
from dataclasses import dataclass
from random import Random


class Crash(BaseException):
    """The engine is killed: nothing catches it."""


@dataclass
class Dice:
    """Chance, and how bad the world is (0: all goes well)."""

    random: Random
    badness: float = 1.0

    def happens(self, probability: float) -> bool:
        return self.random.random() < probability * self.badness


@dataclass
class Danger:
    """Kills the engine at some of its steps, or lets a disk say no."""

    dice: Dice
    probability: float
    trouble: float = 0.0
    steps: int = 0
    kills: int = 0

    def step(self) -> None:
        self.steps += 1
        if self.dice.happens(self.probability):
            self.kills += 1
            raise Crash

    def disk(self) -> None:
        """A step at which a disk may be full, or away."""
        if self.disk_fails():
            raise OSError(errno.EIO, "Input/output error")

    def disk_fails(self) -> bool:
        """The same, for what says so itself."""
        self.step()
        return self.dice.happens(self.trouble)


class Disk:
    """Files that are written whole or not at all; a kill may come before or after."""

    def __init__(self, danger: Danger) -> None:
        self.files: dict[str, str] = {}
        self._danger = danger

    def write(self, path: str, text: str) -> None:
        self._danger.disk()
        self.files[path] = text
        self._danger.disk()

    def read(self, path: str) -> str:
        self._danger.disk()
        try:
            return self.files[path]
        except KeyError:
            raise FileNotFoundError(path) from None

    def names(self, folder: str) -> list[str]:
        inside = f"{folder}/"
        return sorted({path[len(inside) :].partition("/")[0] for path in self.files if path.startswith(inside)})

    def remove(self, path: str) -> None:
        self._danger.step()
        self.files.pop(path, None)

    def as_others_see_it(self) -> Disk:
        """The same files, for somebody who is not killed with the engine."""
        disk = Disk(Danger(self._danger.dice, 0.0))
        disk.files = self.files
        return disk
