"""The decisions of the SLURM engine: ``(state, event) → (state, commands)``, and nothing else.

No clock, file or process is touched here, so a crash at every point can be played through (tests/simulation), and a journal of a real
morning replayed. Commands are carried out in their order; the rest of them is lost if the engine is killed in between, and a
recovered engine must do well with what was done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from osa_luigi.batch.slurm import model as m
from osa_luigi.batch.slurm.model import ArrayState, Command, Element, Event, JobState, Link, Phase, State
from osa_luigi.batch.slurm.placing import arrays_of
from osa_luigi.batch.slurm.policies import NOBODYS_FAULT, Failure, last_words
from osa_luigi.batch.slurm.states import REQUEUED_AFTER, Cause, Standing, meaning, stuck

SURE_LOOKS = 3
"""So often a thing must be looked for in vain, and over some time, before it counts as not there."""


def decide(state: State, event: Event) -> tuple[State, tuple[Command, ...]]:
    """What follows from an event."""
    turn = _Turn(state, event.at)
    _HANDLERS[type(event)](turn, event)
    return turn.end()


class _Turn:
    """One decision: a copy of the state that may be changed, and the commands so far."""

    def __init__(self, state: State, at: float) -> None:
        self.at = at
        self.settings = state.settings
        self.jobs = dict(state.jobs)
        self.arrays = dict(state.arrays)
        self.stages = dict(state.stages)
        self.made_arrays = state.made_arrays
        self.dropped = state.dropped
        self.commands: list[Command] = []
        self.to_check: list[str] = []

    def end(self) -> tuple[State, tuple[Command, ...]]:
        if self.to_check:
            self.commands.append(m.Check(tuple(self.to_check)))
        state = State(self.settings, self.jobs, self.arrays, self.stages, self.made_arrays, self.dropped)
        return state, tuple(self.commands)

    def do(self, command: Command) -> None:
        self.commands.append(command)

    # ---- jobs ----------------------------------------------------------------------------------------------------

    def want(self, wish: m.Wish) -> None:
        known = self.jobs.get(wish.name)
        if known is not None and known.wish.key != wish.key:
            self._forget(known)
            known = None
        if known is None:
            self.jobs[wish.name] = JobState(wish, Phase.READY, wish.asked)
            if reason := self._given_up_stage(wish.stage):
                self.give_up(wish.name, reason)
            return
        self.jobs[wish.name] = replace(known, wish=replace(wish, asked=known.wish.asked), wanted=True)
        if known.phase is Phase.GIVEN_UP:
            self.do(m.Tell(wish.name, "given up", known.text))
        elif known.phase is Phase.DONE:
            self.to_check.append(wish.name)  # luigi misses its products: are they there?

    def _forget(self, job: JobState) -> None:
        """A job whose settings have changed since: what was to make the old product is ended."""
        array, element = self.arrays.get(job.array), self.element(job.array, job.index)
        if job.phase is Phase.PLACED and array and element:
            self.put(job.array, job.index, _without(element, job.wish.name))
            if array.job is not None and len(element.jobs) == 1:
                self.do(m.Cancel(array.job, (job.index,)))

    def _given_up_stage(self, stage: str) -> str:
        return self.stages.get(stage, m.Tally()).given_up

    def done(self, name: str) -> None:
        job = self.jobs[name]
        self.jobs[name] = replace(job, phase=Phase.DONE, wanted=False, text="")
        stage = job.wish.stage
        if self.stages.get(stage, m.Tally()).counts:
            self.stages[stage] = m.Tally(given_up=self._given_up_stage(stage))
        if job.asked != job.wish.asked:
            self.do(m.Learn(stage, job.wish.asked, job.asked))
        self.do(m.Tell(name, "done"))

    def fail(self, name: str, failure: Failure) -> None:
        """An attempt of a job ended badly, and its element is over: again, or never."""
        job = self.jobs[name]
        failures = (*job.failures, failure)
        again = self.settings.policies.next_try(job.asked, failures)
        self.jobs[name] = job = replace(job, failures=failures, array="", phase=Phase.READY)
        self._tally(job.wish.stage, failure)
        if again is None:
            self.give_up(name, last_words(job.wish.stage, failures))
        elif reason := self._given_up_stage(job.wish.stage):
            self.give_up(name, reason)
        else:
            delay = self.settings.policies.delay_s(failure.cause)
            self.jobs[name] = replace(job, asked=again, not_before=self.at + delay)
            self.do(m.Tell(name, "state", f"{failure.text} It is tried again{_more(job.asked, again)}."))

    def give_up(self, name: str, text: str) -> None:
        job = self.jobs[name]
        self.jobs[name] = replace(job, phase=Phase.GIVEN_UP, text=text)
        self.do(m.GiveUp(name, job.failures, text))
        self.do(m.Tell(name, "given up", text))

    def _tally(self, stage: str, failure: Failure) -> None:
        """Count equal failures of a stage; too many, and the rest of it is not tried."""
        tally = self.stages.get(stage, m.Tally())
        if failure.cause in NOBODYS_FAULT or tally.given_up:
            return
        count = tally.counts.get(failure.signature, 0) + 1
        self.stages[stage] = replace(tally, counts={**tally.counts, failure.signature: count})
        limit = self.settings.policies.give_up_after
        if count >= limit:
            self._give_up_stage(stage, f"{stage} failed {count} times in the same way: {failure.text}")

    def _give_up_stage(self, stage: str, why: str) -> None:
        text = f"not tried: {why} Mend the cause, then `osa retry`, and run the night again."
        self.stages[stage] = m.Tally(given_up=text)
        self.do(m.Say(f"the stage {stage} is given up: {why}"))
        for name, job in list(self.jobs.items()):
            if job.wish.stage == stage and job.phase is Phase.READY and not job.array:
                self.give_up(name, text)
        for array in self.arrays.values():
            if array.stage == stage and array.job is not None:
                waiting = [i for i, element in array.elements.items() if _waits(element)]
                if waiting:
                    self.do(m.Cancel(array.job, tuple(waiting)))

    # ---- arrays --------------------------------------------------------------------------------------------------

    def submit_ready(self) -> None:
        """Put what is ready into arrays."""
        riding = self._riding()
        flying = sum(job.phase is Phase.PLACED for job in self.jobs.values())
        ready = [
            job
            for job in self.jobs.values()
            if job.phase is Phase.READY and job.not_before <= self.at and not riding.intersection(job.wish.after)
        ]
        room = max(0, self.settings.in_flight - flying)
        for array in arrays_of(ready[:room], self.settings, self.made_arrays, self.at):
            self.made_arrays += 1
            self.arrays[array.name] = array
            for index, element in array.elements.items():
                for name in element.jobs:
                    placed = replace(self.jobs[name], phase=Phase.PLACED, array=array.name, index=index)
                    self.jobs[name] = placed
            self.do(m.Intend(array))
            self.do(m.Submit(array.name))

    def _riding(self) -> set[str]:
        """Riders that may still run: of elements that are not over."""
        return {
            rider
            for array in self.arrays.values()
            for element in array.elements.values()
            if not element.over
            for name in element.jobs
            for rider in self.jobs[name].wish.riders
        }

    def queued(self, array: ArrayState, job: int) -> None:
        self.arrays[array.name] = replace(array, link=Link.QUEUED, job=job, sent_at=self.at)
        self.do(m.Remember(array.name, job))

    def drop(self, array: ArrayState, why: str) -> None:
        """An array that SLURM never had: its jobs are ready again, and it was nobody's attempt."""
        for element in array.elements.values():
            for name in element.open:
                self.jobs[name] = replace(self.jobs[name], phase=Phase.READY, array="")
        del self.arrays[array.name]
        self.dropped |= {array.name}
        self.do(m.Close(array.name, {}, why))

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
            jobs = (job for element in array.elements.values() for job in element.jobs)
            failed = {job: self.jobs[job].failures for job in jobs if self.jobs[job].phase is not Phase.DONE}
            self.do(m.Close(name, failed))

    # ---- elements ------------------------------------------------------------------------------------------------

    def note(self, note: m.Note) -> None:
        """A record that an element left."""
        element = self.element(note.array, note.index)
        if element is None:
            return
        if not note.job:
            self.put(note.array, note.index, replace(element, through_at=self.at))
        elif note.job not in element.open:
            self._hear_late(note)
        elif note.failure is None:
            self.put(note.array, note.index, _without(element, note.job))
            self.done(note.job)
        else:
            failed = {**element.failed, note.job: note.failure}
            self.put(note.array, note.index, replace(element, failed=failed))

    def _hear_late(self, note: m.Note) -> None:
        """A copy that SLURM had lost ran on to its end all the same: what it made need not be made again."""
        job = self.jobs.get(note.job)
        if note.failure is None and job is not None and job.phase is Phase.READY:
            self.done(note.job)

    def settle(self, array: ArrayState, index: int) -> None:
        """Decide on the jobs of an element that is over, as far as that can be known."""
        element = self.arrays[array.name].elements[index]
        for name in element.open:
            if name in element.failed and _is_explained(element.failed[name], element):
                element = _without(element, name)
                self.put(array.name, index, element)
                self.fail(name, _explained(element.failed[name], element))
        unknown = tuple(name for name in element.open if name not in element.failed)
        waited = element.over_at is not None and self.at - element.over_at >= self.settings.grace_s
        if unknown and not element.checking and (waited or _never_ran(element)):
            self.put(array.name, index, replace(element, checking=True))
            self.to_check += unknown

    def checked(self, name: str, made: bool) -> None:
        """Whether a job's products are there, of which no record speaks."""
        job = self.jobs.get(name)
        if job is None:
            return
        if job.phase is Phase.DONE:
            self._checked_again(job, made)
            return
        element = self.element(job.array, job.index)
        if element is None or name not in element.open:
            return
        self.put(job.array, job.index, replace(_without(element, name), checking=len(element.open) > 1))
        if made:
            self.done(name)
        else:
            self.fail(name, _end_of(self.arrays[job.array], job.index, element))

    def _checked_again(self, job: JobState, made: bool) -> None:
        if made:
            self.jobs[job.wish.name] = replace(job, wanted=False)
            self.do(m.Tell(job.wish.name, "done"))
        else:
            self.jobs[job.wish.name] = JobState(job.wish, Phase.READY, job.asked)


