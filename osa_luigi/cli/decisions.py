"""``osa discard``, ``undo``, ``veto``, ``release`` and ``decisions``: what is left out of a production, and why."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

import click

from osa_luigi.batch.lease import engine
from osa_luigi.cli import options
from osa_luigi.cli.tables import plain_table, print_table
from osa_luigi.errors import NightError
from osa_luigi.night import Night, RunType, observe
from osa_luigi.night.names import unit_label
from osa_luigi.products.decisions import Decision, DecisionKind, decide, decisions, standing
from osa_luigi.products.production import Production
from osa_luigi.products.receipt import ReceiptBook
from osa_luigi.steps.close import MARKER
from osa_luigi.tasks.opening import configure, night_paths, production_folder
from osa_luigi.tasks.parts import parse

Function = TypeVar("Function", bound=Callable[..., Any])


TAKES_BACK = {DecisionKind.DISCARD: "undo", DecisionKind.VETO: "release"}


def _reason(_context: click.Context, _option: click.Parameter, value: str) -> str:
    if not value.strip():
        raise click.BadParameter("say why: the reason is kept, and shown with the night")
    return value


because = click.option("--reason", required=True, callback=_reason, help="Why; kept with the decision.")


@dataclass(frozen=True, slots=True)
class _Desk:
    """A night's decisions as a command meets them."""

    night: Night
    production: Production
    procedure: str
    every: tuple[Decision, ...]

    def unit(self, text: str, *, whole_run: bool = False) -> str:
        """The label of a DATA run or of a subrun that was observed."""
        run, subrun = parse(text)
        observed = self.night.run(run)
        if observed.run_type is not RunType.DATA:
            raise NightError(
                f"{observed.label} is a {observed.run_type} run: decisions are on DATA runs and their subruns. "
                "To leave out a calibration run, give it the type ERROR in the run summary."
            )
        if subrun is not None and whole_run:
            raise click.UsageError(f"{text}: a veto is on a whole run; a subrun is discarded (osa discard).")
        if subrun is not None:
            observed.subrun(subrun)
        return unit_label(run, subrun)

    def holding(self, kind: DecisionKind, unit: str) -> list[Decision]:
        """Standing decisions of a kind on exactly this unit."""
        return [one for one in standing(self.every).get(unit, ()) if one.kind is kind]


def _open(config_file: Path | None, day: date, production: str, procedure: str | None) -> _Desk:
    main = options.the_config(config_file)
    chosen = procedure or (options.procedure_of(main, production) if production else "")
    configuration = configure(main, production, chosen, to_write=False)
    place = production_folder(configuration, day)
    if production and not chosen and not place.root.is_dir():
        _require_known(main, place, production)
    night = observe(night_paths(configuration), day)
    return _Desk(night, place, configuration.procedure.name, decisions(place))


def _require_known(main: Path, place: Production, production: str) -> None:
    """A production id that nobody knows is a slip of the pen: no folder is made for it."""
    own = configure(main, to_write=False).procedure.production_id
    if own != production:
        others = ", ".join(sibling.id for sibling in place.siblings()) or "none"
        raise NightError(
            f"no such production: {place.root} (there: {others}), and no procedure makes it. Check the id."
        )


@click.command()
@click.argument("unit")
@because
@options.night
@options.as_json
def discard(
    unit: str, reason: str, day: date, production: str, procedure: str | None, config_file: Path | None, as_json: bool
) -> None:
    """Discard UNIT, a subrun (2003.1) or a run (2003): it is not part of the production any more.

    What was made of it stays on the disk. Merges, checks and DL2 of its run are made again from the rest when the night is run again.

    \b
    Examples:
        osa discard 2003.10 --date 2024-11-15 --reason "last subrun, no interleaved events"
        osa discard Run02004 --date 2024-11-15 --reason "car lights in the field of view"

    \b
    Exit codes: 0 it is discarded, 1 it was before, 2 wrong usage,
    3 no such unit, it cannot be written, or the configuration or the night is wrong.
    """
    _leave_out(DecisionKind.DISCARD, unit, reason, _open(config_file, day, production, procedure), as_json=as_json)


