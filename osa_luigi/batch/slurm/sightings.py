"""What SLURM's queue and accounting say of elements, taken in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from osa_luigi.batch.slurm import exchange as ex
from osa_luigi.batch.slurm.model import ArrayState, Element
from osa_luigi.batch.slurm.seen import Sighting
from osa_luigi.batch.slurm.states import REQUEUED_AFTER, UNSTARTED, Cause, Standing, meaning, stuck
from osa_luigi.batch.slurm.turn import Turn

CANCELLED = "CANCELLED"
"""SLURM's word."""

SURE_LOOKS = 3
"""So often a thing must be looked for in vain, and over some time, before it counts as not there."""

CONTRADICTED = 10
"""So many times longer that takes where the accounting says that it runs. It may be the one that is wrong: slurmctld lost its state."""


def see(turn: Turn, name: str, seen: Mapping[int, Sighting], asked_at: float) -> bool:
    """Take in what the queue says of an array; whether the queue misses elements of it."""
    array = turn.arrays[name]
    if seen == array.calm:
        return False  # as of most arrays at most looks: a night's thousands of elements are not gone through
    elements, missing = dict(array.elements), False
    for index, element in array.elements.items():
        sighting = seen.get(index)
        if sighting is not None:
            elements[index] = _sighted(turn, array, index, element, sighting)
        elif element.ended_at is None and asked_at > array.sent_at:
            if element.recalled_at is not None and asked_at > element.recalled_at and _was_waiting(element):
                # Of an element that is cancelled while it waits SLURM keeps nothing, nor does its accounting.
                elements[index] = replace(
                    element, state=CANCELLED, reason="", node="", ended_at=turn.at, missing_since=None
                )
                continue
            missing = True
            since = turn.at if element.missing_since is None else element.missing_since
            elements[index] = replace(element, missing_since=since)
    _release_unstarted(turn, array, elements)
    said = _say_stuck(turn, array, elements)
    array = turn.renew(replace(array, elements=elements, said=said))
    calm = all(_is_calm(element, index in seen) for index, element in array.elements.items())
    turn.arrays[name] = replace(array, calm=seen if calm else None)
    return missing


def _was_waiting(element: Element) -> bool:
    return bool(element.state) and not element.node and meaning(element.state).standing is Standing.WAITING


def _is_calm(element: Element, is_seen: bool) -> bool:
    """Whether nothing will follow for it if SLURM goes on to say the same."""
    waits_for_time = (element.doubtful_since, element.held_since, element.recalled_at)
    return element.ended_at is not None or (is_seen and all(since is None for since in waits_for_time))


def _sighted(turn: Turn, array: ArrayState, index: int, element: Element, sighting: Sighting) -> Element:
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


def _release_unstarted(turn: Turn, array: ArrayState, elements: dict[int, Element]) -> None:
    """Let start what a node could not start, after a while and not for ever: another node may, and nobody is there to say so."""
    released = []
    for index, element in elements.items():
        if not _is_unstarted(element):
            if element.held_since is not None:
                elements[index] = replace(element, held_since=None)
        elif element.held_since is None:
            elements[index] = replace(element, held_since=turn.at)
        elif _may_be_released(turn, element) and not _is_held_shortly(turn, element):
            elements[index] = replace(element, held_since=turn.at)  # asked again, if this one is lost
            released.append(index)
    if released and array.job is not None:
        turn.do(ex.Release(array.name, array.job, tuple(released)))
        turn.do(ex.Say(f"{array.name}: a node could not start {len(released)} elements of it; they are released."))


def _is_unstarted(element: Element) -> bool:
    return bool(element.reason) and element.reason.strip("()") == UNSTARTED and element.ended_at is None


def _may_be_released(turn: Turn, element: Element) -> bool:
    return element.releases < turn.settings.policies.limit(Cause.LAUNCH)


def _is_held_shortly(turn: Turn, element: Element) -> bool:
    return element.held_since is None or turn.at - element.held_since < turn.settings.policies.delay_s(Cause.LAUNCH)


def _say_stuck(turn: Turn, array: ArrayState, elements: Mapping[int, Element]) -> frozenset[str]:
    """Tell the operator once of each reason for which elements will not start by themselves; the reasons told so far."""
    told = array.said
    for index, element in elements.items():
        reason = element.reason or element.state
        if _is_unstarted(element) and (_may_be_released(turn, element) or _is_held_shortly(turn, element)):
            continue
        if reason not in told and not element.over and (advice := stuck(element.state, element.reason)):
            told |= {reason}
            here = f"SLURM {array.job}_{index}"
            turn.do(ex.Say(f"{array.name} does not start, {here} for one ({reason}): {advice.format(id=array.job)}"))
    return told


def _tell_state(turn: Turn, array: ArrayState, index: int, old: Element, new: Element) -> None:
    if (old.state, old.reason, old.node) == (new.state, new.reason, new.node):
        return
    where = f" on {new.node}" if new.node else ""
    why = f" ({new.reason})" if new.reason and not new.node else ""
    running = meaning(new.state).standing is Standing.LIVE
    for name in new.open:
        turn.do(ex.Tell(name, "state", f"SLURM {array.job}_{index} {new.state}{where}{why}", running))


def accounted(turn: Turn, array: ArrayState, element: Element, sighting: Sighting | None) -> Element:
    """An element that the queue does not hold, with what the accounting says of it."""
    if sighting is not None and sighting.job != array.job:
        sighting = None  # of a copy that is not ours
    if sighting is not None and meaning(sighting.state, sighting.signal).standing.ended:
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
    enough_s = turn.settings.grace_s * (1 if sighting is None else CONTRADICTED)
    if missed >= SURE_LOOKS and turn.at - since >= enough_s:
        return replace(element, state="", ended_at=since, missed=missed)
    return replace(element, missed=missed)
