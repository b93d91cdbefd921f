"""From a campaign's checked values to the campaign, and from a point of its grid to the procedure that it stands for."""

from __future__ import annotations

import re
import string
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import date
from typing import Any

from osa_luigi.config import grid
from osa_luigi.config.build import build_procedure
from osa_luigi.config.campaign import MOST_POINTS, SEPARATOR, Campaign
from osa_luigi.config.frozen import FrozenMapping, freeze, thaw
from osa_luigi.config.grid_reading import read_grid
from osa_luigi.config.kinds import RECONSTRUCTION
from osa_luigi.config.library import Surroundings
from osa_luigi.config.model import MainConfig
from osa_luigi.config.problems import Key, Position, Problems, suggestion
from osa_luigi.config.selection import Select, iso_date
from osa_luigi.config.selection_checks import build_select
from osa_luigi.config.validate import Checked, check_procedure, shown

PRODUCTION_ID = r"(?!\.)[A-Za-z0-9._+-]{1,64}"
ALWAYS = ("production_id", "campaign", "reconstruction", "index")
LONGEST_DAYS = 36_600
"""Nights in a range; a hundred years are a mistyped date."""


def build_campaign(around: Surroundings, checked: Checked, *, each_value: bool = True) -> Campaign:
    """A campaign's result; it counts only if no problem was noted.

    With `each_value` every value of the grid is tried in its procedure; who wants one point has that checked with the point.
    """
    values = checked.values
    select = build_select(checked)
    bases = _bases(around, checked)
    dimensions = read_grid(checked)
    campaign = Campaign(
        path=checked.document.path.absolute(),
        name=str(values["name"]),
        productions=freeze({name: _own_id(around, base) for name, base in bases.items()}),
        production_id=_template(checked, len(bases) * grid.size(dimensions)),
        dates=_dates(checked, select),
        select=select,
        grid=dimensions,
        settings=freeze(thaw(values)),
        **{name: values[name] for name in ("nights_in_flight", "elements_in_flight", "qos", "nice")},
    )
    if campaign.points > MOST_POINTS:
        checked.report(("grid",), f"has {campaign.points} points; {MOST_POINTS} at most")
    elif bases and not checked.bad:
        _check_ids(checked, campaign)
        if each_value:
            _check_choices(around, checked, campaign, bases)
    return campaign


def check_point(around: Surroundings, checked: Checked, campaign: Campaign, index: int) -> Checked | None:
    """The reconstruction as a point changes it; None, with a problem noted, if there is no such point."""
    if index >= campaign.points:
        last = f"{campaign.name}{SEPARATOR}{campaign.points - 1}"
        checked.report((), f"the campaign has no point {index}; its last one is {last}")
        return None
    point = campaign.point(index)
    base = _bases(around, checked).get(point.reconstruction)
    if base is None:
        return None
    return _changed(checked, base, grid.merged(point.changes, _selected(checked)), campaign.grid)


