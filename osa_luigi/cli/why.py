"""``osa why``: what a run, a subrun or the night waits for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from pathlib import Path

import click

from osa_luigi.batch.lease import engine
from osa_luigi.batch.slurm.desk import Desk
from osa_luigi.batch.slurm.indices import write_indices
from osa_luigi.batch.slurm.states import patient
from osa_luigi.cli import options
from osa_luigi.products.production import Production
from osa_luigi.tasks.parts import Part, chosen, parts
from osa_luigi.tasks.why import Asking, Finding, Situation, open_desk, run_summary_finding

SHOWN = 5
"""Failures of one part that are shown."""

LONG = 300
"""Characters of a failure; the whole stands in the log."""


@click.command()
@click.argument("unit", default="night")
@options.night
@options.as_json
def why(unit: str, day: date, production: str, procedure: str | None, config_file: Path | None, as_json: bool) -> None:
    """What UNIT waits for, since when, and which limit it has. Asks SLURM once, and changes nothing.

    UNIT is a run (2003 or Run02003), a subrun (2003.1 or Run02003.0001), or night (the default): calibration, night check, closing.

    \b
    Examples:
        osa why 2003 --date 2024-11-15
        osa why Run02003.0001 --date 2024-11-15 --json

    \b
    Exit codes: 0 it is done, 1 it is not, 3 no such unit, or the configuration or the night is wrong.
    """
    configuration, made = options.open_production(config_file, day, production, procedure)
    desk = open_desk(configuration.main, made)
    known: Mapping[str, Part] = {}
    if summary := run_summary_finding(configuration, day, desk):
        found = [summary]
    else:
        session = options.open_night(config_file, day, production, procedure)
        known = parts(session.plan)
        found = Asking(session, desk).why(chosen(session.plan, unit))
    if as_json:
        options.print_json({"trouble": desk.trouble or None, "parts": [finding.as_json() for finding in found]})
    else:
        for line in told(desk, found, known):
            click.echo(line)
    if any(finding.situation is not Situation.DONE for finding in found):
        raise click.exceptions.Exit(1)


def told(desk: Desk, found: list[Finding], known: Mapping[str, Part]) -> Iterator[str]:
    """The findings in words: what is the same of several subruns is said once; `known` are the parts that may be waited for."""
    if desk.trouble:
        yield f"SLURM does not answer, so what follows is from the night's files alone: {desk.trouble}"
    together: dict[tuple[object, ...], list[Finding]] = {}
    for finding in found:
        together.setdefault(_kind(finding), []).append(finding)
    for findings in together.values():
        yield f"{_who(findings)}: {_what(findings, known)}"
        yield from (f"  {line}" for line in _more(findings[0]))
    if any(finding.situation is not Situation.DONE for finding in found):
        yield _at_work(desk.production)


def _kind(finding: Finding) -> tuple[object, ...]:
    single = () if finding.situation is Situation.DONE else (finding.needs, finding.failures, finding.text)
    slurm = (finding.array, finding.state, finding.reason, finding.node, finding.memory_mb, finding.time_limit_s)
    return (finding.part.run, finding.part.what, finding.part.subrun is None, finding.situation, *single, *slurm)


def _who(findings: list[Finding]) -> str:
    first = findings[0].part
    if len(findings) == 1:
        return first.name
    numbers = write_indices(finding.part.subrun or 0 for finding in findings)
    return f"{first.unit.partition('.')[0]} {first.what}, {len(findings)} subruns ({numbers})"


def _what(findings: list[Finding], known: Mapping[str, Part]) -> str:
    finding = findings[0]
    elements = _elements(findings) if finding.element else ""
    match finding.situation:
        case Situation.NEEDS:
            return f"waits for {needed(known, finding.needs)}"
        case Situation.QUEUED:
            words = patient(finding.reason) or ("it needs a person" if finding.advice else "SLURM will start it")
            reason = f" ({finding.reason}: {words})" if finding.reason else ""
            return f"in array {finding.array} as SLURM {elements} {finding.state}{reason}{_since(finding)}{_limit(finding)}"
        case Situation.RUNNING:
            slurm = f", SLURM {elements} {finding.state} of array {finding.array}" if finding.array else ""
            where = f" on {finding.node}" if finding.node else ""
            return f"running{where}{slurm}{_since(finding)}{_limit(finding)}"
        case Situation.UNSEEN:
            whose = finding.text or "the engine looks it up"
            return f"handed to SLURM as {elements} in array {finding.array}, of which its queue says nothing (now): {whose}"
        case Situation.HELD:
            return f"SLURM does not take array {finding.array} for now{_since(finding)}; it is handed in again and again: {finding.text}"
        case Situation.ENDED:
            return f"SLURM {elements} has ended; the engine takes it in at its next look"
        case Situation.READY:
            return "nothing stands in its way; not with the executor yet"
        case Situation.FAILED:
            return f"failed, {_times(len(finding.failures))}"
        case Situation.REFUSED | Situation.GIVEN_UP:
            return f"{finding.situation}: {finding.text.removeprefix('given up ').removeprefix('- ')}"
        case Situation.DONE:
            return "done"


def _more(finding: Finding) -> Iterator[str]:
    if finding.chosen and not finding.failures:
        yield f"models: {finding.chosen}"
    if finding.advice:
        yield f"next: {finding.advice}"
    if finding.situation in (Situation.DONE, Situation.GIVEN_UP):
        return
    if finding.failures and finding.situation is not Situation.FAILED:
        yield f"failed {_times(len(finding.failures))} so far:"
    for cause, text in finding.failures[-SHOWN:]:
        yield f"{cause}: {text[:LONG]}"
    if finding.situation is Situation.FAILED:
        yield "next: remove the cause, then run the night again"


def needed(known: Mapping[str, Part], names: Iterable[str]) -> str:
    """Parts that others wait for, in short: the subruns of a run as numbers."""
    together: dict[tuple[str, str], list[int]] = {}
    for name in names:
        part = known[name]
        together.setdefault((part.unit.partition(".")[0], part.what), []).extend(
            [] if part.subrun is None else [part.subrun]
        )
    return ", ".join(
        f"subruns {write_indices(numbers)} of {run} ({what})" if numbers else f"the {what} of {_the(run)}"
        for (run, what), numbers in together.items()
    )


def _the(unit: str) -> str:
    return "the night" if unit == "night" else unit


def _elements(findings: list[Finding]) -> str:
    if len(findings) == 1:
        return findings[0].element
    job = findings[0].element.partition("_")[0]
    return f"{job}_[{write_indices(int(finding.element.partition('_')[2]) for finding in findings)}]"


def _since(finding: Finding) -> str:
    return f" since {finding.since:%Y-%m-%d %H:%M:%S} UTC" if finding.since else ""


def _limit(finding: Finding) -> str:
    if finding.time_limit_s is None:
        return ""
    return f"; limit {finding.time_limit_s / 60:.0f} min, {finding.memory_mb} MB"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _at_work(production: Production) -> str:
    holder = engine(production)
    if holder is None or holder.alive is False:
        return "No engine works on the night: run it (again) with luigi."
    return f"The engine is process {holder.pid} on {holder.host}, since {holder.since}."
