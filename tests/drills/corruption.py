"""A finished night of the real chain, damaged in every way: all of it must be found, and made whole again.

``python -m tests.drills.corruption --json [--site DIR]``. On a copy of the night one file of each kind of product (step and role) is
damaged: a bit flipped, cut in the middle, emptied. ``osa verify`` must name these files and no others. So must it where receipts are
damaged: each archive of a run at many places, and the run summary's receipt. Then every product is damaged in one of the ways and set aside
(``osa verify --set-aside``), and the same luigi command must make the night whole, with equal tables.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from itertools import cycle
from pathlib import Path
from zipfile import ZipFile

from osa_luigi.products.production import Production
from tests.drills.nights import Site, link_or_copy, share_cache, tiny_night
from tests.drills.witness import Seen, look

ID = "tiny"
PLACES = 12
"""Of an archive at which a bit is flipped, besides the middle of each of its receipts."""

SHARED = ("R0", "models", "truth")
"""What nobody damages: hard links."""

Damage = Callable[[bytes], bytes]


def flipped(content: bytes, at: int | None = None) -> bytes:
    """One bit is another, in the middle if nothing else is said."""
    where = len(content) // 2 if at is None else at
    return content[:where] + bytes([content[where] ^ 1]) + content[where + 1 :]


DAMAGES: dict[str, Damage] = {
    "flipped bit": flipped,
    "truncated": lambda content: content[: len(content) // 2],
    "zero length": lambda _: b"",
}


@dataclass(frozen=True)
class Round:
    """What was damaged at once, or one after the other, and what was said of it."""

    what: str
    damaged: int
    found: int
    exit_codes: list[int]
    trouble: list[str]
    """What was not found, or was found and not damaged."""
    good: bool
    harmless: int = 0
    """Bits of an archive that hold no file's content: what is not found of these is no trouble."""


def copy_of(site: Site, folder: Path) -> Site:
    """The same night, finished, to do damage to."""
    for entry in sorted(site.base.iterdir()):
        if entry.is_dir() and entry.name not in ("cache", "config"):
            how = link_or_copy if entry.name in SHARED else shutil.copy2
            shutil.copytree(entry, folder / entry.name, copy_function=how)
    share_cache(site, folder)
    return Site(folder, site.config, site.day)


@contextmanager
def damaged(path: Path, damage: Damage) -> Iterator[None]:
    """Damage a file in its place, and put its bytes back."""
    whole, mode = path.read_bytes(), path.stat().st_mode
    path.chmod(0o644)
    path.write_bytes(damage(whole))
    try:
        yield
    finally:
        path.write_bytes(whole)
        path.chmod(mode)


def products(site: Site) -> dict[str, Path]:
    """One file of each kind: ``<step> <role>`` → where it lies. The run summary was made in a folder of its own."""
    summaries = Production(site.base / "monitoring" / "RunSummary")
    kinds: dict[str, Path] = {}
    for production in (site.production(ID), summaries):
        for receipt in look(production).receipts.values():
            kinds |= {f"{receipt.step} {made.role}": production.root / made.path for made in receipt.outputs}
    return kinds


def verify(site: Site, *more: str) -> tuple[int, set[str], str]:
    """Exit code, the paths that were found, and what was said if that was no JSON."""
    done = site.osa("verify", "--date", site.day.isoformat(), "--json", *more)
    try:
        return done.returncode, {finding["path"] for finding in json.loads(done.stdout)["findings"]}, ""
    except ValueError:
        return done.returncode, set(), done.stdout


def all_kinds(site: Site, name: str) -> Round:
    """Damage one file of each kind, all at once."""
    kinds = products(site)
    with ExitStack() as stack:
        for path in kinds.values():
            stack.enter_context(damaged(path, DAMAGES[name]))
        code, found, said = verify(site)
    wanted = {str(path) for path in kinds.values()}
    trouble = [*sorted(wanted ^ found), *([said] if said else [])]
    return Round(
        f"{name}, each kind of product", len(wanted), len(wanted & found), [code], trouble, code == 1 and not trouble
    )


