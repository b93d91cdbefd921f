"""The life of one attempt of a step: scratch folder → tool → verification → commit.

Tool and verification each run in a forked child of their own. The verifying child opens files that a broken tool may have left,
and its libraries may start threads: neither may harm the process that forks the next attempt.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import secrets
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from osa_luigi.errors import ForeignProductError, KeyConflictError, NightError, OsaError, StepError, VerificationError
from osa_luigi.process import host
from osa_luigi.products.commit import commit, finish_move
from osa_luigi.products.digest import sha256, tables_digest
from osa_luigi.products.disk import disk_trouble
from osa_luigi.products.production import Production, write_durably
from osa_luigi.products.recall import bring_back
from osa_luigi.products.receipt import Made, Presence, Receipt, current_receipt, presence
from osa_luigi.products.scratch import claim
from osa_luigi.runner.adopted import Adopted
from osa_luigi.runner.environment import cluster_job
from osa_luigi.runner.forked import Outcome, run_forked
from osa_luigi.runner.last_words import last_words
from osa_luigi.steps.behaviour import behaviour
from osa_luigi.steps.call import StepCall
from osa_luigi.steps.fake import FakeStep
from osa_luigi.steps.software import other_software, software
from osa_luigi.steps.standing import Standing, difference, remedy, standing
from osa_luigi.steps.step import Command, Step

WORK = "work"
REASON = "reason.txt"
VERIFIED = "verified.json"
VERIFY_LIMIT_S = 3600.0


@dataclass(frozen=True, slots=True)
class Result:
    """How an attempt ended.

    Parameters
    ----------
    name
        ``<step>.<unit>``.
    outcome
        ``made``: committed; ``present``: it was there already; ``outrun``: another attempt committed the same first;
        ``failed``.
    reason
        For a failure: what was wrong, where, what to do next.
    log
        What the attempt printed; ``None`` if nothing ran.
    record
        The exit record as written beside the production.
    """

    name: str
    outcome: str
    reason: str
    log: Path | None
    record: Mapping[str, Any]

    @property
    def good(self) -> bool:
        """Whether the products are there and count."""
        return self.outcome != "failed"


@dataclass(slots=True)
class _Attempt:
    """An attempt under way."""

    production: Production
    call: StepCall
    step: Step
    id: str
    generation: int
    started: datetime
    tool: Outcome | None = None
    checks: Outcome | None = None
    adopted: Adopted | None = None

    @property
    def scratch(self) -> Path:
        return self.production.scratch / f"{self.call.name}.{self.id}"

    @property
    def work(self) -> Path:
        return self.scratch / WORK

    @property
    def log(self) -> Path:
        return self.production.logs(self.call.unit) / f"{self.call.name}.{self.id}.log"

    def record(self, outcome: str, reason: str) -> dict[str, Any]:
        """The exit record: what happened, where, and at what cost."""
        tool, checks = self.tool, self.checks
        ran = [child for child in (tool, checks) if child]
        return {
            "id": self.id,
            "step": self.call.step,
            "unit": self.call.unit,
            "key": self.call.key,
            "outcome": outcome,
            "reason": reason,
            "exit_code": tool.exit_code if tool else None,
            "signal": next((-child.exit_code for child in ran if child.exit_code < 0), None),
            "timed_out": any(child.timed_out for child in ran),
            "started": self.started.isoformat(timespec="milliseconds"),
            "ended": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "wall_s": tool.wall_s if tool else 0.0,
            "cpu_s": tool.cpu_s if tool else 0.0,
            "peak_memory_mb": max((child.peak_memory_mb for child in ran), default=0.0),
            "asked": asdict(self.call.needs),
            "verify_wall_s": checks.wall_s if checks else 0.0,
            "verify_cpu_s": checks.cpu_s if checks else 0.0,
            "log": str(self.log.relative_to(self.production.root)),
            "pid": os.getpid(),
            "host": host(),
            **({"job_id": job} if (job := cluster_job(os.environ)) else {}),
            **({"adopted": self.adopted.said()} if self.adopted else {}),
        }


def attempt(production: Production, call: StepCall, adopted: Adopted | None = None) -> Result:
    """Make a step's products unless they are there; never raises for what can go wrong in a night.

    Parameters
    ----------
    adopted
        Files that something else made, to be verified and taken over in the place of running the tool.
    """
    started = datetime.now(UTC)
    run = _Attempt(production, call, behaviour(call), _attempt_id(started), 1, started, adopted=adopted)
    try:
        if _present(run):
            return Result(call.name, "present", "", None, {})
        outcome, reason = _live(run), ""
    except (OsaError, OSError) as error:
        # Looked at before the scratch folder goes, which may be what filled the disk.
        outcome, reason = "failed", _with_disk_trouble(_said(error, production), production.root)
    finally:
        _discard(run)
    record = run.record(outcome, reason)
    with contextlib.suppress(OSError):  # on a full disk the result still reaches the engine by its pipe
        write_durably(
            production.attempts(call.unit) / f"{call.name}.{run.id}.json", json.dumps(record, indent=1) + "\n"
        )
    return Result(call.name, outcome, reason, run.log if run.log.exists() else None, record)


def _attempt_id(now: datetime) -> str:
    """Sorts by time; unique; names the process, so that what a dead one left can be swept."""
    return f"{now:%Y%m%dT%H%M%S}-{host()}-{os.getpid()}-{secrets.token_hex(3)}"


def _said(error: OsaError | OSError, production: Production) -> str:
    """What a person reads: our own errors say all of it, the system's only what and where."""
    if isinstance(error, OsaError):
        return str(error)
    return (
        f"{error.filename or production.root}: {error.strerror or error}. "
        "Put this right, then run again: it goes on where it was."
    )


