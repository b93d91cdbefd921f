"""From an analysis's checked values to the analysis, and what a schema cannot see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from osa_luigi.analysis.kinds import KINDS
from osa_luigi.config.analysis import Analysis, Source
from osa_luigi.config.analysis_sources import named, reached, read_sources
from osa_luigi.config.frozen import freeze, thaw
from osa_luigi.config.kinds import ANALYSIS_TYPE, RECONSTRUCTION
from osa_luigi.config.library import Surroundings
from osa_luigi.config.model import Resources
from osa_luigi.config.paths import PathError, located, not_a_file
from osa_luigi.config.problems import Key, suggestion
from osa_luigi.config.validate import Checked


def build_analysis(around: Surroundings, checked: Checked) -> Analysis:
    """An analysis's result; it counts only if no problem was noted."""
    values = checked.values
    needs = values["resources"]
    sources = read_sources(around, checked)
    _check_reads(checked, sources)
    _check_scopes(checked, sources)
    _check_together(around, checked)
    name = str(values["name"])
    path = _file(around, checked, ("path",), values["path"])
    helpers = [_file(around, checked, ("helpers", index), text) for index, text in enumerate(values["helpers"])]
    return Analysis(
        file=checked.document.path.absolute(),
        name=name,
        production_id=str(values["production_id"] or name),
        sources=sources,
        reconstruction=_reconstruction(around, name),
        scope=str(values["scope"]),
        class_name=str(values["class"]),
        class_path=path,
        helpers=tuple(helper for helper in helpers if helper),
        reads=tuple(dict.fromkeys(values["reads"])),
        chunk_rows=values["chunk_rows"] if values["mode"] == "chunks" else None,
        parameters=freeze(values["parameters"]),
        provides_calibration=values["provides_calibration"],
        merge=values["merge"],
        resources=Resources(needs["memory_mb"], 60.0 * needs["time_limit_minutes"], needs["cores"]),
        settings=freeze(thaw(values)),
    )


def _reconstruction(around: Surroundings, name: str) -> str:
    """The first reconstruction that an analysis's data come from; empty, with a problem noted elsewhere, if there is none."""
    library = named(around)
    kinds = {one: library[one].values["type"] for one in reached(name, library) if one in library}
    return next((one for one, kind in kinds.items() if kind == RECONSTRUCTION), "")


def _check_reads(checked: Checked, sources: Sequence[Source]) -> None:
    """Kinds of products that there are, of what `of` names."""
    known = {bool(source.scope) for source in sources}
    for index, name in enumerate(checked.values["reads"] or ()):
        kind, key = KINDS.get(name), ("reads", index)
        if kind is None and checked.good("reads"):
            checked.report(key, f"no kind of product is called {name!r} {suggestion(name, KINDS)}")
        elif kind and known and kind.of_analysis not in known:
            what = "an analysis" if kind.of_analysis else "a reconstruction"
            checked.report(key, f"{name!r} is what {what} leaves, and `of` names none")


def _check_scopes(checked: Checked, sources: Sequence[Source]) -> None:
    """What is made once for many nights is of no single night, and what is made once for a night of no single run."""
    scope = checked.values["scope"]
    wide = [source.procedure for source in sources if source.scope == "campaign"]
    if wide and scope != "campaign":
        checked.report(("of",), f"{wide[0]!r} is made of many nights at once: this needs scope: campaign")
    elif sources and scope == "run" and all(source.scope == "night" for source in sources):
        checked.report(("scope",), "what it reads is made once for a night, not for each run: scope: night or campaign")


def _check_together(around: Surroundings, checked: Checked) -> None:
    """Settings that contradict each other, or those of another procedure."""
    values = checked.values
    given = values["provides_calibration"]
    others = [one for one in around.library if one is not checked]
    for broken, key, text in (
        (
            values["merge"] and values["scope"] != "run",
            ("merge",),
            "needs scope: run (a night or a campaign has one file anyway)",
        ),
        (
            checked.given("chunk_rows") and values["mode"] != "chunks",
            ("chunk_rows",),
            "has no effect without mode: chunks",
        ),
        (given and values["scope"] == "run", ("provides_calibration",), "needs scope: night or campaign"),
        (
            values["path"] and ":" in str(values["class"]),
            ("class",),
            "is the class's name alone where `path` names its file",
        ),
        (values["helpers"] and not values["path"], ("helpers",), "have no effect without `path`"),
        (_is_taken(values, others), ("production_id",), "is that of another procedure, too: their products would mix"),
        (
            given and given in map(_provides, others),
            ("provides_calibration",),
            f"{given!r} is provided by another analysis, too",
        ),
        (
            not _is_plain(values["parameters"]),
            ("parameters",),
            "must hold numbers, texts, true, false, lists and mappings only",
        ),
    ):
        if broken and checked.good(*key):
            checked.report(key, text)


def check_provided(around: Surroundings, chosen: Checked) -> None:
    """A calibration that a reconstruction asks for is provided by an analysis, and not by one of its own products."""
    name = chosen.get("dl1ab", "calibration")
    if name is None or not chosen.good("dl1ab", "calibration"):
        return
    providers = {one.values["provides_calibration"]: one for one in around.library if _provides(one)}
    if name not in providers:
        text = f"no analysis provides {name!r} {suggestion(name, providers)}"
    elif chosen.values["name"] in reached(str(providers[name].values["name"]), named(around)):
        text = f"is found by the analysis {providers[name].values['name']!r} from this procedure's own products"
    elif chosen.get("tailcuts", "source") == "per_run":
        text = "has no effect where tailcuts.source is per_run"
    else:
        return
    chosen.report(("dl1ab", "calibration"), text)


def _is_taken(values: Mapping[str, Any], others: list[Checked]) -> bool:
    """Whether another procedure makes its products in the same folder."""
    own = values["production_id"] or values["name"]
    return any(_folder(one.values) == (own, values["scope"] == "campaign") for one in others)


def _folder(values: Mapping[str, Any]) -> tuple[str, bool]:
    kind = values["type"]
    if kind not in (ANALYSIS_TYPE, RECONSTRUCTION):
        return "", False  # a campaign's productions are its own matter
    return str(values["production_id"] or values["name"]), values.get("scope") == "campaign"


def _provides(one: Checked) -> Any:
    return one.values.get("provides_calibration")


def _is_plain(value: Any) -> bool:
    if isinstance(value, Mapping):
        return all(isinstance(key, str) and _is_plain(item) for key, item in value.items())
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, str | bool | int | float)


def _file(around: Surroundings, checked: Checked, key: Key, text: str | None) -> Path | None:
    """A Python file, relative to the YAML file."""
    if text is None:
        return None
    try:
        path = located(text, checked.document.path.absolute().parent)
    except PathError as error:
        checked.report(key, str(error))
        return None
    if around.check_files and (wrong := not_a_file(path)) and checked.good(*key):
        checked.report(key, wrong)
    return path
