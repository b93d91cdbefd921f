"""``osa provenance``: what a product was made from, and with which settings."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.tree import Tree

from osa_luigi.cli import options, site
from osa_luigi.cli.tables import WIDE
from osa_luigi.errors import NightError
from osa_luigi.ledger.decided import decided
from osa_luigi.ledger.find import find_product
from osa_luigi.ledger.folding import Fold, Origin, fold
from osa_luigi.ledger.lineage import Books, Lineage, Product, trace
from osa_luigi.ledger.making import Making
from osa_luigi.ledger.provenance import LEVELS, configuration_path, identified, is_configuration
from osa_luigi.night import compact
from osa_luigi.products.identity import canonical_json

PICTURES = (".svg", ".png", ".pdf", ".dot", ".gv")


@click.command()
@click.argument("what")
@click.option(
    "--date",
    "day",
    metavar="DATE",
    callback=site.optional_date,
    help="Observation date (the evening's): WHAT is one of its runs, or a file that lies elsewhere and was renamed.",
)
@options.production
@options.procedure
@options.config
@click.option("--depth", type=click.IntRange(0), help="How many steps to go back. Default: all.")
@click.option(
    "--prov-json",
    type=click.Path(path_type=Path, allow_dash=True),
    help="Write a W3C PROV document; - for standard output, a folder for one document a run.",
)
@click.option("--picture", type=click.Path(path_type=Path), help="Draw it: .svg, .png, .pdf (by Graphviz), or .dot.")
@options.as_json
def provenance(
    what: str,
    day: date | None,
    production: str,
    procedure: str | None,
    config_file: Path | None,
    depth: int | None,
    prov_json: Path | None,
    picture: Path | None,
    as_json: bool,
) -> None:
    """What WHAT was made from, back to the raw files, and how. It is read from receipts; no product is opened.

    WHAT is a product, wherever it lies; or, with --date, a run (2003 or Run02003) with all that was made of it, or night for the
    whole production. What was made alike is one line.

    A file outside a production (a published link, a copy) is found by its name: one look into each production of its night, or of the site
    if no folder in its path is a date; it is read once if it is no hard link.

    \b
    Examples:
        osa provenance running_analysis/20241115/v1/tailcut84/dl1_LST-1.Run02003.h5
        osa provenance dl2_LST-1.Run02003.h5 --prov-json dl2.prov.json --picture dl2.svg
        osa provenance 2003 --date 2024-11-15 --depth 2

    \b
    Exit codes: 0 found, 2 wrong usage, 3 no receipt tells of it, or the configuration is wrong.
    """
    if picture and picture.suffix not in PICTURES:
        raise click.UsageError(f"{picture}: pictures are {', '.join(PICTURES)}.")
    books = Books()
    asked = _asked(what, day, production, procedure, config_file, books)
    if prov_json:
        _write_documents(asked, books, depth, prov_json)
    if picture:
        _draw(trace(asked.makings, books, depth), asked, picture)
    if as_json:
        options.print_json(_data(trace(asked.makings, books, depth), asked))
    elif not (prov_json or picture):
        _print(trace(asked.makings, books, depth), asked)


@dataclass(frozen=True)
class Asked:
    """What was asked about: a file, or all that was made of a run."""

    makings: list[Making]
    title: str
    product: Product | None = None


def _asked(
    what: str, day: date | None, production: str, procedure: str | None, config_file: Path | None, books: Books
) -> Asked:
    file = Path(what)
    if day and not file.exists() and (what == "night" or site.RUN.fullmatch(what)):
        place = site.production_of_night(config_file, day, production, procedure)
        run = site.run_of(what)
        names = [name for name in books.names(place) if run == "night" or name.split(".")[1] == run]
        if not names:
            raise NightError(f"{place.root}: nothing was made of {run} yet. osa status tells how the night stands.")
        makings = [making for name in names if (making := books.making(place, name))]
        return Asked(makings, f"{run} of {day.isoformat()}, production {place.id}")
    found = find_product(file, books, site.nights_of(config_file), compact(day) if day else "")
    return Asked([found.making], str(file), found)


def _write_documents(asked: Asked, books: Books, depth: int | None, out: Path) -> None:
    """One document; or into a folder one for each run, so that memory holds no more than one of them."""
    if not out.is_dir():
        _write_document(trace(asked.makings, books, depth), out)
        return
    runs: dict[str, list[Making]] = {}
    for making in asked.makings:
        runs.setdefault(making.unit.partition(".")[0], []).append(making)
    for run, makings in runs.items():
        _write_document(trace(makings, books, depth), out / f"{run}.prov.json")


def _write_document(lineage: Lineage, out: Path) -> None:
    from osa_luigi.ledger.provenance import document

    written = document(lineage)
    if str(out) == "-":
        click.echo(written.serialize(format="json"))
        return
    with out.open("w") as file:
        written.serialize(file, format="json")
    click.echo(f"{out}: {len(written.records)} records of {len(lineage.makings)} attempts", err=True)


def _draw(lineage: Lineage, asked: Asked, out: Path) -> None:
    from osa_luigi.ledger.picture import draw

    draw(fold(lineage), out, [asked.product.made.role] if asked.product else ())
    click.echo(f"{out}: drawn", err=True)


# ---- the tree --------------------------------------------------------------------------------------------------


def _print(lineage: Lineage, asked: Asked) -> None:
    folds = fold(lineage)
    tree = Tree(asked.title)
    if asked.product:
        for line in _product(asked.product):
            tree.add(line)
    software = {str(one.first.software) for one in folds}
    told: set[int] = set()
    for root in _roots(folds):
        _branch(tree, root, "", told, alone=len(software) > 1)
    if len(software) == 1:
        tree.add(f"software: {_versions(folds[0])}")
    console = Console(file=sys.stdout, width=WIDE, highlight=False, markup=False)
    with console.capture() as captured:
        console.print(tree)
    sys.stdout.write("\n".join(line.rstrip() for line in captured.get().splitlines()) + "\n")


def _roots(folds: list[Fold]) -> list[Fold]:
    """What nothing else was made from."""
    read = {id(maker) for one in folds for makers in one.inputs.values() for maker, _ in makers}
    return [one for one in folds if id(one) not in read] or folds[:1]


def _branch(tree: Tree, one: Fold, lead: str, told: set[int], *, alone: bool) -> None:
    if id(one) in told:
        tree.add(f"{lead}{one.what} (see above)")
        return
    told.add(id(one))
    branch = tree.add(f"{lead}{_line(one)}")
    if alone:
        branch.add(f"software: {_versions(one)}")
    for line in (*_settings(one), *_adopted(one), *_chosen(one), *_decisions(one)):
        branch.add(line)
    for origin in one.origins.values():
        branch.add(_origin(origin))
    for role, makers in one.inputs.items():
        counts: dict[int, int] = {}
        for (maker, _), count in makers.items():
            counts[id(maker)] = counts.get(id(maker), 0) + count
        for maker in dict.fromkeys(maker for maker, _ in makers):
            files = f" ({counts[id(maker)]} files)" if counts[id(maker)] > 1 else ""
            _branch(branch, maker, f"{role}{files} ← ", told, alone=alone)


def _line(one: Fold) -> str:
    key = f", step key {one.first.key[:12]}" if len(one.makings) == 1 else ""
    linked = f", linked from production {one.first.linked_from}" if one.first.linked_from else ""
    again = f", made {one.first.generation} times" if one.first.generation > 1 and len(one.makings) == 1 else ""
    return f"{one.what}: {one.when} on {one.where or 'an unknown host'}, {one.cpu_s:,.1f} CPU s{key}{linked}{again}"


def _product(product: Product) -> Iterator[str]:
    making, made = product.making, product.made
    level = LEVELS.get((making.step, made.role), made.role)
    yield f"{level}, {made.size / 2**20:,.1f} MB, production {making.production.id} of {making.night}: {product.path}"
    yield f"sha256 {made.sha256}" + (f", tables {made.tables}" if made.tables else "")


def _settings(one: Fold) -> Iterator[str]:
    """What was set; what was left at the tool's own default is not told."""
    settings = one.first.settings.items()
    plain = {name: value for name, value in settings if value not in (None, "") and not is_configuration(value)}
    if plain:
        yield f"settings: {', '.join(f'{name} {canonical_json(value)}' for name, value in plain.items())}"
    for name, value in one.first.settings.items():
        if is_configuration(value):
            yield f"{name}: {configuration_path(one.production, value)}"