def on_cluster(main: MainConfig, campaign: Campaign) -> MainConfig:
    """The site's settings as a night of the campaign has them: it steps back behind other nights, and has its share of what there is."""
    slurm, local, nights = main.executor.slurm, main.executor.local, campaign.nights_in_flight

    def behind(place: Any) -> Any:
        return replace(place, nice=place.nice + campaign.nice, qos=campaign.qos or place.qos)

    in_flight = slurm.in_flight
    if campaign.elements_in_flight:
        in_flight = min(in_flight, max(1, campaign.elements_in_flight // nights) * slurm.subruns_per_job)
    slurm = replace(
        slurm,
        place=behind(slurm.place),
        steps=FrozenMapping({step: behind(place) for step, place in slurm.steps.items()}),
        in_flight=in_flight,
    )
    local = replace(
        local, cores=max(1, local.total_cores() // nights), memory_mb=max(1, local.total_memory_mb() // nights)
    )
    return replace(main, executor=replace(main.executor, slurm=slurm, local=local))


def _bases(around: Surroundings, checked: Checked) -> dict[str, Checked]:
    """The reconstructions that the campaign names."""
    one, several = checked.get("reconstruction"), checked.get("reconstructions")
    if bool(one) == bool(several):
        text = "is missing: the procedure that makes the productions" if not one else "is there beside reconstructions"
        checked.report(("reconstruction",), f"{text} (write one of the two)")
        return {}
    wanted = [(("reconstruction",), one)] if one else [(("reconstructions", n), name) for n, name in enumerate(several)]
    library = {str(entry.values["name"]): entry for entry in around.library}
    found: dict[str, Checked] = {}
    for key, name in wanted:
        base = library.get(name)
        if base is None or base.values["type"] != RECONSTRUCTION:
            checked.report(key, f"no reconstruction {name!r} {suggestion(name, around.names(RECONSTRUCTION))}")
        elif name in found:
            checked.report(key, f"{name!r} is there twice")
        else:
            checked.problems.absorb(base.problems)
            found[name] = base
    return found


def _own_id(around: Surroundings, base: Checked) -> str:
    return build_procedure(_copy(base), around.config.site.base).production_id


def _copy(base: Checked) -> Checked:
    """To build without noting what is wrong a second time."""
    return check_procedure(base.document, Problems())


def _template(checked: Checked, points: int) -> str:
    return str(checked.get("production_id") or ("{production_id}-p{index:03}" if points > 1 else "{production_id}"))


def _dates(checked: Checked, select: Select) -> tuple[tuple[date, date], ...]:
    given = checked.get("dates")
    found = [range_ for number, one in enumerate(given) if (range_ := _range(checked, ("dates", number), one))]
    if not given:
        found = [(day, day) for text in select.runs if (day := iso_date(text))]
        if not found and checked.sound("select"):
            checked.report(("dates",), "is missing: which nights? (dates, or select.runs)")
    return tuple(sorted(found))


def _range(checked: Checked, key: Key, given: Any) -> tuple[date, date] | None:
    if not isinstance(given, dict):
        day = _day(checked, key, given)
        return (day, day) if day else None
    if unknown := [name for name in given if name not in ("first", "last")]:
        checked.report((*key, unknown[0]), f"unknown key {suggestion(unknown[0], ('first', 'last'))}")
        return None
    first, last = (_day(checked, (*key, name), given.get(name)) for name in ("first", "last"))
    if first is None or last is None:
        return None
    if not 0 <= (last - first).days <= LONGEST_DAYS:
        checked.report((*key, "last"), f"must not be before {first}, nor more than {LONGEST_DAYS} days after it")
        return None
    return first, last


def _day(checked: Checked, key: Key, given: Any) -> date | None:
    day = iso_date(given)
    if day is None:
        checked.report(key, f"{shown(given)} is not an observation date (write it as 2024-11-15)")
    return day


def _check_ids(checked: Checked, campaign: Campaign) -> None:
    """The template can be filled in, with an id for each point that is no other point's."""
    key = ("production_id",)
    words = {*ALWAYS, *(name for dimension in campaign.grid for name in dimension.choices[0].labels)}
    try:
        used = [name for _, name, _, _ in string.Formatter().parse(campaign.production_id) if name is not None]
    except ValueError as error:
        checked.report(key, f"cannot be understood: {error}")
        return
    if unknown := [name for name in used if name not in words]:
        checked.report(key, f"{{{unknown[0]}}} is not known {suggestion(unknown[0], sorted(words))}")
        return
    first: dict[str, int] = {}
    for index in range(campaign.points):
        try:
            made = campaign.point(index).production
        except (ValueError, KeyError, TypeError) as error:
            checked.report(key, f"cannot be filled in for point {index}: {error}")
            return
        if not re.fullmatch(PRODUCTION_ID, made):
            text = f"{made!r} of point {index} will not do: letters, digits and . _ + - only, no dot first, 64 at most"
            checked.report(key, text)
            return
        if made in first:
            checked.report(key, f"points {first[made]} and {index} have the same id, {made} (use {{index}} in it)")
            return
        first[made] = index


def _check_choices(around: Surroundings, checked: Checked, campaign: Campaign, bases: dict[str, Checked]) -> None:
    """Every value of every dimension is one that the procedure takes: each by itself, for their combinations may be thousands."""
    for base in bases.values():
        for dimension in campaign.grid:
            for choice in dimension.choices:
                changed = _changed(checked, base, choice.changes, (dimension,))
                build_procedure(changed, around.config.site.base)
                checked.problems.absorb(changed.problems)


def _selected(checked: Checked) -> dict[str, Any]:
    """What the campaign itself says of runs, as settings of a procedure."""
    given = checked.document.value.get("select") or {}
    return {"select": thaw(given)} if given else {}


def _changed(
    checked: Checked, base: Checked, changes: dict[str, Any] | Any, dimensions: Iterable[grid.Dimension]
) -> Checked:
    """A reconstruction with some settings changed; what is wrong with these is said at their place in the campaign."""
    document = base.document
    where = dict(_places(checked, dimensions))
    own = checked.document.where(("grid",))
    new = {(*document.root, *name): where.get(name, own) for name, _ in grid.leaves(changes)}
    parents = {key[:length]: place for key, place in new.items() for length in range(len(document.root) + 1, len(key))}
    keys = {**{key: place for key, place in parents.items() if key not in document.keys}, **document.keys, **new}
    values = {**{key: place for key, place in parents.items() if key not in document.values}, **document.values, **new}
    value = grid.merged(document.value, thaw(changes))
    inherited = {key: found for key, found in document.inherited.items() if key not in new}
    changed = replace(document, value=value, keys=keys, values=values, inherited=inherited)
    return check_procedure(changed, Problems())


def _places(checked: Checked, dimensions: Iterable[grid.Dimension]) -> Iterator[tuple[tuple[str, ...], Position]]:
    for dimension in dimensions:
        place = checked.document.where(dimension.key)
        for choice in dimension.choices:
            yield from ((name, place) for name, _ in grid.leaves(choice.changes))