@click.command()
@click.argument("run")
@because
@options.night
@options.as_json
def veto(
    run: str, reason: str, day: date, production: str, procedure: str | None, config_file: Path | None, as_json: bool
) -> None:
    """Veto RUN, a whole DATA run (2003): it is not processed, as one of the type EDATA.

    \b
    Examples:
        osa veto 2003 --date 2024-11-15 --reason "test of the trigger"

    \b
    Exit codes: 0 it is vetoed, 1 it was before, 2 wrong usage,
    3 no such run, it cannot be written, or the configuration or the night is wrong.
    """
    _leave_out(DecisionKind.VETO, run, reason, _open(config_file, day, production, procedure), as_json=as_json)


@click.command()
@click.argument("run")
@because
@options.night
@options.as_json
def release(
    run: str, reason: str, day: date, production: str, procedure: str | None, config_file: Path | None, as_json: bool
) -> None:
    """Release RUN from its veto: it is processed when the night is run again.

    \b
    Examples:
        osa release 2003 --date 2024-11-15 --reason "was a physics run after all"

    \b
    Exit codes: 0 it is released, 1 there was no veto, 2 wrong usage,
    3 no such run, it cannot be written, or the configuration or the night is wrong.
    """
    desk = _open(config_file, day, production, procedure)
    label = desk.unit(run, whole_run=True)
    _take_back(DecisionKind.RELEASE, label, desk.holding(DecisionKind.VETO, label), reason, desk, as_json=as_json)


@click.command()
@click.argument("decision")
@because
@options.night
@options.as_json
def undo(
    decision: str,
    reason: str,
    day: date,
    production: str,
    procedure: str | None,
    config_file: Path | None,
    as_json: bool,
) -> None:
    """Undo DECISION: its number (3), or the subrun or run that was discarded (2003.1, Run02003).

    Nothing is removed: that it was undone is a decision, too. What it left out is part of the production again, and merged again when
    the night is run again.

    \b
    Examples:
        osa undo 3 --date 2024-11-15 --reason "wrong subrun"
        osa undo 2003.10 --date 2024-11-15 --reason "the raw file was copied again"

    \b
    Exit codes: 0 it is undone, 1 nothing of this holds, 2 wrong usage,
    3 no such unit, it cannot be written, or the configuration or the night is wrong.
    """
    desk = _open(config_file, day, production, procedure)
    label, meant = _meant(desk, decision)
    _take_back(DecisionKind.UNDO, label, meant, reason, desk, as_json=as_json)


def _meant(desk: _Desk, text: str) -> tuple[str, list[Decision]]:
    """The decisions of a number, or on a unit. A bare number is that of a decision, if there is one and no such run."""
    numbered = next((one for one in desk.every if text.isdecimal() and one.number == int(text)), None)
    if numbered is None:
        label = desk.unit(text)
        return label, desk.holding(DecisionKind.DISCARD, label)
    if any(run.run_id == numbered.number for run in desk.night.runs):
        raise click.UsageError(f"{text} is a decision and a run: type {unit_label(numbered.number)} for the run.")
    if not numbered.leaves_out:
        raise click.UsageError(f"{numbered}: this leaves nothing out. Decide anew: osa discard, osa veto.")
    return numbered.unit, [one for one in standing(desk.every).get(numbered.unit, ()) if one == numbered]


def _leave_out(kind: DecisionKind, text: str, reason: str, desk: _Desk, *, as_json: bool) -> None:
    label = desk.unit(text, whole_run=kind is DecisionKind.VETO)
    if before := desk.holding(kind, label):
        _nothing(f"Nothing to decide: {before[-1]}", as_json=as_json)
    _told(desk, decide(desk.production, kind, label, reason), as_json=as_json)


