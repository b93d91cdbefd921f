"""Carries out what core.py decides: the one place where the SLURM engine meets the world.

Everything that it meets is given from outside (`world.World`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from osa_luigi.batch.slurm import exchange as ex
from osa_luigi.batch.slurm import model as m
from osa_luigi.batch.slurm.core import decide, due
from osa_luigi.batch.slurm.exchange import Command, Event, Tell
from osa_luigi.batch.slurm.model import State
from osa_luigi.batch.slurm.news import ACCOUNTING, DISK, HANDING_IN, Silence
from osa_luigi.batch.slurm.seen import Sighting
from osa_luigi.batch.slurm.states import closed, meaning, passes
from osa_luigi.batch.slurm.world import World
from osa_luigi.errors import AccountingAway, ExecutorError, NoAccounting, SlurmAway, SlurmRefused

WRITTEN_LATER = (ex.Remember, ex.Hold, ex.Close)
"""What must be written sooner or later. What is to be recalled is decided on anew at each look; without its mark a job that was given up
is tried again, as if an operator had said so."""
WRITTEN = (*WRITTEN_LATER, ex.Recall, ex.GiveUp)
"""What shows that the disk is well."""


class LeaseLostError(ExecutorError):
    """Another engine took the night over: this one must touch nothing any more."""


class Engine:
    """The engine of one night and production."""

    def __init__(self, settings: m.Settings, world: World) -> None:
        self._world = world
        self.state = State(settings)
        self.told: list[Tell] = []
        self.said: list[str] = []
        self._away: Silence | None = None
        self._unaccounted: Silence | None = None
        self._foreign: set[int] = set()
        """Jobs that SLURM did not let this account cancel: it is not asked, and the operator not told, at each look anew."""
        self._asked_accounting = False
        self._unwritten: list[Command] = []
        """What the disk did not take: it is tried again before each look."""
        self._unread: Silence | None = None
        self._full: Silence | None = None
        """Since when the disk takes nothing."""
        self._in_the_way: str | None = None
        """Of what was decided on together: what one of them had to stop for, and all behind it."""
        self._in_vain = False
        """Whether a name was looked up since the last look, and the accounting did not answer: it is asked no more than once a look."""
        self._quiet: State | None = None
        """As the last tick left it, if that brought nothing; until `_due` another brings nothing either."""
        self._due = 0.0
        self._recover()

    @property
    def silence(self) -> Silence | None:
        """Since when SLURM, the disk, or SLURM's accounting does not answer, if one does not."""
        return self._away or self._full or self._unread or self._unaccounted

    def want(self, wishes: Iterable[m.Wish]) -> None:
        """Take jobs; those that SLURM has already are adopted."""
        self._hear(ex.Wanted(self._now(), tuple(wishes)))

    def submit(self) -> None:
        """Submit what is ready, and look for what was lost; nothing while SLURM is away, as each call might take its whole time-out.

        `look` finds out when it is back.
        """
        if self._away:
            return
        self._in_the_way = None
        now = self._now()
        if self.state is self._quiet and now < self._due:
            return  # nothing was heard since a tick that brought nothing
        if self._hear(ex.Tick(now)):
            self._quiet = None
        else:
            self._quiet, self._due = self.state, due(self.state, now)

    @property
    def due(self) -> float:
        """Until when `submit` has nothing to do if nothing is heard; on the engine's clock."""
        return self._due if self.state is self._quiet else self._now()

    def look(self) -> None:
        """One poll: SLURM's queue first, then the records, so that who has ended has left its record."""
        self._catch_up()
        asked_at, queue = self._queue()
        unread, self._unread = self._unread, None
        try:
            self._forgive()
            notes = self._world.files.notes(self.state.arrays)
        except OSError as error:  # what ended has perhaps left its record: nothing is judged without
            self._unread = unread or self._out_of_order(error)
            return
        self._asked_accounting = self._in_vain = False
        self._hear(ex.Polled(self._now(), tuple(notes), asked_at, queue))
        lost = any(array.link is m.Link.LOST for array in self.state.arrays.values())
        if queue is not None and not lost and not self._asked_accounting:
            self._unaccounted = None  # there is nothing any more that it need be asked
        self._join(unread)

    def _join(self, unread: Silence | None) -> None:
        """A trouble with reading that was there at the last look is the same one."""
        if self._unread and unread:
            self._unread = unread

    def is_idle(self) -> bool:
        """Whether nothing is in flight and nothing waits."""
        if self.state.arrays or self._unwritten:
            return False
        phases = (m.Phase.READY, m.Phase.PLACED)
        return not any(job.wanted and job.phase in phases for job in self.state.jobs.values())

    def _now(self) -> float:
        return self._world.clock()

    def _recover(self) -> None:
        given_up = self._world.journal.given_up()
        arrays, jobs = self._world.journal.open_arrays()
        placed = {job.wish.name for job in jobs}
        given_up = [job for job in given_up if job.wish.name not in placed]
        self._hear(ex.Recovered(self._now(), tuple(arrays), (*jobs, *given_up)))

    def _forgive(self) -> None:
        given_up = [name for name, job in self.state.jobs.items() if job.phase is m.Phase.GIVEN_UP]
        if names := self._world.journal.forgiven(given_up):
            self._hear(ex.Forgiven(self._now(), tuple(names)))

    def _queue(self) -> tuple[float, Mapping[str, Mapping[int, Sighting]] | None]:
        if not self.state.arrays and not self._away:
            return self._now(), None
        began = self._now()
        try:
            answer = self._world.cluster.queue()
        except SlurmAway as error:
            self._silent(began, error)
            return self._now(), None
        self._away = None
        return answer

    def _silent(self, since: float, error: SlurmAway) -> None:
        self._away = self._away or Silence(since, str(error))

    def _out_of_order(self, error: Exception | str, who: str = DISK) -> Silence:
        return Silence(self._now(), f"{str(error).rstrip('.')}.", who)

    def _hear(self, event: Event) -> bool:
        """Decide, and carry out; an answer is decided on before the next command, so that an id is written down at once.

        Returns
        -------
        bool
            Whether there was anything to do.
        """
        self.state, commands = decide(self.state, event)
        if self._world.watch:
            self._world.watch(event, commands)
        for command in commands:
            if (answer := self._carry_out(command)) is not None:
                self._hear(answer)
        return bool(commands)

    def _catch_up(self) -> None:
        """Write what the disk did not take."""
        unwritten, self._unwritten = self._unwritten, []
        for command in unwritten:
            if (answer := self._carry_out(command)) is not None:
                self._hear(answer)

    def _carry_out(self, command: Command) -> Event | None:
        try:
            answer = self._do(command)
        except OSError as error:
            self._full = self._full or self._out_of_order(error)
            if isinstance(command, WRITTEN_LATER):
                self._unwritten.append(command)
            return None
        if isinstance(command, WRITTEN):
            self._full = None
        return answer

    def _do(self, command: Command) -> Event | None:
        journal, state = self._world.journal, self.state
        match command:
            case ex.Intend(array):
                self._intend(array)
            case ex.Submit(array):
                return self._submit(array)
            case ex.Remember(array, job):
                journal.remember(array, job)
            case ex.Hold(array, text):
                journal.hold(array, text)
            case ex.Look(array):
                return self._look_up(array)
            case ex.Account(arrays):
                return self._account(arrays)
            case ex.Check(jobs):
                return self._check([state.jobs[name] for name in jobs])
            case ex.Cancel(job, indices):
                self._cancel(job, indices)
            case ex.Recall(array, job, indices):
                journal.recall(array, indices)
                self._cancel(job, indices)
            case ex.Release():
                return self._release(command)
            case ex.Close(array, failed, why):
                journal.close(array, failed, why)
            case ex.GiveUp(job, _, text):
                journal.give_up(state.jobs[job], text)
            case ex.Learn(stage, first, needed):
                self._world.files.learn(stage, first, needed)
            case ex.Tell():
                self.told.append(command)
            case ex.Say(text):
                self.said.append(text)
        return None

    def _intend(self, array: m.ArrayState) -> None:
        """Write down what an array stands for, unless something is in the way of its being handed in."""
        if self._in_the_way is not None or self._away:
            return
        try:
            self._world.files.prepare(array, self.state.jobs)
            self._world.journal.intend(array, self.state.settings.generation, self.state.jobs)
        except (OSError, ExecutorError) as error:
            self._in_the_way = str(error)
            who = DISK if isinstance(error, OSError) else HANDING_IN
            self._full = self._full or self._out_of_order(error, who)
        else:
            self._full = None

    def _submit(self, array: str) -> Event:
        known = self.state.arrays[array]
        if self._in_the_way is not None or self._away:
            if known.refusal:  # it is written down, and handed in once more
                return ex.Refused(self._now(), array, known.refusal, passing=True)
            return ex.Postponed(self._now(), array, self._in_the_way or "")
        # Read again just before: an engine that slept too long must not submit beside its successor.
        try:
            if not self._world.tenure.holds():
                raise LeaseLostError(
                    "another engine has taken over this night: this one stops and submits nothing more"
                )
        except OSError as error:
            self._in_the_way = ""
            return ex.Refused(self._now(), array, f"the lease cannot be read: {error}", passing=True)
        began = self._now()
        try:
            job = self._world.cluster.submit(known)
        except SlurmRefused as error:
            if passing := passes(str(error)):
                self._in_the_way = ""
            return ex.Refused(self._now(), array, str(error), passing, too_many=passing and not closed(str(error)))
        except SlurmAway as error:
            self._silent(began, error)
            return ex.Unanswered(self._now(), array, str(error))
        return ex.Sent(self._now(), array, job)

    def _look_up(self, array: str) -> Event | None:
        if self._away or self._in_vain:
            return None
        began = self._now()
        try:
            found = self._world.cluster.find(array)
        except AccountingAway as error:
            self._in_vain = True
            self._unaccounted = self._unaccounted or Silence(began, str(error), ACCOUNTING)
            return None
        except SlurmAway as error:
            self._silent(began, error)
            return None
        # After a refusal for its size SLURM keeps a record of a job that never was one.
        real = [seen for seen in found if not (meaning(seen.state).standing.ended and seen.reason == "BadConstraints")]
        return ex.Looked(self._now(), array, tuple(sorted({seen.job for seen in real})))

    def _account(self, arrays: Mapping[str, int]) -> Event | None:
        began, self._asked_accounting = self._now(), True
        try:
            found = self._world.cluster.accounting(arrays)
        except NoAccounting:
            found = {}
        except SlurmAway as error:
            self._unaccounted = self._unaccounted or Silence(began, str(error), ACCOUNTING)
            return None
        self._unaccounted = None
        return ex.Accounted(self._now(), found)

    def _check(self, jobs: list[m.JobState]) -> Event:
        files = self._world.files
        found = files.made(jobs)
        if unknown := tuple(name for name, made in found.items() if made is None):
            self._unread = self._unread or self._out_of_order(f"the receipts of {unknown[0]} cannot be read")
            self._hear(ex.Unchecked(self._now(), unknown))
        made = {name: made for name, made in found.items() if made is not None}
        missing = [job for job in jobs if made.get(job.wish.name) is False]
        return ex.Checked(self._now(), made, files.short_of_memory(missing), files.output(missing))

    def _cancel(self, job: int, indices: tuple[int, ...]) -> None:
        if job in self._foreign:
            return
        try:
            self._world.cluster.cancel(job, indices)
        except (SlurmAway, SlurmRefused) as error:
            self.said.append(f"scancel {job}: {error}")
            if isinstance(error, SlurmRefused):
                self._foreign.add(job)

    def _release(self, asked: ex.Release) -> Event | None:
        try:
            self._world.cluster.release(asked.job, asked.indices)
        except (SlurmAway, SlurmRefused) as error:
            self.said.append(f"scontrol release {asked.job}: {error}")
            if isinstance(error, SlurmAway):
                return None  # a refusal counts as a try, or it would go on for ever
        return ex.Released(self._now(), asked.array, asked.indices)
