"""What the SLURM engine knows, as data; core.py decides, exchange.py holds what it hears and asks for.

Times (``at``) are seconds on one clock that never goes back; only differences count.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from osa_luigi.batch.slurm.policies import GROWING, Asked, Failure, Policies
from osa_luigi.batch.slurm.seen import Sighting


@dataclass(frozen=True, slots=True)
class Wish:
    """A job that luigi wants done.

    Parameters
    ----------
    name
        The luigi task's id.
    group
        Jobs of one group make an array together.
    stage
        The first step of the job: options, resources and giving up go by it.
    asked
        What it asks for, by the configuration.
    index
        The array index that a person would look for.
    after
        Riders of other jobs that must have ended before it starts.
    riders
        What rides along with it.
    key
        Stands for the step keys of its calls: a job of the same name and another key makes other products.
    configured
        What the configuration alone asks for, before what earlier nights have taught; `None`: the same.
    """

    name: str
    group: str
    stage: str
    asked: Asked
    index: int | None = None
    after: tuple[str, ...] = ()
    riders: tuple[str, ...] = ()
    key: str = ""
    configured: Asked | None = None


class Phase(StrEnum):
    """Where a job stands with the engine."""

    READY = "ready"
    """Waits to be put into an array."""
    PLACED = "placed"
    """Stands in an array."""
    DONE = "done"
    GIVEN_UP = "given up"


@dataclass(frozen=True, slots=True)
class JobState:
    """A job, and what became of it so far.

    Parameters
    ----------
    asked
        What its next (or present) element asks for: grown where it needed more.
    failures
        Of its attempts in other elements before.
    not_before
        A retry waits until then.
    wanted
        Whether luigi waits to hear of its end.
    text
        Why it is given up.
    """

    wish: Wish
    phase: Phase
    asked: Asked
    array: str = ""
    index: int = 0
    failures: tuple[Failure, ...] = ()
    not_before: float = 0.0
    wanted: bool = True
    text: str = ""

    def is_due(self, at: float) -> bool:
        """Whether it may be put into an array: luigi wants it (of what an earlier engine had, it need not), and its pause is over."""
        return self.phase is Phase.READY and self.wanted and self.not_before <= at

    @property
    def has_grown(self) -> bool:
        """Whether it asks for more than it was first asked for, since it needed it."""
        return any(failure.cause in GROWING for failure in self.failures)


class Link(StrEnum):
    """How an array stands with SLURM."""

    SENDING = "sending"
    """Its intent is written, sbatch is (or was) called."""
    LOST = "lost"
    """Nobody knows whether SLURM has it: its name is looked up."""
    HELD = "held"
    """sbatch refused it for now: it is sent again, and nothing else before."""
    QUEUED = "queued"
    """SLURM gave it an id."""


NO_FAILURES: Mapping[str, Failure] = {}
"""One for the thousands of elements of which none failed."""


@dataclass(frozen=True, slots=True)
class Element:
    """One element of an array, which runs its jobs one after the other.

    Parameters
    ----------
    jobs
        In order.
    open
        Those of them whose outcome is not known yet.
    failed
        What its own records say of jobs that failed: acted upon once the element has ended.
    failed_at
        When the first of those records was read.
    state, reason, node
        As SLURM last said.
    ended_at
        When SLURM was first seen to have ended it.
    doubtful_since
        Since when it is in a state after which SLURM may yet requeue it.
    missing_since
        Since when neither the queue nor the accounting knows it.
    missed
        How often it was looked for in vain.
    through_at
        When its own record was read that says that it has ended, riders included.
    checking
        Whether its products are being looked at.
    charged
        Whether its bad end was put down to the job that it was at: those behind that never began.
    held_since, releases
        Since when SLURM holds it because a node could not start it, and how often we released it.
    recalled_at
        When the engine cancelled it: it waited with an outdated request, its stage was given up, or its products are not wanted any more.
    """

    jobs: tuple[str, ...]
    open: tuple[str, ...]
    failed: Mapping[str, Failure] = field(default_factory=lambda: NO_FAILURES)
    failed_at: float | None = None
    state: str = ""
    reason: str = ""
    node: str = ""
    signal: int = 0
    by: str = ""
    ended_at: float | None = None
    doubtful_since: float | None = None
    missing_since: float | None = None
    missed: int = 0
    through_at: float | None = None
    checking: bool = False
    charged: bool = False
    held_since: float | None = None
    releases: int = 0
    recalled_at: float | None = None

    @property
    def over_at(self) -> float | None:
        """Since when nothing of it runs any more, by its own word or by SLURM's."""
        return self.ended_at if self.through_at is None else self.through_at

    @property
    def over(self) -> bool:
        """Whether nothing of it runs any more."""
        return self.over_at is not None