def _on_recovered(turn: _Turn, event: m.Recovered) -> None:
    turn.jobs |= {job.wish.name: job for job in event.jobs}
    for array in event.arrays:
        link = Link.LOST if array.job is None else Link.QUEUED
        turn.arrays[array.name] = replace(array, link=link, sent_at=turn.at, look_at=turn.at)


def _on_wanted(turn: _Turn, event: m.Wanted) -> None:
    for wish in event.wishes:
        turn.want(wish)


def _on_tick(turn: _Turn, event: m.Tick) -> None:
    for array in turn.arrays.values():
        if array.link is Link.LOST and array.look_at <= turn.at:
            turn.do(m.Look(array.name))
    turn.submit_ready()


def _on_sent(turn: _Turn, event: m.Sent) -> None:
    turn.queued(turn.arrays[event.array], event.job)


def _on_refused(turn: _Turn, event: m.Refused) -> None:
    array = turn.arrays[event.array]
    if event.passing:
        turn.drop(array, event.text)
        turn.dropped -= {array.name}  # sbatch said so itself
        for element in array.elements.values():
            for name in element.jobs:
                turn.jobs[name] = replace(turn.jobs[name], not_before=turn.at + turn.settings.grace_s)
        turn.do(m.Say(f"{event.text} It is tried again in {turn.settings.grace_s:.0f} s."))
        return
    del turn.arrays[event.array]
    jobs = [name for element in array.elements.values() for name in element.jobs]
    for name in jobs:
        turn.fail(name, Failure(Cause.REFUSED, event.text, array.name))
    turn.do(m.Close(array.name, {name: turn.jobs[name].failures for name in jobs}, event.text))