def _present(run: _Attempt) -> bool:
    """Whether a committed product is there (finishing its move if that was cut short)."""
    production, call = run.production, run.call
    receipt = _receipt_or_refuse(production, call)
    if receipt is None:
        return False
    stands, there = standing(call, receipt), presence(production, receipt)
    if stands is Standing.CONFLICT:
        raise KeyConflictError(
            f"{call.name} exists in production {production.id}, made otherwise: "
            + "; ".join(difference(production, call, receipt))
            + f". Nothing was changed. {remedy(call, receipt)}"
        )
    if there is not Presence.COMPLETE:
        # Of a product to be made again, too: who committed it must not move it over the next generation later.
        finish_move(production, receipt)
    if stands is Standing.SAME and there is not Presence.LOST:
        return True
    run.generation = receipt.generation + 1
    return False


def _receipt_or_refuse(production: Production, call: StepCall) -> Receipt | None:
    """The receipt of a call; without one, nothing may stand where its products go."""
    if receipt := current_receipt(production, call.step, call.unit):
        return receipt
    standing_there = [production.root / output.path for output in call.outputs]
    foreign = next((path for path in standing_there if os.path.lexists(path)), None)
    if foreign is None:
        return None
    if receipt := current_receipt(production, call.step, call.unit):
        return receipt  # another attempt of the same call committed between the two looks
    raise ForeignProductError(
        f"{foreign}: stands where {call.name} goes, but has no receipt, so nobody knows how it was made. "
        "Nothing was changed. Move the file aside and run again."
    )


def _live(run: _Attempt) -> str:
    """Scratch → tool → verification → commit."""
    run.work.mkdir(parents=True)
    claim(run.scratch)
    run.log.parent.mkdir(parents=True, exist_ok=True)
    _require_software(run.call)
    _require_inputs(run.call)
    bring = (lambda: _take_over(run)) if run.adopted else (lambda: _execute(run))
    run.tool = run_forked(_guarded(run, bring), run.log, run.work, run.call.needs.time_limit_s)
    if reason := run.tool.reason(run.call.needs.time_limit_s):
        raise StepError(_why(run, reason))
    run.checks = run_forked(_guarded(run, lambda: _verify(run)), run.log, run.work, VERIFY_LIMIT_S)
    if reason := run.checks.reason(VERIFY_LIMIT_S):
        raise VerificationError(_why(run, f"its verification ended: {reason}"))
    verified = json.loads((run.scratch / VERIFIED).read_text())
    receipt = _receipt(run, verified)
    if commit(run.production, receipt, run.scratch):
        return "made"
    if not _present(run):
        raise StepError(f"{run.call.name}: another attempt committed something else meanwhile. Run it again.")
    return "outrun"


def _require_software(call: StepCall) -> None:
    """A product's key tells the versions that made it. A fake needs none of them."""
    others = other_software(call.software) if call.fake is None else []
    if others:
        planned = ", ".join(f"{package} {before} (here {now})" for package, before, now in others)
        raise StepError(
            f"{call.name}: was planned with {planned}, in {sys.prefix} on {host()}. Nothing was made: its key would not be true. "
            "Give the job the software of the plan (executor.slurm.environment, or what was installed before), or cancel what waits, "
            "and run the night with the new software under another production id."
        )


def _require_inputs(call: StepCall) -> None:
    if lacks := call.chosen.get("lacks"):
        raise NightError(f"{call.name}: {lacks}")
    needed = [item for item in call.inputs if item.key or call.fake is None]  # a fake reads nothing foreign
    missing = [item for item in needed if not item.path.exists() and not (item.key and bring_back(item.path))]
    if missing:
        ours = all(item.key for item in missing)
        next_ = "Run the night again: it is made again." if ours else "Restore the file, then run again."
        raise NightError(f"{call.name}: missing input {', '.join(str(item.path) for item in missing)}. {next_}")


def _guarded(run: _Attempt, function: Callable[[], None]) -> Callable[[], int]:
    """Leave the message of our own errors where the parent finds it."""

    def guarded() -> int:
        try:
            function()
        except OsaError as error:
            print(error, file=sys.stderr)  # noqa: T201 (the log is this process's standard error)
            (run.scratch / REASON).write_text(str(error), encoding="utf-8", errors="backslashreplace")
            return 1
        return 0

    return guarded