@dataclass(frozen=True, slots=True)
class ArrayState:
    """A job array.

    Parameters
    ----------
    link, job
        How it stands with SLURM, and the id there.
    sent_at
        When SLURM took it; what was asked of SLURM before says nothing of it.
    look_at, looks, found_nothing_since
        While its name is looked up: when next, how often so far, and since when in vain.
    send_at, refusal
        While it is held: when it is sent again, and sbatch's words.
    number
        How many the engine had made before.
    said
        Reasons for which it does not start, that the operator was told of.
    calm
        What the queue held of it at the last look, if nothing in it waits for time to pass: of the same again nothing follows.
    adopted
        Whether an earlier engine made it. Its records may be of attempts on which that one has acted.
    """

    name: str
    group: str
    stage: str
    asked: Asked
    elements: Mapping[int, Element]
    link: Link
    job: int | None = None
    sent_at: float = 0.0
    look_at: float = 0.0
    send_at: float = 0.0
    refusal: str = ""
    number: int = 0
    found_nothing_since: float | None = None
    looks: int = 0
    said: frozenset[str] = frozenset()
    calm: Mapping[int, Sighting] | None = None
    adopted: bool = False


@dataclass(frozen=True, slots=True)
class Settings:
    """How the engine goes about; see ``executor.slurm`` in the configuration.

    Parameters
    ----------
    prefix
        Of every array's name: engine, night and production.
    generation
        Of the lease.
    array_size, max_index
        Most elements of an array, and the largest index that the cluster takes.
    subruns_per_job, runs_per_job
        Jobs of subruns, and jobs of runs, that one element runs at most.
    in_flight
        Most jobs with SLURM at a time.
    grace_s
        How long a record or a product may stay unseen after SLURM says that the element ended; and the pause after a refusal that passes.
    lookup_s
        How long a name must be looked up in vain before a lost submission counts as never made.
    """

    prefix: str
    generation: int
    policies: Policies
    array_size: int = 1000
    max_index: int = 1000
    subruns_per_job: int = 1
    runs_per_job: int = 1
    in_flight: int = 20_000
    grace_s: float = 60.0
    lookup_s: float = 15.0


@dataclass(frozen=True, slots=True)
class Tally:
    """Jobs of a stage that were given up for the same, since its last success, and when that was heard of."""

    counts: Mapping[str, int] = field(default_factory=dict)
    given_up: str = ""
    succeeded_at: float | None = None


@dataclass(frozen=True, slots=True)
class State:
    """All that the engine of a night knows."""

    settings: Settings
    jobs: Mapping[str, JobState] = field(default_factory=dict)
    arrays: Mapping[str, ArrayState] = field(default_factory=dict)
    stages: Mapping[str, Tally] = field(default_factory=dict)
    made_arrays: int = 0
    dropped: frozenset[str] = frozenset()
    """Arrays that counted as never submitted."""
    most: int | None = None
    """Elements of an array for now, if SLURM takes no larger ones."""
    unchecked: frozenset[str] = frozenset()
    """Jobs that are done, of which luigi misses the products: nobody could look for them yet."""
