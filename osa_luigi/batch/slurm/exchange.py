"""What the SLURM engine hears (events) and asks for (commands), as data; core.py decides which follow from which.

Commands are carried out in the order in which they were decided on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from osa_luigi.batch.slurm.model import ArrayState, JobState, Wish
from osa_luigi.batch.slurm.policies import Asked, Failure
from osa_luigi.batch.slurm.seen import Sighting


@dataclass(frozen=True, slots=True)
class Recovered:
    """Arrays that an earlier engine of the night left open."""

    at: float
    arrays: tuple[ArrayState, ...]
    jobs: tuple[JobState, ...]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Luigi handed out jobs."""

    at: float
    wishes: tuple[Wish, ...]


@dataclass(frozen=True, slots=True)
class Tick:
    """Time to submit what is ready."""

    at: float


@dataclass(frozen=True, slots=True)
class Sent:
    """sbatch gave an id."""

    at: float
    array: str
    job: int


@dataclass(frozen=True, slots=True)
class Refused:
    """sbatch said no.

    Parameters
    ----------
    passing
        For now.
    too_many
        For the number of jobs: it may take some of them.
    """

    at: float
    array: str
    text: str
    passing: bool = False
    too_many: bool = False


@dataclass(frozen=True, slots=True)
class Postponed:
    """An array was not handed in, nor written down.

    Parameters
    ----------
    text
        What is in the way, and is told elsewhere; nothing: it comes behind one that is.
    """

    at: float
    array: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class Unanswered:
    """Nobody knows whether sbatch did its work."""

    at: float
    array: str
    text: str


@dataclass(frozen=True, slots=True)
class Looked:
    """SLURM was asked for an array's name, and answered: its ids, or none."""

    at: float
    array: str
    jobs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Note:
    """A record that an element left: of a job, or (``job`` empty) of its own end.

    Parameters
    ----------
    log
        Of the job's last attempt: its path.
    """

    array: str
    index: int
    job: str = ""
    failure: Failure | None = None
    log: str = ""


@dataclass(frozen=True, slots=True)
class Polled:
    """The records that elements left since the last time, and then what SLURM's queue held; `None` if it did not answer.

    Parameters
    ----------
    asked_at
        When SLURM was asked: what was submitted later need not be in the answer.
    queue
        Name of the array → index → sighting.
    """

    at: float
    notes: tuple[Note, ...]
    asked_at: float = 0.0
    queue: Mapping[str, Mapping[int, Sighting]] | None = None


@dataclass(frozen=True, slots=True)
class Accounted:
    """What the accounting says of elements that the queue no longer holds; none of it if there is no accounting."""

    at: float
    sightings: Mapping[str, Mapping[int, Sighting]]


@dataclass(frozen=True, slots=True)
class Checked:
    """Whether the products of jobs are there, by their receipts.

    Parameters
    ----------
    short_of_memory
        Jobs of whose element SLURM wrote into its output that it took too much.
    output
        Of jobs that are not made: where their element's output is, and how it ends; for people.
    """

    at: float
    made: Mapping[str, bool]
    short_of_memory: frozenset[str] = frozenset()
    output: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Unchecked:
    """Nobody knows for now whether the products of jobs are there: the disk is in trouble."""

    at: float
    jobs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Forgiven:
    """An operator says that what was given up shall be tried again."""

    at: float
    jobs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Released:
    """SLURM has let elements of an array start that it held."""

    at: float
    array: str
    indices: tuple[int, ...]


Event = (
    Recovered
    | Wanted
    | Tick
    | Sent
    | Refused
    | Postponed
    | Unanswered
    | Looked
    | Polled
    | Accounted
    | Checked
    | Unchecked
    | Forgiven
    | Released
)


@dataclass(frozen=True, slots=True)
class Intend:
    """Write down durably what an array stands for."""

    array: ArrayState


@dataclass(frozen=True, slots=True)
class Submit:
    """Call sbatch; answered by Sent, Refused, Postponed or Unanswered."""

    array: str


@dataclass(frozen=True, slots=True)
class Remember:
    """Write down an array's id durably."""

    array: str
    job: int


@dataclass(frozen=True, slots=True)
class Hold:
    """Write down why sbatch does not take an array for now."""

    array: str
    text: str


@dataclass(frozen=True, slots=True)
class Look:
    """Ask SLURM for an array's name; answered by Looked, or not at all."""

    array: str


@dataclass(frozen=True, slots=True)
class Account:
    """Ask the accounting for arrays (name → id); answered by Accounted, or not at all."""

    arrays: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Check:
    """Look whether jobs' products are there; answered by Checked or Unchecked."""

    jobs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Cancel:
    """Call scancel for elements of an array; all of them if none is named."""

    job: int
    indices: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Recall:
    """Cancel elements that the engine wants no more; written down before, so that the next engine knows that it was meant."""

    array: str
    job: int
    indices: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Release:
    """Let elements of an array start that SLURM holds; answered by Released if it does."""

    array: str
    job: int
    indices: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Close:
    """Write down that nothing more is expected of an array, and what became of its jobs that are not done."""

    array: str
    failed: Mapping[str, tuple[Failure, ...]]
    why: str = ""


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Write down that a job will not be tried again, and why."""

    job: str
    failures: tuple[Failure, ...]
    text: str


@dataclass(frozen=True, slots=True)
class Learn:
    """Write down that a job of a stage was only done with more than it first asked for."""

    stage: str
    first: Asked
    needed: Asked


@dataclass(frozen=True, slots=True)
class Tell:
    """Tell luigi of a job: ``state``, ``done``, ``given up``, or ``again``: it was given up, and is tried again after all.

    Parameters
    ----------
    running
        Of a ``state``: whether its element is live.
    log
        Of an end: the path of the last attempt's log, if the element said so.
    """

    job: str
    kind: str
    text: str = ""
    running: bool = False
    log: str = ""


@dataclass(frozen=True, slots=True)
class Say:
    """Tell the operator."""

    text: str


Command = (
    Intend
    | Submit
    | Remember
    | Hold
    | Look
    | Account
    | Check
    | Cancel
    | Recall
    | Release
    | Close
    | GiveUp
    | Learn
    | Tell
    | Say
)