def _execute(run: _Attempt) -> None:
    """In the child: the tool's own command line, without another interpreter."""
    call = run.step.settled(run.call)
    run.step.check_inputs(call)
    command = run.step.command(call)
    print(f"# {run.call.name}, step key {run.call.key}, {run.started:%F %T} UTC\n{command.shell()}\n")  # noqa: T201
    lay_out(command)
    sys.argv = [command.tool.command, *command.arguments]
    if command.tool.mend:
        resolve(command.tool.mend)()
    sys.exit(resolve(command.tool.entry)())  # as the installed script does: what it returns is its exit code


def _take_over(run: _Attempt) -> None:
    """In the child: what was made elsewhere lies where the tool would have left it."""
    assert run.adopted is not None
    print(f"# {run.call.name}, step key {run.call.key}, adopted {run.started:%F %T} UTC")  # noqa: T201
    run.adopted.lay({role: run.work / place for role, place in run.step.produced(run.call).items()})


def lay_out(command: Command) -> None:
    """Make the folders, links and copies that a command wants, in the working directory."""
    for folder in (*command.folders, *(path.parent for path in (*command.links, *command.copies))):
        folder.mkdir(parents=True, exist_ok=True)
    for link, target in command.links.items():
        link.symlink_to(target)
    for copy, source in command.copies.items():
        shutil.copyfile(source, copy)


def resolve(entry: str) -> Callable[[], Any]:
    """The function behind ``package.module:function``."""
    module, _, name = entry.partition(":")
    function: Callable[[], Any] = getattr(importlib.import_module(module), name)
    return function


def _verify(run: _Attempt) -> None:
    """In the child: open, judge, hash and sync every output."""
    found = _collect(run)
    counts = run.step.verify(run.call, found)
    made = []
    for role, path in found.items():
        tables = tables_digest(path) if run.call.fake is None else ""  # a fake's files only have the names of tables
        made.append(
            {
                "role": role,
                "scratch": str(path.relative_to(run.production.root)),
                "size": path.stat().st_size,
                "sha256": sha256(path, sync=True),
                "tables": tables,
            }
        )
    (run.scratch / VERIFIED).write_text(json.dumps({"counts": counts, "outputs": made}))


def _collect(run: _Attempt) -> dict[str, Path]:
    """The outputs that the tool left: role → file. Those that it may not leave out must be there."""
    places = run.step.produced(run.call)
    found = {role: run.work / place for role, place in places.items() if (run.work / place).is_file()}
    for output in run.call.outputs:
        if output.role not in found and not output.optional:
            raise VerificationError(
                f"{run.call.name}: the tool ended well but left no {output.role} file ({places[output.role].name}). "
                f"Read {run.log}."
            )
    return found


def _receipt(run: _Attempt, verified: Mapping[str, Any]) -> Receipt:
    call = run.call
    outputs = tuple(
        Made(
            role=item["role"],
            place=str(call.output(item["role"]).place),
            left=item["scratch"],
            size=item["size"],
            sha256=item["sha256"],
            tables=item["tables"],
        )
        for item in verified["outputs"]
    )
    return Receipt(
        step=call.step,
        unit=call.unit,
        key=call.key,
        generation=run.generation,
        settings=call.settings,
        inputs=tuple({"role": i.role, "path": str(i.path), "identity": i.identity, "key": i.key} for i in call.inputs),
        outputs=outputs,
        counts={
            **({"chosen": dict(call.chosen)} if call.chosen else {}),
            **verified["counts"],
            **({"decisions": list(call.decisions)} if call.decisions else {}),
        },
        software=software(),
        attempt=run.record("made", ""),
        fake=isinstance(run.step, FakeStep),
    )


def _why(run: _Attempt, reason: str) -> str:
    """The message of an error of our own if there is one, else what is known, with the log's last words."""
    with contextlib.suppress(OSError):
        if told := (run.scratch / REASON).read_text(encoding="utf-8", errors="replace"):
            return told.replace(f"{run.work}/", "")  # the folder is gone when the message is read
    words = last_words(run.log)
    said = f", its last words: {words!r}" if words else ""
    meaning = run.step.explain(run.call, words)
    return f"{run.call.name}: {reason}{said}. {meaning}{' ' * bool(meaning)}Read {run.log}."


def _with_disk_trouble(reason: str, folder: Path) -> str:
    """Name a full disk as the likely cause."""
    trouble = disk_trouble(folder)
    return f"{reason} {trouble}" if trouble else reason


def _discard(run: _Attempt) -> None:
    """Remove the scratch folder, unless a committed receipt still waits for files in it."""
    try:
        receipt = current_receipt(run.production, run.call.step, run.call.unit)
    except (OsaError, OSError):
        return  # it may wait for them: `sweep_scratch` looks again
    prefix = run.scratch.relative_to(run.production.root)
    if receipt and any(made.scratch.is_relative_to(prefix) for made in receipt.outputs):
        with contextlib.suppress(OSError):
            finish_move(run.production, receipt)
        return
    shutil.rmtree(run.scratch, ignore_errors=True)
