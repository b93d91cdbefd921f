"""A world for the engine, driven by a seed: a clock, and a SLURM that is late, silent, wrong and forgetful (the disk is in danger.py).

It never lies about what the engine has to rely on: what was written durably stays, a record once seen stays, an accepted job is
visible under its name within a few seconds (facts of a real SLURM 22.05).
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from osa_luigi.batch.slurm import exchange as ex
from osa_luigi.batch.slurm import model as m
from osa_luigi.batch.slurm.policies import GROWING, RETRIES, Asked, Failure
from osa_luigi.batch.slurm.seen import Sighting
from osa_luigi.batch.slurm.states import UNSTARTED, Cause
from osa_luigi.errors import AccountingAway, NoAccounting, SlurmAway, SlurmRefused
from tests.simulation.danger import Danger, Dice

DEADLY = ("OUT_OF_MEMORY", "TIMEOUT", "FAILED")
"""Fates of an element that come over one of its jobs."""

HOLDS = RETRIES[Cause.LAUNCH]
"""So often an element is held, at most: the engine lets it start as often, and then waits for a person."""


@dataclass
class Nature:
    """What a job is like: how long it takes, what it needs, whether its tool fails."""

    duration_s: float
    memory_mb: int
    broken: bool = False


@dataclass
class Process:
    """A copy of an element that runs on some node; SLURM may have lost it."""

    array: m.ArrayState
    index: int
    ends_at: float
    fate: str


@dataclass
class Live:
    """An element as slurmctld has it."""

    state: str = "PENDING"
    node: str = ""
    signal: int = 0
    reason: str = ""
    holds: int = 0
    since: float = 0.0
    restarts: int = 0
    gone: bool = False
    """Cancelled while it waited: SLURM keeps nothing of it, nor does its accounting."""


@dataclass(eq=False)
class Batch:
    """An array as slurmctld has it."""

    job: int
    array: m.ArrayState
    accepted_at: float
    visible_at: float
    elements: dict[int, Live]


@dataclass
class Slurm:
    """slurmctld and slurmdbd, nodes and what runs on them."""

    dice: Dice
    danger: Danger
    natures: Mapping[str, Nature]
    now: float = 0.0
    slots: int = 6
    memory_of: float = 300.0
    accounts: bool = True
    limit: int | None = None
    """Elements with SLURM at a time; more it does not take."""
    batches: dict[int, Batch] = field(default_factory=dict)
    processes: list[Process] = field(default_factory=list)
    made: set[str] = field(default_factory=set)
    made_by_lost: set[str] = field(default_factory=set)
    """Made by copies that SLURM had given up: the engine may have submitted the job again already."""
    runs: dict[str, int] = field(default_factory=dict)
    history: dict[str, dict[int, tuple[float, Sighting]]] = field(default_factory=dict)
    pending_notes: dict[str, list[tuple[int, float, ex.Note]]] = field(default_factory=dict)
    """Of each array: number, when it can be read, and the record."""
    away_until: float = -1.0
    accounting_away_until: float = -1.0
    next_job: int = 1
    happened: dict[str, set[Cause]] = field(default_factory=dict)
    spared: set[tuple[str, str]] = field(default_factory=set)
    """Jobs that an element never came to, with the element, since it died at another one."""
    submitted_twice: list[str] = field(default_factory=list)
    submitted_made: list[str] = field(default_factory=list)
    submissions: Counter[str] = field(default_factory=Counter)
    """How often each job was handed in."""
    sbatch: int = 0
    accepted: list[str] = field(default_factory=list)
    """Names of arrays, in the order in which they were handed in."""
    _notes: int = 0
    _names: dict[str, Batch] = field(default_factory=dict)
    _holders: dict[str, list[tuple[Batch, int]]] = field(default_factory=dict)
    """Each job's elements that SLURM remembers."""

    # ---- time passes -----------------------------------------------------------------------------------------------

    def advance(self, seconds: float) -> None:
        """Let so much time pass."""
        self.now += seconds
        if self.dice.happens(0.02):
            self.away_until = self.now + self.dice.random.uniform(1, 120)
        if self.dice.happens(0.01):
            self.accounting_away_until = self.now + self.dice.random.uniform(1, 600)
        self._processes_end()
        self._nodes_fail()
        self._hold_some()
        self._start()
        self._forget()

    def _start(self) -> None:
        free = self.slots - sum(
            live.state == "RUNNING" for batch in self.batches.values() for live in batch.elements.values()
        )
        for batch in self.batches.values():
            for index, live in batch.elements.items():
                if free <= 0:
                    return
                if live.state == "PENDING" and live.since <= self.now and not live.reason:
                    free -= 1
                    self._run(batch, index, live)

    def _run(self, batch: Batch, index: int, live: Live) -> None:
        live.state, live.node = "RUNNING", f"node{self.dice.random.randint(1, 3)}"
        jobs = batch.array.elements[index].jobs
        wall = sum(self.natures[name].duration_s for name in jobs)
        need = max(self.natures[name].memory_mb for name in jobs)
        fate, ends = "ends", wall
        if need > batch.array.asked.memory_mb:
            fate, ends = "OUT_OF_MEMORY", wall * self.dice.random.random()
        elif wall > batch.array.asked.time_limit_s:
            fate, ends = "TIMEOUT", batch.array.asked.time_limit_s
        elif self.dice.happens(0.02):
            fate = self.dice.random.choice(["FAILED", "LAUNCH"])
            ends = wall * self.dice.random.random()
        self.processes.append(Process(batch.array, index, self.now + ends, fate))

    def _processes_end(self) -> None:
        ending = [process for process in self.processes if process.ends_at <= self.now]
        self.processes = [process for process in self.processes if process.ends_at > self.now]
        for process in ending:
            self._end(process)

    def _hold_some(self) -> None:
        """A node could not start an element: it is put back, and held until somebody releases it."""
        for batch in self.batches.values():
            for live in batch.elements.values():
                if live.state == "PENDING" and live.holds < HOLDS and not live.reason and self.dice.happens(0.003):
                    live.reason, live.holds = UNSTARTED, live.holds + 1

    def _end(self, process: Process) -> None:
        name, index = process.array.name, process.index
        failed = False
        jobs = process.array.elements[index].jobs
        at = self.dice.random.choice([job for job in jobs if job not in self.made] or jobs)
        if process.fate in DEADLY:
            reached = jobs.index(at) + 1
            for job in jobs[: reached - 1]:
                self._execute(job, name, index)
            live = self._live(name, index)
            if live is not None and live.state == "RUNNING":
                self.spared -= {(job, f"{name}_{index}") for job in jobs[:reached]}
                self.spared |= {(job, f"{name}_{index}") for job in jobs[reached:]}
        if process.fate == "ends":
            for job in jobs:
                failed |= self.natures[job].broken
                self._execute(job, name, index)
            self._leave(ex.Note(name, index))
        live = self._live(name, index)
        if live is None or live.state != "RUNNING":
            return  # SLURM thinks otherwise of this copy
        live.state = {"ends": "FAILED" if failed else "COMPLETED", "LAUNCH": "FAILED"}.get(process.fate, process.fate)
        live.signal = {"FAILED": 9, "LAUNCH": 53}.get(process.fate, 0)
        live.since = self.now
        causes = {"OUT_OF_MEMORY": Cause.MEMORY, "TIMEOUT": Cause.TIME, "FAILED": Cause.KILLED, "LAUNCH": Cause.LAUNCH}
        if cause := causes.get(process.fate):
            self._note_cause(name, index, cause)
            if cause in GROWING and self.dice.random.random() < 0.5:  # the element came to say so itself
                self._leave(ex.Note(name, index, at, Failure(cause, f"it was short of {cause}.", f"{name}_{index}")))
                self._leave(ex.Note(name, index))

    def _execute(self, job: str, array: str, index: int) -> None:
        if self.natures[job].broken:
            self._note_cause(array, index, Cause.TOOL)
            self._leave(ex.Note(array, index, job, Failure(Cause.TOOL, "the tool failed.", f"{array}_{index}")))
            return
        if job not in self.made:
            self.runs[job] = self.runs.get(job, 0) + 1
            live = self._live(array, index)
            if live is None or live.state != "RUNNING":
                self.made_by_lost.add(job)
        self.made.add(job)
        self._leave(ex.Note(array, index, job))

    def _leave(self, note: ex.Note) -> None:
        if self.dice.happens(0.01):  # a record that was never written: the disk was full
            self._note_cause(note.array, note.index, Cause.KILLED)
            self._note_cause(note.array, note.index, Cause.VANISHED)
            return
        late = self.dice.random.uniform(0, 40) if self.dice.happens(0.1) else 0.0
        self._notes += 1
        self.pending_notes.setdefault(note.array, []).append((self._notes, self.now + late, note))

    def _nodes_fail(self) -> None:
        for batch in self.batches.values():
            for index, live in batch.elements.items():
                if live.state == "RUNNING" and self.dice.happens(0.004):
                    self._lose_node(batch, index, live)
                elif live.state in ("NODE_FAIL", "PREEMPTED") and live.restarts and live.since + 3 <= self.now:
                    live.state, live.node = "PENDING", ""

    def _lose_node(self, batch: Batch, index: int, live: Live) -> None:
        cause = self.dice.random.choice(["NODE_FAIL", "PREEMPTED"])
        if cause == "PREEMPTED" or self.dice.random.random() < 0.5:  # else the lost copy runs on beside its successor
            self.processes = [
                process
                for process in self.processes
                if (process.array.name, process.index) != (batch.array.name, index)
            ]
        live.state, live.since = cause, self.now
        live.restarts = 1 if self.dice.random.random() < 0.5 else 0
        if not live.restarts:
            self._note_cause(batch.array.name, index, Cause.NODE if cause == "NODE_FAIL" else Cause.PREEMPTED)

    def _forget(self) -> None:
        """Purge what ended long ago from slurmctld's memory; the accounting keeps it."""
        for job, batch in list(self.batches.items()):
            ended = [live for live in batch.elements.values() if live.state not in ("PENDING", "RUNNING")]
            old = len(ended) == len(batch.elements) and all(live.since + self.memory_of < self.now for live in ended)
            if old or (self.now - batch.accepted_at < 3 and self.dice.happens(0.002)):
                self._vanish(batch, old=old)
                del self.batches[job]
                self._drop(batch)

    def _drop(self, batch: Batch) -> None:
        del self._names[batch.array.name]
        for index, element in batch.array.elements.items():
            for name in element.jobs:
                self._holders[name].remove((batch, index))

    def _vanish(self, batch: Batch, *, old: bool) -> None:
        for index, live in batch.elements.items():
            if old and self.accounts and not live.gone:
                seen = self._sighting(batch, index, live)
                self.history.setdefault(batch.array.name, {})[index] = (self.now, seen)
            else:
                self._note_cause(batch.array.name, index, Cause.VANISHED)
        if not old:  # slurmctld was killed right after it said yes; its ids are given again
            names = {batch.array.name}
            self.processes = [process for process in self.processes if process.array.name not in names]
            self.next_job = min(self.next_job, batch.job)

    def _note_cause(self, array: str, index: int, cause: Cause) -> None:
        self.happened.setdefault(f"{array}_{index}", set()).add(cause)

    def _live(self, name: str, index: int) -> Live | None:
        batch = self._names.get(name)
        return batch.elements[index] if batch else None

    def _sighting(self, batch: Batch, index: int, live: Live) -> Sighting:
        return Sighting(
            batch.array.name, batch.job, index, live.state, live.reason, 0, live.signal, "", live.node, None
        )

    # ---- what the engine calls ---------------------------------------------------------------------------------------

    def _call(self) -> None:
        self.danger.step()
        if self.now < self.away_until:
            raise SlurmAway("slurmctld is away.")
        if self.dice.happens(0.03):
            raise SlurmAway("no answer, or half of one.")

    def submit(self, array: m.ArrayState) -> int:
        self.danger.step()
        if self.now < self.away_until or self.dice.happens(0.02):
            raise SlurmAway("sbatch timed out.")
        if self.dice.happens(0.01) or self._is_over_limit(array):
            raise SlurmRefused("QOSMaxSubmitJobPerUserLimit")
        job = self._accept(array)
        self.danger.step()
        if self.dice.happens(0.05):
            raise SlurmAway("sbatch: Socket timed out; it had been accepted.")
        return job

    def _is_over_limit(self, array: m.ArrayState) -> bool:
        states = (live.state for batch in self.batches.values() for live in batch.elements.values())
        held = sum(state in ("PENDING", "RUNNING") for state in states)
        return self.limit is not None and held + len(array.elements) > self.limit

    def _accept(self, array: m.ArrayState) -> int:
        self.sbatch += 1
        self.accepted.append(array.name)
        for element in array.elements.values():
            for name in element.jobs:
                if self._is_with_slurm(name):
                    self.submitted_twice.append(name)
                self.submissions[name] += 1
                if name in self.made and name not in self.made_by_lost:
                    self.submitted_made.append(name)
        job = next(
            number for number in itertools.count(self.next_job) if number not in self.batches
        )  # never one in use
        self.next_job = job + 1
        late = self.dice.random.uniform(0, 5)
        elements = {index: Live(since=self.now) for index in array.elements}
        self.batches[job] = batch = Batch(job, array, self.now, self.now + late, elements)
        self._names[array.name] = batch
        for index, element in array.elements.items():
            for name in element.jobs:
                self._holders.setdefault(name, []).append((batch, index))
        return job

    def _is_with_slurm(self, name: str) -> bool:
        """Whether an element that SLURM remembers may still run the job, but for one whose jobs another element took over."""
        holders = self._holders.get(name, ())
        return any(batch.elements[index].state in ("PENDING", "RUNNING") for batch, index in holders)

    def trouble(self) -> list[str]:
        """What should never have happened, so far."""
        again = [f"{name} was submitted twice" for name in self.submitted_twice]
        again += [f"{name} was made already and submitted again" for name in self.submitted_made]
        return again + [f"{name} was executed {count} times" for name, count in self.runs.items() if count > 1]

    def is_done_with(self, jobs: Iterable[str]) -> bool:
        """Whether nothing of these jobs runs, waits, or is remembered by slurmctld."""
        wanted = set(jobs)
        held = any(self._holders.get(name) for name in wanted)
        return not held and not any(
            wanted.intersection(process.array.elements[process.index].jobs) for process in self.processes
        )

    def forget(self, jobs: Iterable[str], prefix: str) -> None:
        """Let go of what is known of jobs that it is done with, and of the arrays of their night."""
        for name in jobs:
            for known in (self.runs, self.submissions, self._holders):
                known.pop(name, None)
            self.made.discard(name)
            self.made_by_lost.discard(name)
        self.accepted = [name for name in self.accepted if not name.startswith(f"{prefix}.")]
        for tables in (self.history, self.pending_notes, self.happened):
            for array in [array for array in tables if array.startswith(f"{prefix}.")]:
                del tables[array]

    def queue(self) -> tuple[float, Mapping[str, Mapping[int, Sighting]]]:
        self._call()
        found: dict[str, dict[int, Sighting]] = {}
        for batch in self.batches.values():
            if batch.visible_at <= self.now:
                found[batch.array.name] = {
                    index: self._sighting(batch, index, live) for index, live in batch.elements.items() if not live.gone
                }
        return self.now, found

    def find(self, name: str) -> list[Sighting]:
        self._call()
        batch = self._names.get(name)
        seen_now = batch.elements.items() if batch and batch.visible_at <= self.now else ()
        found = [self._sighting(batch, index, live) for index, live in seen_now if batch and not live.gone]
        if self.accounts and not found and self.now < self.accounting_away_until:
            raise AccountingAway("slurmdbd is away.")
        return found + [seen for _, seen in self.history.get(name, {}).values()]

    def accounting(self, arrays: Mapping[str, int]) -> Mapping[str, Mapping[int, Sighting]]:
        self._call()
        if not self.accounts:
            raise NoAccounting("accounting storage is disabled")
        if self.now < self.accounting_away_until:
            raise AccountingAway("slurmdbd is away.")
        return {name: {i: seen for i, (_, seen) in self.history.get(name, {}).items()} for name in arrays}

    def cancel(self, job: int, indices: tuple[int, ...]) -> None:
        self._call()
        batch = self.batches.get(job)
        for index, live in batch.elements.items() if batch else ():
            if (not indices or index in indices) and live.state in ("PENDING", "RUNNING"):
                if live.state == "PENDING" and self.dice.happens(0.2):  # it had just been started
                    self._run(batch, index, live)
                live.gone = live.state == "PENDING" and bool(indices)
                if live.gone:
                    self._note_cause(batch.array.name, index, Cause.VANISHED)
                live.state, live.since = "CANCELLED", self.now
                # No cause is noted: only engines cancel here, and what they take back has not failed.
                self.processes = [p for p in self.processes if (p.array.name, p.index) != (batch.array.name, index)]

    def release(self, job: int, indices: tuple[int, ...]) -> None:
        self._call()
        batch = self.batches.get(job)
        for index, live in batch.elements.items() if batch else ():
            if index in indices:
                live.reason = ""

    # ---- the files of the production ----------------------------------------------------------------------------------

    def prepare(self, array: m.ArrayState, jobs: Mapping[str, m.JobState]) -> None:
        self.danger.disk()

    def notes(self, arrays: Iterable[str], seen: set[int]) -> list[ex.Note]:
        """Records of arrays that this engine has not read yet (each engine reads all anew)."""
        self.danger.disk()
        found = [
            (number, note)
            for array in arrays
            for number, visible_at, note in self.pending_notes.get(array, ())
            if number not in seen and visible_at <= self.now
        ]
        seen.update(number for number, _ in found)
        return [note for _, note in sorted(found, key=lambda one: one[0])]


class Files:
    """The files as one life of the engine sees them."""

    def __init__(self, slurm: Slurm) -> None:
        self._slurm = slurm
        self._seen: set[int] = set()

    def prepare(self, array: m.ArrayState, jobs: Mapping[str, m.JobState]) -> None:
        self._slurm.prepare(array, jobs)

    def notes(self, arrays: Iterable[str]) -> list[ex.Note]:
        return self._slurm.notes(arrays, self._seen)

    def made(self, jobs: Iterable[m.JobState]) -> Mapping[str, bool | None]:
        fails = self._slurm.danger.disk_fails
        return {job.wish.name: None if fails() else job.wish.name in self._slurm.made for job in jobs}

    def short_of_memory(self, jobs: Iterable[m.JobState]) -> frozenset[str]:
        return frozenset()

    def output(self, jobs: Iterable[m.JobState]) -> Mapping[str, str]:
        return {}

    def learn(self, stage: str, first: Asked, needed: Asked) -> None:
        self._slurm.danger.step()
