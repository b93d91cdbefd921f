"""The decisions of the SLURM engine: ``(state, event) → (state, commands)``, and nothing else.

No clock, file or process is touched here, so a crash at every point can be played through (tests/simulation), and a journal of a real
morning replayed. Commands are carried out in their order; the rest of them is lost if the engine is killed in between, and a
recovered engine must do well with what was done.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import chain
from math import inf
from typing import Any

from osa_luigi.batch.slurm import exchange as ex
from osa_luigi.batch.slurm.exchange import Command, Event
from osa_luigi.batch.slurm.model import JobState, Link, Phase, State
from osa_luigi.batch.slurm.policies import Failure
from osa_luigi.batch.slurm.seen import Sighting
from osa_luigi.batch.slurm.sightings import SURE_LOOKS, accounted, see
from osa_luigi.batch.slurm.states import Cause, meaning
from osa_luigi.batch.slurm.turn import Turn


def decide(state: State, event: Event) -> tuple[State, tuple[Command, ...]]:
    """What follows from an event."""
    turn = Turn(state, event.at)
    _HANDLERS[type(event)](turn, event)
    return turn.end()


def due(state: State, at: float) -> float:
    """Until when ticks bring nothing, if one at a time brought nothing, and nothing else is heard.

    A tick looks through all jobs and elements, and comes each second.
    """
    looks = [array.look_at for array in state.arrays.values() if array.link is Link.LOST]
    looks += [array.send_at for array in state.arrays.values() if array.link is Link.HELD]
    waiting = (job for job in state.jobs.values() if job.phase is Phase.READY and job.wanted)
    tries = (job.not_before for job in waiting if job.not_before > at)
    return min(chain(looks, tries), default=inf)


def _on_recovered(turn: Turn, event: ex.Recovered) -> None:
    turn.jobs |= {job.wish.name: job for job in event.jobs}
    for array in event.arrays:
        link = Link.LOST if array.job is None else Link.QUEUED
        turn.arrays[array.name] = replace(array, link=link, sent_at=turn.at, look_at=turn.at, adopted=True)


def _on_wanted(turn: Turn, event: ex.Wanted) -> None:
    for wish in event.wishes:
        turn.want(wish)


def _on_tick(turn: Turn, event: ex.Tick) -> None:
    for array in turn.arrays.values():
        if array.link is Link.LOST and array.look_at <= turn.at:
            turn.do(ex.Look(array.name))
    for array in list(turn.arrays.values()):
        if array.link is Link.HELD and array.send_at <= turn.at:
            turn.send_again(array)
    turn.submit_ready()


def _on_sent(turn: Turn, event: ex.Sent) -> None:
    turn.queued(turn.arrays[event.array], event.job)


def _on_refused(turn: Turn, event: ex.Refused) -> None:
    array = turn.arrays[event.array]
    if event.passing:
        turn.hold(array, event.text, too_many=event.too_many)
        return
    del turn.arrays[event.array]
    jobs = [name for element in array.elements.values() for name in element.jobs]
    for name in jobs:
        turn.fail(name, Failure(Cause.REFUSED, event.text, array.name))
    turn.do(ex.Close(array.name, {name: turn.jobs[name].failures for name in jobs}, event.text))


def _on_postponed(turn: Turn, event: ex.Postponed) -> None:
    turn.postpone(turn.arrays[event.array], pause=bool(event.text))


def _on_unanswered(turn: Turn, event: ex.Unanswered) -> None:
    array = turn.arrays[event.array]
    turn.arrays[event.array] = replace(array, link=Link.LOST, sent_at=turn.at, look_at=turn.at)
    turn.do(ex.Say(f"Whether SLURM has taken {array.name} is not known: it is looked up, and not submitted twice."))


def _on_looked(turn: Turn, event: ex.Looked) -> None:
    array = turn.arrays.get(event.array)
    if array is None or array.link is not Link.LOST:
        return
    if event.jobs:
        turn.found(array, min(event.jobs))
        return
    since = turn.at if array.found_nothing_since is None else array.found_nothing_since
    looks, waited = array.looks + 1, turn.at - since
    if looks >= SURE_LOOKS and waited >= turn.settings.lookup_s:
        if any(element.through_at is not None for element in array.elements.values()):
            turn.forget(array)
            return
        turn.drop(array, "SLURM never had it")
        turn.do(ex.Say(f"{array.name}: SLURM never had it. It is submitted under another name."))
        return
    pause = turn.settings.lookup_s / (SURE_LOOKS - 1)
    turn.arrays[array.name] = replace(array, found_nothing_since=since, looks=looks, look_at=turn.at + pause)


def _on_polled(turn: Turn, event: ex.Polled) -> None:
    touched = {note.array for note in event.notes}
    for note in event.notes:
        turn.note(note)
    if event.queue is not None:
        missing: dict[str, int] = {}
        for array in list(turn.arrays.values()):
            if array.link is Link.QUEUED and array.job is not None:
                seen = event.queue.get(array.name, {})
                if see(turn, array.name, seen, event.asked_at):
                    missing[array.name] = array.job
            elif array.name in event.queue and array.link in (Link.LOST, Link.HELD):
                turn.found(array, min(seen.job for seen in event.queue[array.name].values()))
        if missing:
            turn.do(ex.Account(missing))
        _cancel_strays(turn, event.queue)
    missed = (turn.jobs.get(name) for name in sorted(turn.unchecked))
    turn.to_check += [job.wish.name for job in missed if job and job.phase is Phase.DONE and job.wanted]
    turn.unchecked = frozenset()
    looked_at = sorted(touched | turn.arrays.keys())  # in an order that another process finds again
    for name in looked_at:
        _settle_all(turn, name)
    turn.close_settled(looked_at)


def _on_accounted(turn: Turn, event: ex.Accounted) -> None:
    for name in list(turn.arrays):
        array = turn.arrays[name]  # as those before it have left it
        if array.link is not Link.QUEUED:
            continue
        elements = dict(array.elements)
        for index, element in array.elements.items():
            if element.missing_since is not None and element.ended_at is None:
                elements[index] = accounted(turn, array, element, event.sightings.get(name, {}).get(index))
        turn.arrays[name] = replace(array, elements=elements)
        _settle_all(turn, name)
    turn.close_settled(list(turn.arrays))


def _on_checked(turn: Turn, event: ex.Checked) -> None:
    arrays = {turn.jobs[name].array for name in event.made if name in turn.jobs}
    # What is made goes first: of what one look brings a success counts as the last.
    for name, made in sorted(event.made.items(), key=lambda one: not one[1]):
        said = event.output.get(name, "")
        turn.checked(name, made, short_of_memory=name in event.short_of_memory, output=said)
    turn.close_settled(sorted(arrays))


def _on_unchecked(turn: Turn, event: ex.Unchecked) -> None:
    for name in event.jobs:
        job = turn.jobs[name]
        element = turn.element(job.array, job.index)
        if job.phase is Phase.DONE:
            turn.unchecked |= {name}
        elif element is not None and name in element.open:
            turn.put(job.array, job.index, replace(element, checking=False))  # `settle` asks again


def _on_forgiven(turn: Turn, event: ex.Forgiven) -> None:
    for name in event.jobs:
        job = turn.jobs.get(name)
        if job and job.phase is Phase.GIVEN_UP:
            turn.stages.pop(job.wish.stage, None)
            if job.wanted:
                turn.jobs[name] = JobState(job.wish, Phase.READY, job.wish.asked)
                turn.do(ex.Tell(name, "again"))
            else:
                del turn.jobs[name]


def _on_released(turn: Turn, event: ex.Released) -> None:
    for index in event.indices:
        if element := turn.element(event.array, index):
            turn.put(event.array, index, replace(element, releases=element.releases + 1))


def _settle_all(turn: Turn, name: str) -> None:
    array = turn.arrays.get(name)
    if array is None:
        return
    for index, element in array.elements.items():
        # By its own word alone nothing has failed: SLURM may have started a second copy of it, on another node.
        if element.open and element.ended_at is not None:
            turn.settle(array, index)


def _cancel_strays(turn: Turn, queue: Mapping[str, Mapping[int, Sighting]]) -> None:
    """Arrays that counted as never submitted, and that SLURM has all the same."""
    for name in sorted(turn.dropped & queue.keys()):
        alive = {s.job for s in queue[name].values() if not meaning(s.state, s.signal).standing.ended}
        for job in sorted(alive):
            turn.do(ex.Cancel(job))


_HANDLERS: Mapping[type[Any], Callable[[Turn, Any], None]] = {
    ex.Recovered: _on_recovered,
    ex.Wanted: _on_wanted,
    ex.Tick: _on_tick,
    ex.Sent: _on_sent,
    ex.Refused: _on_refused,
    ex.Postponed: _on_postponed,
    ex.Unanswered: _on_unanswered,
    ex.Looked: _on_looked,
    ex.Polled: _on_polled,
    ex.Accounted: _on_accounted,
    ex.Checked: _on_checked,
    ex.Unchecked: _on_unchecked,
    ex.Forgiven: _on_forgiven,
    ex.Released: _on_released,
}