def _on_unanswered(turn: _Turn, event: m.Unanswered) -> None:
    array = turn.arrays[event.array]
    turn.arrays[event.array] = replace(array, link=Link.LOST, sent_at=turn.at, look_at=turn.at)
    turn.do(m.Say(f"{event.text} Whether SLURM has {array.name} is looked up; nothing is submitted twice."))


def _on_looked(turn: _Turn, event: m.Looked) -> None:
    array = turn.arrays.get(event.array)
    if array is None or array.link is not Link.LOST:
        return
    if event.jobs:
        turn.queued(array, min(event.jobs))
        return
    since = turn.at if array.found_nothing_since is None else array.found_nothing_since
    looks, waited = array.looks + 1, turn.at - since
    if looks >= SURE_LOOKS and waited >= turn.settings.lookup_s:
        turn.drop(array, "SLURM never had it")
        return
    pause = turn.settings.lookup_s / (SURE_LOOKS - 1)
    turn.arrays[array.name] = replace(array, found_nothing_since=since, looks=looks, look_at=turn.at + pause)


def _on_polled(turn: _Turn, event: m.Polled) -> None:
    touched = {note.array for note in event.notes}
    for note in event.notes:
        turn.note(note)
    if event.queue is not None:
        missing: dict[str, int] = {}
        for array in list(turn.arrays.values()):
            if array.link is Link.QUEUED and array.job is not None:
                seen = event.queue.get(array.name, {})
                if _see(turn, array.name, seen, event.asked_at):
                    missing[array.name] = array.job
            elif array.name in event.queue and array.link is Link.LOST:
                turn.queued(array, next(iter(event.queue[array.name].values())).job)
        if missing:
            turn.do(m.Account(missing))
        _cancel_strays(turn, event.queue)
    for name in touched | turn.arrays.keys():
        _settle_all(turn, name)
    turn.close_settled(touched | turn.arrays.keys())


