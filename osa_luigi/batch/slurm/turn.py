"""One decision under way: a copy of the state that may be changed, and the commands so far."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from osa_luigi.batch.slurm import exchange as ex
from osa_luigi.batch.slurm import model as m
from osa_luigi.batch.slurm.ends import (
    comes_behind,
    end_of,
    explained,
    killed_for_memory,
    more,
    never_began,
    never_ran,
    waits,
    without,
)
from osa_luigi.batch.slurm.exchange import Command
from osa_luigi.batch.slurm.model import ArrayState, Element, JobState, Link, Phase, State
from osa_luigi.batch.slurm.placing import arrays_of
from osa_luigi.batch.slurm.policies import ENDING, NOBODYS_FAULT, Failure, last_words
from osa_luigi.batch.slurm.states import Cause, meaning


class Turn:
    """One decision: a copy of the state that may be changed, and the commands so far."""

    def __init__(self, state: State, at: float) -> None:
        self.at = at
        self.settings = state.settings
        self.jobs = dict(state.jobs)
        self.arrays = dict(state.arrays)
        self.stages = dict(state.stages)
        self.made_arrays = state.made_arrays
        self.dropped = state.dropped
        self.most = state.most
        self.unchecked = state.unchecked
        self.commands: list[Command] = []
        self.to_check: list[str] = []

    def end(self) -> tuple[State, tuple[Command, ...]]:
        if self.to_check:
            self.commands.append(ex.Check(tuple(self.to_check)))
        state = State(
            self.settings,
            self.jobs,
            self.arrays,
            self.stages,
            self.made_arrays,
            self.dropped,
            self.most,
            self.unchecked,
        )
        return state, tuple(self.commands)

    def do(self, command: Command) -> None:
        self.commands.append(command)

    # ---- jobs ----------------------------------------------------------------------------------------------------

    def want(self, wish: m.Wish) -> None:
        known = self.jobs.get(wish.name)
        if known is None or known.wish.key != wish.key:
            not_before = self._forget(known) if known else 0.0
            self.jobs[wish.name] = JobState(wish, Phase.READY, wish.asked, not_before=not_before)
            if reason := self._given_up_stage(wish.stage):
                self.give_up(wish.name, reason)
            return
        self.jobs[wish.name] = replace(known, wish=wish, wanted=True)
        if wish.asked != known.wish.asked and (array := self.arrays.get(known.array)):
            self.arrays[known.array] = replace(array, calm=None)  # `renew` looks at it again
        if known.phase is Phase.GIVEN_UP:
            self.do(ex.Tell(wish.name, "given up", known.text))
        elif known.phase is Phase.DONE:
            self.to_check.append(wish.name)  # luigi misses its products: are they there?

    def _forget(self, job: JobState) -> float:
        """A job whose settings have changed since: what was to make the old product is ended; when the new one may be made.

        An element ends with the last of its jobs that is wanted: `see` cancels it again while it is there.
        """
        array, element = self.arrays.get(job.array), self.element(job.array, job.index)
        if job.phase is not Phase.PLACED or array is None or element is None:
            return 0.0
        waited, element = waits(element), without(element, job.wish.name)
        self.put(job.array, job.index, element)
        if not element.open and not element.over:
            self.arrays[array.name] = self._recall(self.arrays[array.name], [job.index])
        return 0.0 if element.over or waited else self.at + self.settings.grace_s

    def _given_up_stage(self, stage: str) -> str:
        return self.stages.get(stage, m.Tally()).given_up

    def done(self, name: str, log: str = "") -> None:
        job = self.jobs[name]
        self.jobs[name] = replace(job, phase=Phase.DONE, wanted=False, text="")
        stage = job.wish.stage
        tally = self.stages.get(stage)
        if tally is None or tally.counts or tally.succeeded_at != self.at:
            self.stages[stage] = m.Tally(given_up=self._given_up_stage(stage), succeeded_at=self.at)
        if job.has_grown:
            self.do(ex.Learn(stage, job.wish.configured or job.wish.asked, job.asked))
        self.do(ex.Tell(name, "done", log=log))

    def fail(self, name: str, failure: Failure, since: float | None = None) -> None:
        """An attempt of a job ended badly, and its element is over: again, or never.

        Parameters
        ----------
        since
            When that was first seen; it is judged later. `None`: just now.
        """
        before = self.jobs[name]
        job = replace(before, failures=(*before.failures, failure), array="", phase=Phase.READY)
        again = self.settings.policies.next_try(before.asked, job.failures)
        stage, reason = job.wish.stage, self._given_up_stage(job.wish.stage)
        self.jobs[name] = job
        if again is None:
            self.give_up(name, last_words(stage, job.failures))
            self._tally(stage, failure, self.at if since is None else since)
        elif reason:
            self.give_up(name, reason)
        else:
            again = again.at_least(job.wish.asked) if job.has_grown else job.wish.asked
            delay = self.settings.policies.delay_s(failure.cause)
            self.jobs[name] = replace(job, asked=again, not_before=self.at + delay)
            self.do(ex.Tell(name, "state", f"{failure.text} It is tried again{more(job.asked, again)}."))

    def give_up(self, name: str, text: str) -> None:
        job = self.jobs[name]
        self.jobs[name] = replace(job, phase=Phase.GIVEN_UP, text=text)
        self.do(ex.GiveUp(name, job.failures, text))
        self.do(ex.Tell(name, "given up", text))

    def _tally(self, stage: str, failure: Failure, since: float) -> None:
        """Count jobs of a stage that are given up for the same; too many, and the rest of it is not tried.

        Which end came first of those that one look has brought is not known: a success among them counts as the last. So does one that
        was heard of between a failure and its judgment, for which SLURM's word, or a look at the products, had to be waited for.
        """
        tally = self.stages.get(stage, m.Tally())
        stands_between = tally.succeeded_at is not None and tally.succeeded_at >= since
        if failure.cause in NOBODYS_FAULT or tally.given_up or stands_between:
            return
        count = tally.counts.get(failure.signature, 0) + 1
        self.stages[stage] = replace(tally, counts={**tally.counts, failure.signature: count})
        limit = self.settings.policies.give_up_after
        if count >= limit:
            self._give_up_stage(stage, f"{stage} failed {count} times in the same way: {failure.text}")

    def _give_up_stage(self, stage: str, why: str) -> None:
        text = f"not tried: {why} Mend the cause, then `osa retry`, and run the night again."
        self.stages[stage] = m.Tally(given_up=text)
        self.do(ex.Say(f"the stage {stage} is given up: {why}"))
        for name, job in list(self.jobs.items()):
            if job.wish.stage == stage and job.phase is Phase.READY and not job.array:
                self.give_up(name, text)
        for array in list(self.arrays.values()):
            if array.stage == stage:
                self.arrays[array.name] = self._recall(array, [i for i, one in array.elements.items() if waits(one)])

    # ---- arrays --------------------------------------------------------------------------------------------------

    def renew(self, array: ArrayState) -> ArrayState:
        """Elements that wait with what the configuration asked for before it was changed: in their place come others.

        They are cancelled until they are gone; only then are their jobs ready again (`settle`). So are those of which nothing is wanted,
        and those of a stage that was given up.
        """
        old = [index for index, element in array.elements.items() if self._is_in_the_way(element, array.stage)]
        return self._recall(array, old)

    def _is_in_the_way(self, element: Element, stage: str) -> bool:
        if element.recalled_at is not None and not element.open:
            return element.state != "" and not element.over  # its products are not wanted any more
        return waits(element) and (self._is_outdated(element) or bool(self._given_up_stage(stage)))

    def _is_outdated(self, element: Element) -> bool:
        jobs = [self.jobs[name] for name in element.open]
        changed = all(job.asked != job.wish.asked and not job.has_grown for job in jobs)
        return changed and len(jobs) == len(element.jobs)

    def _recall(self, array: ArrayState, indices: list[int]) -> ArrayState:
        """Cancel elements, and remember that it was us; what SLURM has just started ends by that, too."""
        if not indices:
            return array
        if array.job is not None:
            self.do(ex.Recall(array.name, array.job, tuple(indices)))
        marked = {index: array.elements[index] for index in indices}
        new = {i: replace(one, recalled_at=self.at) for i, one in marked.items() if one.recalled_at is None}
        return replace(array, elements={**array.elements, **new}, calm=None)

    def _is_taken_back(self, element: Element) -> bool:
        """Whether it ended because the engine cancelled it."""
        if element.recalled_at is not None and not element.state:
            return True  # by an earlier engine, while it waited: SLURM keeps nothing of it
        cancelled = meaning(element.state, element.signal).cause is Cause.CANCELLED
        return cancelled and (element.recalled_at is not None or (never_ran(element) and self._is_outdated(element)))

    def submit_ready(self) -> None:
        """Put what is ready into arrays, unless one waits for SLURM to take it; what whole runs wait for goes first."""
        if any(array.link is Link.HELD for array in self.arrays.values()):
            return
        ready = [job for job in self.jobs.values() if job.is_due(self.at)]
        if any(tally.given_up for tally in self.stages.values()):
            ready = self._without_given_up(ready)
        if not ready:
            return
        riding = self._riding()
        ready = [job for job in ready if not riding.intersection(job.wish.after)]
        flying = sum(job.phase is Phase.PLACED for job in self.jobs.values())
        room = max(0, self.settings.in_flight - flying)
        if len(ready) > room:
            ready.sort(key=lambda job: job.wish.index is not None)
        settings = replace(self.settings, array_size=self.most or self.settings.array_size)
        arrays = arrays_of(ready[:room], settings, self.made_arrays, self.at)
        for array in arrays[:1] if self.most else arrays:  # what SLURM takes of it says how large the next may be
            self.made_arrays += 1
            self.arrays[array.name] = array
            for index, element in array.elements.items():
                for name in element.jobs:
                    placed = replace(self.jobs[name], phase=Phase.PLACED, array=array.name, index=index)
                    self.jobs[name] = placed
            self.do(ex.Intend(array))
            self.do(ex.Submit(array.name))

    def _without_given_up(self, ready: list[JobState]) -> list[JobState]:
        """Jobs that became ready after their stage was given up: taken back, or never with SLURM."""
        for job in ready:
            if reason := self._given_up_stage(job.wish.stage):
                self.give_up(job.wish.name, reason)
        return [job for job in ready if self.jobs[job.wish.name].phase is Phase.READY]

    def _riding(self) -> set[str]:
        """Riders that may still run: of elements that are not over."""
        return {
            rider
            for array in self.arrays.values()
            for element in array.elements.values()
            if not element.over
            for job in self._jobs_of(element)
            for rider in job.wish.riders
        }

    def _jobs_of(self, element: Element) -> list[JobState]:
        """Without what an earlier engine gave up, and luigi has not asked for since it was forgiven."""
        return [self.jobs[name] for name in element.jobs if name in self.jobs]

    def queued(self, array: ArrayState, job: int) -> None:
        self.arrays[array.name] = replace(array, link=Link.QUEUED, job=job, sent_at=self.at)
        if self.most:
            self.most = 2 * self.most if 2 * self.most < self.settings.array_size else None
        self.do(ex.Remember(array.name, job))

    def hold(self, array: ArrayState, why: str, *, too_many: bool) -> None:
        """An array that sbatch does not take for now: it is handed in again as it is, and nothing else before; in parts, if it is alone."""
        others = any(other.link is not Link.HELD for other in self.arrays.values() if other.name != array.name)
        why, pause_s = f"{why.rstrip('.')}.", self.settings.grace_s
        if too_many and array.refusal and not others and len(array.elements) > 1:
            self.most = len(array.elements) // 2
            self.drop(array, why)
            self.do(ex.Say(f"{array.name}: {why} It is handed in again in parts, of {_elements(self.most)}."))
            return
        if why != array.refusal:
            self.do(ex.Hold(array.name, why))
            size = f" It has {_elements(len(array.elements))} (executor.slurm.array_size)." if too_many else ""
            wait = f"It is handed in again every {pause_s:.0f} s, and all others after it."
            self.do(ex.Say(f"{array.name} has to wait: {why} {wait}{size}"))
        self.arrays[array.name] = replace(array, link=Link.HELD, refusal=why, send_at=self.at + pause_s)

    def send_again(self, array: ArrayState) -> None:
        """Hand in what was held, if it is still what is wanted."""
        jobs = [self.jobs.get(name) for element in array.elements.values() for name in element.jobs]
        as_it_was = all(job and (job.array, job.asked) == (array.name, array.asked) for job in jobs)
        if as_it_was and not self._given_up_stage(array.stage):
            self.do(ex.Submit(array.name))
        else:
            self.drop(array, "it is not wanted any more as it was")

    def postpone(self, array: ArrayState, *, pause: bool) -> None:
        """An array of which nothing is written down, nor of those behind it: its jobs are ready again, and its number is free."""
        self.made_arrays = min(self.made_arrays, array.number)
        self._unplace(array, self.at + self.settings.grace_s if pause else 0.0)

    def _unplace(self, array: ArrayState, not_before: float = 0.0) -> None:
        del self.arrays[array.name]
        for element in array.elements.values():
            for name in element.open:
                self.jobs[name] = replace(self.jobs[name], phase=Phase.READY, array="", not_before=not_before)

    def found(self, array: ArrayState, job: int) -> None:
        """An array of which nobody knew whether SLURM had it."""
        self.queued(array, job)
        self.do(ex.Say(f"{array.name} is with SLURM, as {job}."))

    def forget(self, array: ArrayState) -> None:
        """An array that left records, and that SLURM knows no more: it was there, and is over."""
        elements = {index: replace(element, ended_at=self.at) for index, element in array.elements.items()}
        self.arrays[array.name] = replace(array, link=Link.QUEUED, elements=elements)

    def drop(self, array: ArrayState, why: str) -> None:
        """An array that SLURM never had: its jobs are ready again, and it was nobody's attempt."""
        self._unplace(array)
        if array.link is Link.LOST:
            self.dropped |= {array.name}  # of others sbatch itself has said so
        self.do(ex.Close(array.name, {}, why))

    def put(self, array: str, index: int, element: Element) -> None:
        known = self.arrays[array]
        self.arrays[array] = replace(known, elements={**known.elements, index: element})

    def element(self, array: str, index: int) -> Element | None:
        known = self.arrays.get(array)
        return known.elements.get(index) if known else None

    def close_settled(self, names: Iterable[str]) -> None:
        """Close arrays of which nothing more is expected."""
        for name in names:
            array = self.arrays.get(name)
            if array is None or any(element.open or not element.over for element in array.elements.values()):
                continue
            del self.arrays[name]
            jobs = [job for element in array.elements.values() for job in self._jobs_of(element)]
            failed = {job.wish.name: job.failures for job in jobs if job.phase is not Phase.DONE}
            self.do(ex.Close(name, failed))

    # ---- elements ------------------------------------------------------------------------------------------------

    def note(self, note: ex.Note) -> None:
        """A record that an element left."""
        element = self.element(note.array, note.index)
        if element is None:
            return
        if not note.job:
            self.put(note.array, note.index, replace(element, through_at=self.at))
        elif note.failure is None and note.job not in element.open:
            self._hear_late(note)
        elif note.failure is None:
            failed = {name: failure for name, failure in element.failed.items() if name != note.job}
            self.put(note.array, note.index, replace(without(element, note.job), failed=failed))
            self.done(note.job, note.log)
        else:
            if note.log and note.job in element.open:
                self.do(ex.Tell(note.job, "state", note.failure.text, log=note.log))
            failed = {**element.failed, note.job: note.failure}
            failed_at = self.at if element.failed_at is None else element.failed_at
            self.put(note.array, note.index, replace(element, failed=failed, failed_at=failed_at))

    def _hear_late(self, note: ex.Note) -> None:
        """A copy that SLURM had lost ran on to its end all the same: what it made need not be made again, if it is what is wanted now."""
        job = self.jobs.get(note.job)
        if job is not None and job.phase is Phase.READY:
            self.to_check.append(note.job)

    def settle(self, array: ArrayState, index: int) -> None:
        """Decide on the jobs of an element that is over, as far as that can be known."""
        element = self.arrays[array.name].elements[index]
        if self._is_taken_back(element) and never_ran(element) and not element.failed:
            for name in element.open:
                self._again(name)
            self.put(array.name, index, replace(element, open=()))
            return
        if array.adopted:
            self.to_check += [name for name in element.open if name in element.failed]
        else:
            for name in element.open:
                if name in element.failed:
                    element = without(element, name)
                    self.put(array.name, index, element)
                    self._failed(name, element)
        unknown = tuple(name for name in element.open if name not in element.failed)
        waited = element.over_at is not None and self.at - element.over_at >= self.settings.grace_s
        if unknown and not element.checking and (waited or never_ran(element)):
            self.put(array.name, index, replace(element, checking=True))
            self.to_check += unknown

    def checked(self, name: str, made: bool, *, short_of_memory: bool = False, output: str = "") -> None:
        """Whether a job's products are there, of which no record speaks."""
        job = self.jobs.get(name)
        if job is None:
            return
        if job.phase is Phase.DONE:
            self._checked_again(job, made)
            return
        if job.phase is Phase.READY and made:
            self.done(name)
        element = self.element(job.array, job.index)
        if element is None or name not in element.open or element.ended_at is None:
            return
        if not made and name not in element.failed and comes_behind(element, name):
            self.put(job.array, job.index, replace(element, checking=False))  # of the one before it nobody knows yet
            return
        array = self.arrays[job.array]
        checking = element.checking and len(element.open) > 1
        self.put(job.array, job.index, replace(without(element, name), checking=checking))
        if made:
            self.done(name)
        elif name in element.failed:
            self._failed(name, element)
        elif self._is_taken_back(element) or never_began(element, name):
            self._again(name)
        else:
            end = end_of(array, job.index, element, output)
            self._charge(name, element, killed_for_memory(end) if short_of_memory else end)

    def _charge(self, name: str, element: Element, failure: Failure) -> None:
        """Put the end of an element without a word down to the first of its jobs that is not made: it was at that one."""
        job = self.jobs[name]
        if failure.cause in ENDING and (known := self.element(job.array, job.index)):
            self.put(job.array, job.index, replace(known, charged=True))
        self.fail(name, failure, element.ended_at)

    def _failed(self, name: str, element: Element) -> None:
        """By its own word; what was started just before the engine took it back may come to say that it was killed."""
        failure = explained(element.failed[name], element)
        if failure.cause is Cause.CANCELLED and self._is_taken_back(element):
            self._again(name)
        else:
            self.fail(name, failure, element.failed_at)

    def _again(self, name: str) -> None:
        """A job whose element the engine took back, or ended before it came to it: that was no attempt."""
        job = self.jobs[name]
        asked = job.asked.at_least(job.wish.asked) if job.has_grown else job.wish.asked
        self.jobs[name] = replace(job, phase=Phase.READY, array="", asked=asked)

    def _checked_again(self, job: JobState, made: bool) -> None:
        if made:
            self.jobs[job.wish.name] = replace(job, wanted=False)
            self.do(ex.Tell(job.wish.name, "done"))
        else:
            self.jobs[job.wish.name] = JobState(job.wish, Phase.READY, job.asked, failures=job.failures)


def _elements(number: int) -> str:
    return f"{number} element{'s' * (number != 1)}"
