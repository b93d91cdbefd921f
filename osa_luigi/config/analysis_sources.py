"""What an analysis reads: the names under ``of``, followed to the productions that they stand for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from osa_luigi.config.analysis import Source
from osa_luigi.config.campaign import CAMPAIGN_TYPE, parse_point
from osa_luigi.config.campaign_building import build_campaign
from osa_luigi.config.kinds import ANALYSIS_TYPE, RECONSTRUCTION
from osa_luigi.config.library import Surroundings
from osa_luigi.config.lstchain_config import lstchain_version
from osa_luigi.config.problems import Key, Problems, suggestion
from osa_luigi.config.validate import Checked, check_procedure


def read_sources(around: Surroundings, checked: Checked) -> tuple[Source, ...]:
    """Every production that is read, each once, in the order of the names; what cannot be read is reported."""
    library = named(around)
    found: dict[str, Source] = {}
    for key, name in names_of(checked):
        if circle := _circle(checked, name, library):
            checked.report(key, f"analyses read one another in a circle: {' → '.join(circle)}")
        for source in _sources(around, checked, key, name, library):
            found.setdefault(source.procedure, source)
    return tuple(found.values())


def named(around: Surroundings) -> dict[str, Checked]:
    """The library by names."""
    return {str(one.values["name"]): one for one in reversed(around.library) if one.values["name"]}


def names_of(checked: Checked) -> list[tuple[Key, str]]:
    """The names under ``of``, with where they stand."""
    given = checked.values["of"]
    if isinstance(given, str):
        return [(("of",), given)]
    return [(("of", index), name) for index, name in enumerate(given or ())]


def reached(name: str, library: Mapping[str, Checked]) -> list[str]:
    """What a procedure is made from, directly or by others between: names, those nearest first."""
    found, waiting = dict[str, None](), [name]
    while waiting:
        for one in _made_from(waiting.pop(0), library):
            if one not in found:
                found[one] = None
                waiting.append(one)
    return list(found)


def _made_from(name: str, library: Mapping[str, Checked]) -> Iterator[str]:
    point = parse_point(name)
    one = library.get(point[0] if point else name)
    kind = one.values["type"] if one else ""
    if one and kind == ANALYSIS_TYPE:
        yield from (read for _, read in names_of(one))
    elif one and kind == CAMPAIGN_TYPE:
        single, several = one.get("reconstruction"), one.get("reconstructions")
        yield from [single] if single else several or ()


def _circle(checked: Checked, name: str, library: Mapping[str, Checked]) -> list[str]:
    """The way from an analysis by one that it reads back to itself; empty if there is none."""
    own = str(checked.values["name"])
    ways, seen = [[own, name]], {name}
    while ways:
        way = ways.pop(0)
        if way[-1] == own:
            return way
        for one in _made_from(way[-1], library):
            if one not in seen:
                seen.add(one)
                ways.append([*way, one])
    return []


def _sources(
    around: Surroundings, checked: Checked, key: Key, name: str, library: Mapping[str, Checked]
) -> Iterator[Source]:
    point = parse_point(name)
    one = library.get(point[0] if point else name)
    kind = one.values["type"] if one else ""
    if one is None or (point and kind != CAMPAIGN_TYPE):
        known = [*(known for known in library if known != checked.values["name"])]
        checked.report(key, f"no reconstruction, campaign or analysis {name!r} {suggestion(name, known)}")
    elif kind == RECONSTRUCTION:
        text = str(one.values["production_id"])
        yield Source(name, text.replace("{lstchain}", lstchain_version() or ""))
    elif kind == ANALYSIS_TYPE:
        yield Source(name, str(one.values["production_id"] or name), str(one.values["scope"]))
    else:
        yield from _points(around, checked, key, one, point[1] if point else None)


def _points(around: Surroundings, checked: Checked, key: Key, one: Checked, index: int | None) -> Iterator[Source]:
    """A campaign's productions: of one point, or of all."""
    copy = check_procedure(one.document, Problems())  # what is wrong with it was noted, and is its own matter
    campaign = build_campaign(around, copy, each_value=False)
    if copy.problems or one.bad:
        checked.problems.absorb(copy.problems)
    elif index is not None and index >= campaign.points:
        checked.report(key, f"the campaign {campaign.name!r} has the points 0 to {campaign.points - 1}, not {index}")
    else:
        wanted = campaign.all_points() if index is None else [campaign.point(index)]
        yield from (Source(point.procedure, point.production, campaign=campaign.name) for point in wanted)