def _adopted(one: Fold) -> Iterator[str]:
    """By whom products were taken over that something else made, and why; each saying once, with the files of the first."""
    told = [(making.attempt["adopted"], making) for making in one.makings if "adopted" in making.attempt]
    by_saying: dict[tuple[str, str], list[tuple[Mapping[str, Any], Making]]] = {}
    for said, making in told:
        by_saying.setdefault((said["user"], said["reason"]), []).append((said, making))
    for (user, reason), items in by_saying.items():
        files = [path for said, _ in items for path in said["files"].values()]
        more = f" and {len(files) - 1} more" if len(files) > 1 else ""
        when = min(making.started for _, making in items)[:19].replace("T", " ")
        yield f"adopted, not made here: {when} UTC by {user}, from {files[0]}{more}: {reason}"


def _chosen(one: Fold) -> Iterator[str]:
    """By what models were chosen."""
    yield from (
        f"models: {why}" for why in dict.fromkeys(making.chosen["why"] for making in one.makings if making.chosen)
    )


def _decisions(one: Fold) -> Iterator[str]:
    """Because of which something was left out."""
    every = dict.fromkeys(each for making in one.makings for each in decided(making))
    for each in every:
        who = each.user or "somebody" if each.is_persons else f"policy {each.by}"
        yield f"decision {each.number}: {each.kind} {each.unit}, {who}: {each.reason}"


