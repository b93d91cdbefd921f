"""An engine's state, driven by hand."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TypeVar

from osa_luigi.batch.slurm import exchange as ex
from osa_luigi.batch.slurm import model as m
from osa_luigi.batch.slurm.core import decide
from osa_luigi.batch.slurm.policies import Asked, Failure, Policies
from osa_luigi.batch.slurm.seen import Sighting
from osa_luigi.batch.slurm.states import Cause

Kind = TypeVar("Kind")

ASKED = Asked(memory_mb=2000, time_limit_s=600.0)
SETTINGS = m.Settings("osa", 1, Policies(), grace_s=60.0, lookup_s=15.0)


def wish(number: int, run: int = 2001, **more: object) -> m.Wish:
    return replace(m.Wish(f"dl1.{run}.{number}", f"Run{run}.dl1", "r0_to_dl1", ASKED, index=number), **more)


def seen(state: str, index: int = 0, *, name: str = "", job: int = 7, **more: object) -> Sighting:
    node = "" if state == "PENDING" else "node1"
    return replace(Sighting(name, job, index, state, "", 0, 0, "", node, None), **more)


@dataclass
class Driver:
    """Feeds events and keeps what comes of them."""

    settings: m.Settings = SETTINGS
    now: float = 1000.0
    commands: list[ex.Command] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.state = m.State(self.settings)

    def hear(self, event: ex.Event) -> list[ex.Command]:
        self.state, commands = decide(self.state, event)
        self.commands += commands
        return list(commands)

    def later(self, seconds: float) -> Driver:
        self.now += seconds
        return self

    def want(self, *wishes: m.Wish) -> list[ex.Command]:
        return self.hear(ex.Wanted(self.now, wishes))

    def tick(self) -> list[ex.Command]:
        return self.hear(ex.Tick(self.now))

    def queue(self, *sightings: Sighting, array: str = "", notes: tuple[ex.Note, ...] = ()) -> list[ex.Command]:
        """SLURM's queue holds these elements of an array (by default the only one)."""
        name = array or self.array.name
        held = {name: {s.index: replace(s, name=name) for s in sightings}} if sightings else {}
        return self.hear(ex.Polled(self.now, notes, self.now, held))

    def silence(self, *notes: ex.Note) -> list[ex.Command]:
        """SLURM does not answer."""
        return self.hear(ex.Polled(self.now, notes))

    def running(self, *wishes: m.Wish, job: int = 7) -> Driver:
        """Jobs that run as elements of one array."""
        self.want(*wishes)
        self.tick()
        name = self.array.name
        self.hear(ex.Sent(self.now, name, job))
        self.later(30).queue(*(seen("RUNNING", index, job=job) for index in self.array.elements))
        self.commands.clear()
        return self

    @property
    def array(self) -> m.ArrayState:
        [array] = self.state.arrays.values()
        return array

    def job(self, number: int = 0, run: int = 2001) -> m.JobState:
        return self.state.jobs[f"dl1.{run}.{number}"]

    def note(self, number: int = 0, cause: Cause | None = None) -> ex.Note:
        """The record of a job of the only array."""
        failure = Failure(cause, f"it failed for {cause}.") if cause else None
        return ex.Note(self.array.name, number, f"dl1.2001.{number}", failure)

    def told(self, kind: str) -> list[str]:
        return [command.job for command in self.commands if isinstance(command, ex.Tell) and command.kind == kind]

    def asked_for(self, kind: type[Kind]) -> list[Kind]:
        return [command for command in self.commands if isinstance(command, kind)]


def recall(*indices: int, job: int = 7) -> ex.Recall:
    """Of elements of the first array that an engine makes."""
    return ex.Recall("osa.g1.00000.Run2001.dl1", job, indices)