def _see(turn: _Turn, name: str, seen: Mapping[int, Any], asked_at: float) -> bool:
    """Take in what the queue says of an array; whether the queue misses elements of it."""
    array = turn.arrays[name]
    elements, missing = dict(array.elements), False
    for index, element in array.elements.items():
        sighting = seen.get(index)
        if sighting is not None:
            elements[index] = _sighted(turn, array, index, element, sighting)
        elif element.ended_at is None and asked_at > array.sent_at:
            missing = True
            since = turn.at if element.missing_since is None else element.missing_since
            elements[index] = replace(element, missing_since=since)
    turn.arrays[name] = replace(array, elements=elements)
    return missing


def _sighted(turn: _Turn, array: ArrayState, index: int, element: Element, sighting: Any) -> Element:
    """An element with what SLURM says of it."""
    said = (sighting.state, sighting.reason, sighting.node)
    known = said == (element.state, element.reason, element.node) and element.missing_since is None
    if known and (element.ended_at is not None) == meaning(sighting.state).standing.ended:
        return element  # nothing new, as of most elements at most looks
    new = replace(
        element,
        state=sighting.state,
        reason=sighting.reason,
        node=sighting.node,
        signal=sighting.signal,
        by=sighting.by or element.by,
        missing_since=None,
        missed=0,
    )
    what = meaning(sighting.state, sighting.signal)
    if not what.standing.ended:
        _tell_state(turn, array, index, element, new)
        return replace(new, ended_at=None, doubtful_since=None)
    if what.cause in REQUEUED_AFTER:
        since = turn.at if element.doubtful_since is None else element.doubtful_since
        if turn.at - since < turn.settings.lookup_s:
            return replace(new, doubtful_since=since)
    return new if new.ended_at is not None else replace(new, ended_at=turn.at)


def _tell_state(turn: _Turn, array: ArrayState, index: int, old: Element, new: Element) -> None:
    if (old.state, old.reason, old.node) == (new.state, new.reason, new.node):
        return
    advice = stuck(new.state, new.reason)
    if advice:
        turn.do(
            m.Say(f"{array.name}, SLURM {array.job}_{index} ({new.reason or new.state}): {advice.format(id=array.job)}")
        )
    where = f" on {new.node}" if new.node else ""
    why = f" ({new.reason})" if new.reason and not new.node else ""
    for name in new.open:
        turn.do(m.Tell(name, "state", f"SLURM {array.job}_{index} {new.state}{where}{why}"))


def _on_accounted(turn: _Turn, event: m.Accounted) -> None:
    for name, array in list(turn.arrays.items()):
        if array.link is not Link.QUEUED:
            continue
        elements = dict(array.elements)
        for index, element in array.elements.items():
            if element.missing_since is not None and element.ended_at is None:
                elements[index] = _accounted(turn, array, element, event.sightings.get(name, {}).get(index))
        turn.arrays[name] = replace(array, elements=elements)
        _settle_all(turn, name)
    turn.close_settled(list(turn.arrays))