def papers(site: Site) -> Iterator[tuple[str, Path, Damage]]:
    """Receipts in each run's archive, the archives as such, settings, the run summary's receipt."""
    state = site.production(ID).state
    for archive in sorted((state / "archives").glob("*.zip")):
        size = archive.stat().st_size
        yield from ((f"{archive.name}: {name}", archive, DAMAGES[name]) for name in ("truncated", "zero length"))
        for at in sorted({*_receipts(archive), *(size * place // PLACES for place in range(PLACES))}):
            yield f"{archive.name}: a bit of byte {at} of {size}", archive, partial(flipped, at=at)
    loose = [*sorted((state / "configs").glob("*.json"))[:1], *_of_summary(site).rglob("receipts/*/*.json")]
    for path in loose:
        yield from ((f"{path.name}: {name}", path, DAMAGES[name]) for name in ("truncated", "zero length"))


def _of_summary(site: Site) -> Path:
    return Production(site.base / "monitoring" / "RunSummary").state


def _receipts(archive: Path) -> Iterator[int]:
    """The middle of each receipt, as it lies in an archive."""
    with ZipFile(archive) as bundle:
        for member in bundle.infolist():
            if member.filename.startswith("receipts/"):
                yield member.header_offset + 30 + len(member.filename) + member.compress_size // 2


def all_papers(site: Site, tell: Callable[[str], None]) -> Round:
    """Damage receipts and what holds them, one at a time."""
    missed, codes, harmless = [], Counter[int](), 0
    for what, path, damage in papers(site):
        before = _members(path)
        with damaged(path, damage):
            code, _, _ = verify(site)
            same = not code and before and _members(path) == before
        harmless += bool(same)
        codes[code] += not same
        if not code and not same:
            missed.append(what)
            tell(f"not found: {what}")
    found = codes.total() - len(missed)
    what = "receipts, archives, settings"
    return Round(what, codes.total(), found, sorted(+codes), missed, not missed, harmless)


def _members(path: Path) -> dict[str, bytes]:
    """All that an archive holds."""
    if path.suffix != ".zip":
        return {}
    with ZipFile(path) as bundle:
        return {name: bundle.read(name) for name in bundle.namelist()}


def repaired(site: Site) -> Round:
    """Damage all products in one way or another; set aside what verifying finds, run the night, verify."""
    before, codes = look(site.production(ID)), []
    own = [path for path in products(site).values() if path.is_relative_to(site.production(ID).root)]
    for path, damage in zip(own, cycle(DAMAGES.values()), strict=False):
        path.chmod(0o644)
        path.write_bytes(damage(path.read_bytes()))
    code, found, said = verify(site, "--set-aside")
    codes = [code, site.run_night().returncode]
    code, left, said = verify(site)
    trouble = [*sorted(left), *_unequal(before, look(site.production(ID))), *([said] if said else [])]
    good = [*codes, code] == [1, 0, 0] and not trouble
    return Round("set aside, and made again", len(own), len(found), [*codes, code], trouble, good)


def _unequal(before: Seen, after: Seen) -> Iterator[str]:
    """Products that hold other tables than at first, or have another step key."""
    for name, receipt in before.receipts.items():
        again = after.receipts.get(name)
        if again is None or again.key != receipt.key:
            yield f"{name}: not made again with the same step key"
            continue
        tables = {made.role: made.tables for made in again.outputs}
        if receipt.step != "close":  # which says when it was closed
            yield from (f"{name} {m.role}: other tables" for m in receipt.outputs if m.tables != tables.get(m.role))


def main() -> None:
    """``python -m tests.drills.corruption``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--site", type=Path, help="base of a site with the tiny night, finished; default: it is made")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    asked = parser.parse_args()
    whole = Site(asked.site.absolute()) if asked.site else tiny_night()
    if (done := whole.run_night()).returncode:
        raise SystemExit(f"the night cannot be processed:\n{done.stdout}")
    start = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="osa-corruption-"))
    site = copy_of(whole, folder)
    rounds = []
    for one in (
        *(partial(all_kinds, site, name) for name in DAMAGES),
        partial(all_papers, site, _say),
        partial(repaired, site),
    ):
        rounds.append(one())
        _say(str(rounds[-1]))
    good = all(one.good for one in rounds)
    if good:
        shutil.rmtree(folder)
    if asked.json:
        seconds = round(time.monotonic() - start, 1)
        print(json.dumps({"rounds": [asdict(one) for one in rounds], "seconds": seconds, "good": good}))
    sys.exit(0 if good else 1)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