def _take_back(
    kind: DecisionKind, label: str, meant: list[Decision], reason: str, desk: _Desk, *, as_json: bool
) -> None:
    if not meant:
        what, other = ("veto", DecisionKind.DISCARD) if kind is DecisionKind.RELEASE else ("discard", DecisionKind.VETO)
        held = desk.holding(other, label)
        hint = f"What holds is {held[-1]}: `osa {TAKES_BACK[other]}`." if held else "`osa decisions` lists all."
        _nothing(f"Nothing to take back: no {what} of {label} holds. {hint}", as_json=as_json)
    numbers = [one.number for one in meant]
    _told(desk, decide(desk.production, kind, label, reason, undoes=numbers), as_json=as_json)


def _nothing(text: str, *, as_json: bool) -> None:
    if as_json:
        options.print_json({"decided": None, "why": text})
    else:
        click.echo(text)
    raise click.exceptions.Exit(1)


def _told(desk: _Desk, made: Decision, *, as_json: bool) -> None:
    effect = _effect(desk)
    if as_json:
        options.print_json({"decided": made.as_json(), "effect": effect})
    else:
        click.echo(f"{made}\n{effect}")


def _effect(desk: _Desk) -> str:
    """From when it holds: the plan is made when the night is run."""
    again = (
        f"luigi --module osa_luigi NightTask --date {desk.night.date} "
        f"--production {desk.production.id} --procedure {desk.procedure}"
    )
    holder = engine(desk.production)
    if holder and holder.alive is not False:
        return (
            f"Process {holder.pid} on {holder.host} works on the night by the plan it began with, and will not close it by that. "
            f"When it has ended, run the night again: {again}"
        )
    if (desk.production.root / MARKER).exists():
        return f"The night was closed without this. Run it again, and it is closed again: {again}"
    return f"It holds from when the night is run (again): {again}"


@click.command("decisions")
@options.night
@options.as_json
def list_(day: date, production: str, procedure: str | None, config_file: Path | None, as_json: bool) -> None:
    """All decisions on a production, by persons and by rules, the oldest first.

    \b
    Examples:
        osa decisions --date 2024-11-15
        osa decisions --date 2024-11-15 --json | jq '.[] | select(.holds)'

    \b
    Exit codes: 0 good, also where there are none; 3 one cannot be read, or the configuration is wrong.
    """
    main = options.the_config(config_file)
    chosen = procedure or (options.procedure_of(main, production) if production else "")
    place = production_folder(configure(main, production, chosen, to_write=False), day)
    rows = _rows(place)
    if as_json:
        options.print_json(rows)
    elif rows:
        _print(rows)
    else:
        click.echo(f"No decisions on {place.root}.")


def _rows(place: Production) -> list[dict[str, Any]]:
    every = decisions(place)
    holding = {one.number for several in standing(every).values() for one in several}
    undone = {number: one.number for one in every for number in one.undoes}
    kept = _kept(place) if holding else {}
    return [
        {
            **one.as_json(),
            "holds": one.number in holding,
            "undone_by": undone.get(one.number),
            "kept_steps": kept.get(one.unit, 0) if one.number in holding else None,
        }
        for one in every
    ]


def _kept(place: Production) -> dict[str, int]:
    """Of how many steps the products of a unit are there: they stay, and do not count."""
    counts: dict[str, int] = {}
    for name in ReceiptBook(place).names():
        unit = name.partition(".")[2]
        for label in {unit, unit.partition(".")[0]}:
            counts[label] = counts.get(label, 0) + 1
    return counts


def _print(rows: list[dict[str, Any]]) -> None:
    table = plain_table("No", "Decision", "Unit", "By", "When (UTC)", "Holds", "Kept", "Reason")
    for row in rows:
        by = f"{row['user']}@{row['host']}" if row["by"] == "person" else row["by"]
        undone = f"undone by {row['undone_by']}" if row["undone_by"] else "-"
        table.add_row(
            *(str(row["number"]), row["kind"], row["unit"], by, row["when"][:19].replace("T", " ")),
            *("yes" if row["holds"] else undone, "-" if row["kept_steps"] is None else f"{row['kept_steps']} steps"),
            row["reason"],
        )
    print_table(table)
