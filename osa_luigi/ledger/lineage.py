"""Back from products to raw files: each input is followed to the receipt of what made it, through productions and nights.

Receipts are the only source. Each is read once, and a run's only when something of that run is asked for.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from osa_luigi.ledger.making import Making, Source
from osa_luigi.ledger.places import is_production
from osa_luigi.products.production import Production
from osa_luigi.products.receipt import Made, ReceiptBook, earlier_receipts

UNIT = re.compile(r"Run\d{5,}(?:\.\d{4,})?", re.ASCII)
DATE = re.compile(r"\d{8}", re.ASCII)
DECLARED = "declared"
"""Role of the list of all that a closed night holds: step → step key."""


@dataclass(frozen=True, slots=True)
class Product:
    """An output of a `Making`."""

    making: Making
    made: Made

    @property
    def path(self) -> Path:
        """Where it belongs."""
        return self.making.path(self.made)

    @property
    def id(self) -> str:
        """As `Making.file_id`."""
        return self.making.file_id(self.made)


@dataclass
class Lineage:
    """All that products were made from, as far as it was followed.

    Parameters
    ----------
    targets
        What was asked about.
    makings
        Their identifier → every attempt on the way, the last of the chain first.
    found
        Identifier of an attempt → for each of its sources the products that it was: one, several for the list of what a night
        declares, none for a file that this engine did not make, or whose receipt is not there.
    """

    targets: tuple[Making, ...]
    makings: dict[str, Making] = field(default_factory=dict)
    found: dict[str, tuple[tuple[Product, ...], ...]] = field(default_factory=dict)

    def inputs(self, making: Making) -> Iterator[tuple[Source, tuple[Product, ...]]]:
        """The sources of an attempt, each with the products that it was."""
        products = self.found.get(making.id, ())
        return zip(making.sources, products or ((),) * len(making.sources), strict=True)

    def origins(self) -> Iterator[tuple[Making, Source]]:
        """Where the walk ended: sources without a receipt, with the attempt that read them."""
        for making in self.makings.values():
            yield from ((making, source) for source, products in self.inputs(making) if not products)


def trace(targets: Iterable[Making], books: Books, depth: int | None = None) -> Lineage:
    """Follow products back to where they come from.

    Parameters
    ----------
    books
        The receipts; what they have read is not read again.
    depth
        Steps to go back; `None`: all.
    """
    lineage = Lineage(tuple(targets))
    level = list(lineage.targets)
    while level:
        lineage.makings |= {making.id: making for making in level}
        if depth == 0:
            break
        depth = None if depth is None else depth - 1
        following: dict[str, Making] = {}
        for making in level:
            found = tuple(books.products(making, source) for source in making.sources)
            lineage.found[making.id] = found
            makers = (product.making for products in found for product in products)
            following |= {one.id: one for one in makers if one.id not in lineage.makings}
        level = list(following.values())
    return lineage


class Books:
    """The receipts of many productions, each read once, when it is asked for."""

    def __init__(self) -> None:
        self._books: dict[Production, ReceiptBook] = {}
        self._units: dict[Production, dict[str, list[str]]] = {}
        self._makings: dict[tuple[Production, str], Making] = {}
        self._states: dict[Path, bool] = {}

    def names(self, production: Production, unit: str = "") -> list[str]:
        """``<step>.<unit>`` of all that has a receipt; of one unit, if it is given."""
        if production not in self._units:
            self._books[production] = ReceiptBook(production)
            units: dict[str, list[str]] = {}
            for name in self._books[production].names():
                units.setdefault(name.partition(".")[2], []).append(name)
            self._units[production] = units
        units = self._units[production]
        return units.get(unit, []) if unit else [name for names in units.values() for name in names]

    def making(self, production: Production, name: str) -> Making | None:
        """What the receipt that counts tells of ``<step>.<unit>``.

        Raises
        ------
        ProductError
            It cannot be read.
        """
        if (production, name) not in self._makings:
            self.names(production)
            receipt = self._books[production].receipt(name)
            if receipt is None:
                return None
            self._makings[production, name] = Making.of(production, receipt)
        return self._makings[production, name]

    def products(self, reader: Making, source: Source) -> tuple[Product, ...]:
        """What an input was; empty for what is not found among the receipts."""
        if source.role == DECLARED:
            return tuple(self._declared(reader, Path(source.path)))
        for production, inside in self._places(reader.production, source):
            if product := self._product(production, inside, source, reader.started):
                return (product,)
        return ()

    def at(self, production: Production, inside: Path) -> Product | None:
        """The product that belongs at a place in a production."""
        for name in self.likely(production, inside.name):
            making = self.making(production, name)
            for made in making.outputs if making else ():
                if making and made.path == inside:
                    return Product(making, made)
        return None

    def _product(self, production: Production, inside: Path, source: Source, before: str) -> Product | None:
        """The product of the input's step key: of several generations the newest that was there when it was read.

        A run summary that was made here counts in step keys by its rows, so it has no key there.
        """
        found = self.at(production, inside)
        if found is None or (not source.key and found.making.generation == 1):
            return found
        step, unit, newest = found.making.step, found.making.unit, found.making.generation
        earlier = earlier_receipts(production, step, unit, newest)
        generations = [found.making, *(Making.of(production, receipt) for receipt in earlier)]
        same = [making for making in generations if source.key in ("", making.key)]
        fitting = [making for making in same if making.ended <= before] or same
        return next((Product(one, made) for one in fitting for made in one.outputs if made.path == inside), None)

    def likely(self, production: Production, file: str) -> Iterator[str]:
        """Names of receipts, those first that a file's name speaks for: a receipt tells its file, but no file its receipt."""
        match = UNIT.search(file)
        run = match.group().partition(".")[0] if match else ""
        dates = DATE.findall(file)
        first = dict.fromkeys(unit for unit in (match.group() if match else "", run, *dates, "night") if unit)
        for unit in first:
            yield from self.names(production, unit)
        if not match:
            yield from (name for name in self.names(production) if name.partition(".")[2] not in first)

    def _places(self, own: Production, source: Source) -> Iterator[tuple[Production, Path]]:
        """Productions that may hold an input, and where in them.

        A site may have been moved or copied since, so the tree of the reader's own production goes before the path as written;
        and a production that something was linked from may be gone, while the link is there.
        """
        path = Path(source.path)
        if source.key:
            yield from self._in_tree(own, path.parts)
        for folder in path.parents:
            if self._is_production(folder):
                yield Production(folder), path.relative_to(folder)

    def _in_tree(self, own: Production, parts: tuple[str, ...]) -> Iterator[tuple[Production, Path]]:
        tree = own.root.parent.parent
        for number in range(len(parts) - 3, 0, -1):
            if DATE.fullmatch(parts[number]):
                for root in (tree / parts[number] / parts[number + 1], own.root):
                    if self._is_production(root):
                        yield Production(root), Path(*parts[number + 2 :])

    def _is_production(self, root: Path) -> bool:
        if root not in self._states:
            self._states[root] = is_production(root)
        return self._states[root]

    def _declared(self, reader: Making, listing: Path) -> Iterator[Product]:
        """All that a night's list of declared products names, as it is now."""
        for name, key in _read_listing(reader.production, listing).items():
            making = self.making(reader.production, name)
            if making and making.key == key:
                yield from (Product(making, made) for made in making.outputs)


def _read_listing(production: Production, listing: Path) -> Mapping[str, str]:
    try:
        declared = json.loads((production.state / "configs" / listing.name).read_text())
    except (OSError, ValueError):
        return {}
    if not isinstance(declared, dict):
        return {}
    products = declared.get("products")  # beside it, the decisions by which they are all
    return products if isinstance(products, dict) else declared
