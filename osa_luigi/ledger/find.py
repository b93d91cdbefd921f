"""Which product a file is: by its place in a production, by its name among a site's productions, or by its content."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from osa_luigi.errors import ProductError
from osa_luigi.ledger.lineage import DATE, UNIT, Books, Product
from osa_luigi.ledger.places import holds_run, is_production, productions
from osa_luigi.products.digest import sha256
from osa_luigi.products.production import Production
from osa_luigi.products.published import publications


def find_product(
    file: Path, books: Books, running_analysis: Path | None, night: str = "", *, whole: bool = True
) -> Product:
    """The product that a file is.

    Where it lies in a production, its place says so; where it was published, the production's record of that does. Elsewhere (a copy, a
    link) its name does, which costs a look into each production of the night, or of the site where neither the file's path nor `night`
    tells the night. Of those of this name it is the one that is the same file on the disk, or else the one with the same bytes, for which
    the file is read once. A file that was renamed is looked for by its bytes: all receipts of the night are read, so the night must be
    known.

    Parameters
    ----------
    running_analysis
        Where a site's nights are; `None`: only the file's own place is looked at.
    night
        ``20241115``; empty: from the file's path, if a folder in it is a date.
    whole
        Only a file with the product's bytes is the product; else its name is enough, for whoever asks whether it is damaged.

    Raises
    ------
    ProductError
        There is no such file, or it is no product of this site.
    """
    file = Path(os.path.abspath(file))  # noqa: PTH100 (a link is a name of its own: it is not resolved)
    if product := _by_place(file, books):
        return product
    if not file.is_file():
        raise ProductError(f"{file}: no such file, and no receipt names it. Check the path.")
    if running_analysis is None:
        raise ProductError(
            f"{file}: no receipt beside it tells of it. Give the configuration (--config), so that other productions can be looked into."
        )
    night = night or next((part for part in reversed(file.parts[:-1]) if DATE.fullmatch(part)), "")
    known = productions(running_analysis, night) or productions(running_analysis)
    if product := _by_record(file, books, known):
        return product
    named = [product for production in known for product in _of_name(file.name, books, production)]
    product = _same_file(file, named) or _by_bytes(file, named) or (_by_content(file, books, known) if night else None)
    if product or (named and not whole):
        return product or named[0]
    where = f"{running_analysis / night}" if night else str(running_analysis)
    hint = "" if night else " If it was renamed, give its night (--date): then it is looked for by its content."
    raise ProductError(
        f"{file}: no receipt in {len(known)} productions below {where} tells of a file of this name and content: nobody knows how "
        f"it was made.{hint}"
    )


def _by_place(file: Path, books: Books) -> Product | None:
    for folder in file.parents:
        if is_production(folder):
            return books.at(Production(folder), file.relative_to(folder))
    return None


def _by_record(file: Path, books: Books, known: Iterable[Production]) -> Product | None:
    """The product that was published there, as the production's own record of it says."""
    for production in known:
        one = publications(production).get(str(file))
        making = books.making(production, one.name) if one else None
        for made in making.outputs if one and making else ():
            if one and making and (made.role, made.sha256) == (one.role, one.sha256):
                return Product(making, made)
    return None


def _same_file(file: Path, named: Iterable[Product]) -> Product | None:
    return next((product for product in named if _is_same(file, product.path)), None)


def _of_name(file: str, books: Books, production: Production) -> Iterator[Product]:
    """Products of this name; a run that a production does not hold costs one look."""
    match = UNIT.search(file)
    if match and not holds_run(production, match.group().partition(".")[0]):
        return
    for name in books.likely(production, file):
        making = books.making(production, name)
        yield from (Product(making, made) for made in making.outputs if made.path.name == file) if making else ()


def _by_content(file: Path, books: Books, known: Iterable[Production]) -> Product | None:
    every = (
        Product(making, made)
        for production in known
        for name in books.names(production)
        if (making := books.making(production, name))
        for made in making.outputs
    )
    return _by_bytes(file, every)


def _by_bytes(file: Path, candidates: Iterable[Product]) -> Product | None:
    """The one with the same bytes; the file is only read if one has its size. One that was made here goes before its links."""
    size = file.stat().st_size
    fitting = [product for product in candidates if product.made.size == size]
    if not fitting:
        return None
    found = sha256(file)
    same = [product for product in fitting if product.made.sha256 == found]
    return next((product for product in same if not product.making.linked_from), next(iter(same), None))


def _is_same(file: Path, product: Path) -> bool:
    try:
        return file.samefile(product)
    except OSError:
        return False