def _accounted(turn: _Turn, array: ArrayState, element: Element, sighting: Any) -> Element:
    """An element that the queue does not hold, with what the accounting says of it."""
    known = sighting is not None and sighting.job == array.job
    if known and meaning(sighting.state, sighting.signal).standing.ended:
        return replace(
            element,
            state=sighting.state,
            node=sighting.node,
            signal=sighting.signal,
            by=sighting.by,
            ended_at=turn.at,
            missing_since=None,
        )
    missed = element.missed + 1
    since = turn.at if element.missing_since is None else element.missing_since
    if missed >= SURE_LOOKS and turn.at - since >= turn.settings.grace_s:
        return replace(element, state="", ended_at=since, missed=missed)
    return replace(element, missed=missed)


def _on_checked(turn: _Turn, event: m.Checked) -> None:
    arrays = {turn.jobs[name].array for name in event.made if name in turn.jobs}
    for name, made in event.made.items():
        turn.checked(name, made)
    turn.close_settled(arrays)


def _on_forgiven(turn: _Turn, event: m.Forgiven) -> None:
    for name in event.jobs:
        job = turn.jobs.get(name)
        if job and job.phase is Phase.GIVEN_UP:
            turn.stages.pop(job.wish.stage, None)
            if job.wanted:
                turn.jobs[name] = JobState(job.wish, Phase.READY, job.asked)
            else:
                del turn.jobs[name]


def _settle_all(turn: _Turn, name: str) -> None:
    array = turn.arrays.get(name)
    if array is None:
        return
    for index, element in array.elements.items():
        if element.open and element.over:
            turn.settle(array, index)


def _cancel_strays(turn: _Turn, queue: Mapping[str, Mapping[int, Any]]) -> None:
    """Arrays that counted as never submitted, and that SLURM has all the same."""
    for name in sorted(turn.dropped & queue.keys()):
        alive = {s.job for s in queue[name].values() if not meaning(s.state, s.signal).standing.ended}
        for job in sorted(alive):
            turn.do(m.Cancel(job))


def _waits(element: Element) -> bool:
    return bool(element.open) and not element.over and meaning(element.state or "PENDING").standing is Standing.WAITING


def _never_ran(element: Element) -> bool:
    """Whether an element ended without a start: there is no record to wait for."""
    return element.ended_at is not None and not element.node and meaning(element.state).standing is Standing.BAD


def _without(element: Element, name: str) -> Element:
    return replace(element, open=tuple(job for job in element.open if job != name))


def _is_explained(failure: Failure, element: Element) -> bool:
    """Whether enough is known of a failure: why something was killed, SLURM says when the element has ended."""
    return failure.cause is not Cause.KILLED or element.ended_at is not None


def _explained(failure: Failure, element: Element) -> Failure:
    """SLURM's word beside the element's own: a kill for memory is to the killed only a signal."""
    what = meaning(element.state, element.signal)
    if failure.cause is Cause.KILLED and what.cause in (Cause.MEMORY, Cause.TIME, Cause.CANCELLED):
        return replace(failure, cause=what.cause)
    return failure


def _end_of(array: ArrayState, index: int, element: Element) -> Failure:
    """The failure of an element that left no record, by SLURM's word for its end."""
    where = f"{array.name}_{index}"
    here = f"SLURM {array.job}_{index}"
    what = meaning(element.state, element.signal)
    if not element.state or what.cause is None:
        said = f"ended {element.state}" if element.state else "is not known to SLURM any more"
        return Failure(Cause.VANISHED, f"{here} {said}, and left neither a record nor the products.", where)
    by = f" by user {element.by}" if element.by else ""
    node = f" on {element.node}" if element.node else ""
    return Failure(what.cause, f"{here} ended {element.state}{by}{node} without a word of its own.", where)


def _more(before: Any, after: Any) -> str:
    if after.memory_mb != before.memory_mb:
        return f" with {after.memory_mb} MB instead of {before.memory_mb}"
    if after.time_limit_s != before.time_limit_s:
        return f" with {after.time_limit_s / 60:.0f} min instead of {before.time_limit_s / 60:.0f}"
    return ""


_HANDLERS: Mapping[type[Any], Callable[[_Turn, Any], None]] = {
    m.Recovered: _on_recovered,
    m.Wanted: _on_wanted,
    m.Tick: _on_tick,
    m.Sent: _on_sent,
    m.Refused: _on_refused,
    m.Unanswered: _on_unanswered,
    m.Looked: _on_looked,
    m.Polled: _on_polled,
    m.Accounted: _on_accounted,
    m.Checked: _on_checked,
    m.Forgiven: _on_forgiven,
}
