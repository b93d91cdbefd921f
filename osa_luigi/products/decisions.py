"""Decisions: what a person, or a rule of the configuration, decided about a production, with the reason.

Each is a file ``.osa/decisions/<NNNN>.json`` that is never changed or removed. To take one back is another decision. The number is
given by an exclusive link, so two operators at once never overwrite each other.
"""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from osa_luigi.errors import ProductError
from osa_luigi.process import host
from osa_luigi.products.commit import link_exclusively
from osa_luigi.products.identity import plain
from osa_luigi.products.production import Production

FORMAT = 1
PERSON = "person"
"""Who decided, where it was no rule."""

NAME = re.compile(r"(\d{4,})\.json", re.ASCII)

MOST_TRIES = 1000
"""Others who take a number at the same moment."""


class DecisionKind(StrEnum):
    """What was decided."""

    DISCARD = "discard"
    """A subrun, or a run, is not part of the production."""
    VETO = "veto"
    """A run is not processed."""
    UNDO = "undo"
    """Discards do not hold any more."""
    RELEASE = "release"
    """Vetoes do not hold any more."""


LEAVE_OUT = (DecisionKind.DISCARD, DecisionKind.VETO)
"""Decisions that leave a unit out; the others take such a one back."""


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision.

    Parameters
    ----------
    number
        Of its file; they begin with 1.
    unit
        ``Run02003`` or ``Run02003.0001``.
    by
        ``person``, or the name of a policy.
    user, host, when
        Who typed it or started the engine, on which machine, and when (UTC).
    undoes
        Numbers of the decisions that it takes back.
    evidence
        What a policy went by.
    """

    number: int
    kind: DecisionKind
    unit: str
    reason: str
    by: str
    user: str
    host: str
    when: str
    undoes: tuple[int, ...] = ()
    evidence: Mapping[str, Any] = field(default_factory=dict)

    @property
    def leaves_out(self) -> bool:
        """Whether it leaves its unit out, as long as it is not taken back."""
        return self.kind in LEAVE_OUT

    def as_json(self) -> dict[str, Any]:
        """For a program to read."""
        data: dict[str, Any] = plain(asdict(self))
        return data

    def short(self) -> dict[str, Any]:
        """What a receipt or a summary says of it."""
        return {"number": self.number, "kind": str(self.kind), "unit": self.unit, "by": self.by, "reason": self.reason}

    def __str__(self) -> str:
        who = f"{self.user} on {self.host}" if self.by == PERSON else f"policy {self.by}"
        taken = f" (decision {', '.join(map(str, self.undoes))})" if self.undoes else ""
        when = self.when[:16].replace("T", " ")
        return f"decision {self.number}: {self.kind} {self.unit}{taken}, {who}, {when} UTC: {self.reason}"


Decided = Mapping[str, tuple[Decision, ...]]
"""Unit → the decisions that leave it out."""


def decide(
    production: Production,
    kind: DecisionKind,
    unit: str,
    reason: str,
    *,
    by: str = PERSON,
    undoes: Iterable[int] = (),
    evidence: Mapping[str, Any] | None = None,
) -> Decision:
    """Record a decision, on the disk before this returns. The production need not have begun.

    Raises
    ------
    ValueError
        There is no reason.
    OSError
        It cannot be written; nothing was decided.
    """
    if not (words := " ".join(reason.split())):
        raise ValueError("a decision needs a reason")
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    said = Decision(0, kind, unit, words, by, _user(), host(), now, tuple(undoes), evidence or {})
    folder = _folder(production)
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / f".{host()}-{os.getpid()}-{secrets.token_hex(4)}"
    try:
        _write(draft, said)
        for _ in range(MOST_TRIES):
            number = max(_numbers(folder), default=0) + 1
            if link_exclusively(draft, folder / f"{number:04d}.json"):
                return _numbered(said, number)
    finally:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
    raise ProductError(f"{folder}: others decide again and again; nothing was decided. Try again.")


def decisions(production: Production) -> tuple[Decision, ...]:
    """All decisions of a production, the oldest first.

    Raises
    ------
    ProductError
        One of them cannot be read: what it said may not be passed over.
    """
    folder = _folder(production)
    return tuple(_read(folder, number) for number in sorted(_numbers(folder)))


def standing(every: Iterable[Decision]) -> dict[str, tuple[Decision, ...]]:
    """The decisions that leave a unit out and were not taken back, by unit."""
    every = tuple(every)
    undone = {number for decision in every for number in decision.undoes}
    found: dict[str, tuple[Decision, ...]] = {}
    for decision in every:
        if decision.leaves_out and decision.number not in undone:
            found[decision.unit] = (*found.get(decision.unit, ()), decision)
    return dict(sorted(found.items()))


def about(stand: Decided, unit: str) -> tuple[Decision, ...]:
    """The standing decisions that leave a run or subrun out: its own, and those of its run."""
    run = unit.partition(".")[0]
    return (*stand.get(run, ()), *(stand.get(unit, ()) if unit != run else ()))


def within(stand: Decided, run: str) -> tuple[Decision, ...]:
    """The standing decisions on a run and on its subruns, by number."""
    return tuple(decision for decision in in_order(stand) if decision.unit.partition(".")[0] == run)


def in_order(stand: Decided) -> tuple[Decision, ...]:
    """All standing decisions, by number."""
    found = (decision for several in stand.values() for decision in several)
    return tuple(sorted(found, key=lambda decision: decision.number))


def _folder(production: Production) -> Path:
    return production.state / "decisions"


def _numbers(folder: Path) -> Iterator[int]:
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return
    for name in names:
        if (match := NAME.fullmatch(name)) and name == f"{int(match[1]):04d}.json":
            yield int(match[1])


def _write(path: Path, said: Decision) -> None:
    data = {name: value for name, value in said.as_json().items() if name != "number"}
    with path.open("w") as file:
        file.write(json.dumps({"format": FORMAT, **data}, indent=1) + "\n")
        file.flush()
        os.fsync(file.fileno())


def _numbered(said: Decision, number: int) -> Decision:
    return Decision(**{**{name: getattr(said, name) for name in Decision.__slots__}, "number": number})


def _read(folder: Path, number: int) -> Decision:
    path = folder / f"{number:04d}.json"
    try:
        data = json.loads(path.read_text())
        if data.pop("format") != FORMAT:
            raise ValueError("of another format")
        kind, undoes = DecisionKind(data.pop("kind")), tuple(int(one) for one in data.pop("undoes"))
        return Decision(number=number, kind=kind, undoes=undoes, **data)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ProductError(
            f"{path}: not a decision that this version can read ({error}). Nothing is processed without knowing what was decided: "
            "restore the file, or update osa_luigi."
        ) from error


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # in a container the user may have no name
        return str(os.getuid())