def _origin(origin: Origin) -> str:
    paths, sources = origin.paths, list(origin.sources.values())
    size = f", {origin.size / 2**20:,.1f} MB" if origin.size else ""
    where = str(paths[0]) if len(paths) == 1 else f"{len(paths)} files in {paths[0].parent}"
    return f"{origin.role}: {where}{size} (known by {identified(sources[0])['identifiedBy']})"


def _versions(one: Fold) -> str:
    return ", ".join(f"{package} {version}" for package, version in one.first.software.items())


# ---- data ------------------------------------------------------------------------------------------------------


def _data(lineage: Lineage, asked: Asked) -> dict[str, Any]:
    folds = fold(lineage)
    numbers = {id(one): number for number, one in enumerate(folds)}
    product = asked.product
    return {
        "asked": asked.title,
        "product": product and {**_file(product), "step": product.making.name, "key": product.making.key},
        "steps": [_step(one, numbers) for one in folds],
    }


def _file(product: Product) -> dict[str, Any]:
    made = product.made
    return {
        "path": str(product.path),
        "role": made.role,
        "level": LEVELS.get((product.making.step, made.role)),
        "size": made.size,
        "sha256": made.sha256,
        "tables": made.tables or None,
    }


def _step(one: Fold, numbers: dict[int, int]) -> dict[str, Any]:
    return {
        "number": numbers[id(one)],
        "step": one.step,
        "production": one.production.id,
        "night": one.first.night,
        "linked_from": one.first.linked_from or None,
        "settings": dict(one.first.settings),
        "software": dict(one.first.software),
        "hosts": one.hosts,
        "began": one.began,
        "ended": one.ended,
        "cpu_s": round(one.cpu_s, 3),
        "made": [
            {
                "unit": making.unit,
                "key": making.key,
                "generation": making.generation,
                "attempt": making.attempt.get("id"),
                **({"adopted": dict(making.attempt["adopted"])} if "adopted" in making.attempt else {}),
                **({"chosen": dict(making.chosen)} if making.chosen else {}),
            }
            for making in one.makings
        ],
        "decisions": list(_decisions(one)),
        "inputs": [
            {"role": role, "from": numbers[id(maker)], "output": output, "files": count}
            for role, makers in one.inputs.items()
            for (maker, output), count in makers.items()
        ],
        "origins": [
            {"role": source.role, "path": source.path, **identified(source)}
            for origin in one.origins.values()
            for source in origin.sources.values()
        ],
    }
