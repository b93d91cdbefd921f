"""PROV documents of a finished night, read by the `prov` library and walked from each DL2 file to the raw files; all hashes taken again.

``python -m tests.drills.lineage --json [--site DIR]``. ``osa provenance FILE --prov-json`` writes the document of a DL2 file. Nothing of
the engine is asked after that: derivations are followed in the document alone, hashes and sizes are those of the files on the disk.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from prov.model import ProvActivity, ProvAssociation, ProvDerivation, ProvDocument, ProvEntity, ProvGeneration

from tests.drills.nights import Site, tiny_night

BLOCK = 64 * 1024
"""Of a foreign file: what is hashed at its beginning, and at its end."""

Told = Mapping[str, Any]


@dataclass(frozen=True)
class Walk:
    """What came of walking back from one file.

    Parameters
    ----------
    entities
        That were reached, by what is known of them.
    raw, raw_there
        Raw files that were reached, and those of its run that lie there.
    trouble
        Hashes that are not the file's, products without an attempt, attempts without software.
    """

    file: str
    records: int
    entities: dict[str, int]
    raw: int
    raw_there: int
    trouble: list[str]

    @property
    def good(self) -> bool:
        """Whether it led to all raw files of the run, and nothing was wrong on the way."""
        return not self.trouble and self.raw_there > 0 and self.entities.get("sha256", 0) > 0


def told(record: Any) -> dict[str, Any]:
    """Name → value."""
    return {name.localpart: value for name, value in record.attributes}


def walk(site: Site, file: Path, document: Path) -> Walk:
    """Write the document of a file, and walk it."""
    done = site.osa("provenance", str(file), "--prov-json", str(document))
    if done.returncode:
        return Walk(file.name, 0, {}, 0, 0, [done.stdout])
    doc = ProvDocument.deserialize(str(document))
    entities = {str(entity.identifier): told(entity) for entity in doc.get_records(ProvEntity)}
    start = next(name for name, one in entities.items() if one.get("location") == str(file))
    reached = _behind(doc, start)
    known = Counter(kind for name in reached if (kind := _known(entities[name])))
    raw = {Path(one["location"]) for name in reached if (one := entities[name]).get("level") == "R0"}
    run = file.name.split(".")[1]
    there = {path for path in site.raw.iterdir() if f".{run}." in path.name}
    trouble = [*_roundtrip(doc), *_unattributed(doc, reached, entities)]
    trouble += [line for name in sorted(reached) if (line := _wrong(entities[name]))]
    trouble += [f"{path}: not reached" for path in sorted(there - raw)]
    return Walk(file.name, len(doc.records), dict(known), len(raw), len(there & raw), trouble)


def _roundtrip(doc: ProvDocument) -> Iterator[str]:
    again = ProvDocument.deserialize(content=doc.serialize(format="json"), format="json")
    if again != doc or len(again.unified().records) != len(doc.records):
        yield "the document does not come back as it was, or tells something twice"


def _behind(doc: ProvDocument, start: str) -> set[str]:
    """All that one was derived from, itself among it."""
    sources: dict[str, set[str]] = {}
    for record in doc.get_records(ProvDerivation):
        one = told(record)
        sources.setdefault(str(one["generatedEntity"]), set()).add(str(one["usedEntity"]))
    seen, ahead = {start}, [start]
    while ahead:
        new = sources.get(ahead.pop(), set()) - seen
        seen |= new
        ahead += new
    return seen


def _unattributed(doc: ProvDocument, reached: set[str], entities: Mapping[str, Told]) -> Iterator[str]:
    """Products that no attempt made, and attempts of which nobody knows the software."""
    makers = {str(told(one)["entity"]): str(told(one)["activity"]) for one in doc.get_records(ProvGeneration)}
    agents = {str(told(one)["activity"]) for one in doc.get_records(ProvAssociation)}
    yield from (f"{name}: no attempt made it" for name in reached if "sha256" in entities[name] and name not in makers)
    every = {str(activity.identifier) for activity in doc.get_records(ProvActivity)}
    yield from (f"{name}: by no software" for name in sorted(every - agents))


def _known(one: Told) -> str:
    return next(
        (kind for kind in HASHES if kind in one), "size" if "size" in one else "name" if "location" in one else ""
    )


def _wrong(one: Told) -> str:
    """What is told of a file and not so; empty if nothing is."""
    place = Path(str(one.get("location", "")))
    try:
        kind = _known(one)
        if kind in HASHES and HASHES[kind](place) != one[kind]:
            return f"{place}: {kind} is another"
        if "size" in one and place.stat().st_size != int(one["size"]):
            return f"{place}: another size"
        for part in json.loads(str(one.get("identity", "{}"))).get("files", ()):
            if _ends(place / part["name"]) != part["sha256"]:
                return f"{place / part['name']}: its ends are others"
    except OSError as error:
        return f"{place}: {error.strerror}"
    return ""


def _bytes(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _ends(path: Path) -> str:
    content = path.read_bytes()
    return hashlib.sha256(content[:BLOCK] + content[max(len(content) - BLOCK, 0) :]).hexdigest()


def _content(path: Path) -> str:
    """Of a configuration: its values, however they are laid out."""
    content = json.loads(path.read_bytes())
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


HASHES: dict[str, Callable[[Path], str]] = {"sha256": _bytes, "endsSha256": _ends, "contentSha256": _content}
"""What may be told of a file → how it is taken."""


def main() -> None:
    """``python -m tests.drills.lineage``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--site", type=Path, help="base of a site with a finished night; default: the tiny one")
    parser.add_argument("--config", type=Path, help="its main configuration, whose base is taken from the environment")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    asked = parser.parse_args()
    if asked.site:
        site = Site(asked.site.absolute(), *([asked.config.absolute()] if asked.config else []))
    elif (done := (site := tiny_night()).run_night()).returncode:
        raise SystemExit(f"the night cannot be processed:\n{done.stdout}")
    walks = []
    with tempfile.TemporaryDirectory() as folder:
        for file in sorted(site.production("tiny").root.rglob("dl2_LST-1.Run*.h5")):
            walks.append(walk(site, file, Path(folder) / f"{file.stem}.json"))
            print(f"{'ok' if walks[-1].good else 'NO':3} {walks[-1]}", file=sys.stderr, flush=True)
    good = bool(walks) and all(one.good for one in walks)
    if asked.json:
        print(json.dumps({"files": [{**asdict(one), "good": one.good} for one in walks], "good": good}))
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
