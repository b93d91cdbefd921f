"""Close a night: every declared product is there, by its receipt, or the night is not finished.

The declared products are a list that planning wrote, ``<step>.<unit>`` → step key, with the decisions that it was made by. Closing can be
repeated; when the night has grown, or something was decided, it is made again.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Unpack

from osa_luigi.errors import ProductError
from osa_luigi.products.decisions import decisions, in_order, standing
from osa_luigi.products.identity import digest
from osa_luigi.products.production import Production
from osa_luigi.products.receipt import Presence, Receipt, ReceiptBook
from osa_luigi.steps import checks, making
from osa_luigi.steps.call import FileInput, Output, StepCall
from osa_luigi.steps.step import Command, Step, Tool

MARKER = "NightFinished.txt"
SUMMARY = "NightFinished.json"
SHOWN = 20
"""Missing products that a message names."""


PRESENCE = {
    Presence.COMPLETE: "",
    Presence.UNMOVED: "made, but its files were not moved to their places yet",
    Presence.LOST: "made, but its files are gone or of another size",
}


class Verdict(StrEnum):
    """What is to be said of a subrun, a run or a night, from receipts and files alone."""

    COMPLETE = "COMPLETE"
    """All that was declared is there."""
    WITH_DECISIONS = "COMPLETE_WITH_DECISIONS"
    """All that was declared is there; a decision left something out."""
    INCOMPLETE = "INCOMPLETE"


class Close(Step):
    """Writes the marker that the night is finished, with its summary."""

    name = "close"

    @classmethod
    def call(
        cls,
        production: Production,
        declared: Mapping[str, str],
        decided: Sequence[Mapping[str, Any]],
        **common: Unpack[making.Common],
    ) -> tuple[StepCall, Mapping[str, Any]]:
        """Closing a production, and the list of what it declares, which lies among the configurations.

        Parameters
        ----------
        declared
            ``<step>.<unit>`` → step key.
        decided
            Standing decisions, as `osa_luigi.products.decisions.Decision.short` tells them.
        """
        # Without decisions a plain list, as it was before there were any: nights that were closed then stay closed.
        content = {"products": declared, "decisions": decided} if decided else declared
        call = making.make(
            cls,
            unit=making.NIGHT,
            # The marker names the production, so another production's will not do.
            settings={"production": production.id},
            inputs=[FileInput("declared", str(production.config(content)), digest(content), key=digest(content))],
            outputs=[Output("marker", Path(MARKER)), Output("summary", Path(SUMMARY))],
            **common,
        )
        return call, content

    def command(self, call: StepCall) -> Command:
        return Command(
            tool=Tool("python -m osa_luigi.steps.close", "osa_luigi.steps.close:main"),
            arguments=(f"--declared={call.path('declared')}", f"--production={production_root(call.path('declared'))}"),
        )

    def produced(self, call: StepCall) -> Mapping[str, Path]:
        return {"marker": Path(MARKER), "summary": Path(SUMMARY)}

    def verify(self, call: StepCall, files: Mapping[str, Path]) -> Mapping[str, Any]:
        checks.text(files["marker"])
        found = checks.json_object(files["summary"])
        if "products" not in found:
            raise checks.refuse(files["summary"], "does not say how many products there are")
        return {"products": found["products"], **({"verdict": found["verdict"]} if "verdict" in found else {})}


def production_root(listing: Path) -> Path:
    """The production's folder, from where its list of declared products lies (``<root>/.osa/configs/``)."""
    return listing.parents[2]


def missing_products(book: ReceiptBook, declared: Mapping[str, str]) -> list[str]:
    """What of the declared products is not there, a line each."""
    return [f"{name}: {trouble}" for name, key in declared.items() if (trouble := _trouble(book, name, key))]


def _trouble(book: ReceiptBook, name: str, key: str) -> str:
    try:
        made = book.key(name)
    except ProductError as error:
        return str(error)
    if made is None:
        return "not made"
    if made != key:
        return f"made with step key {made[:12]}, declared {key[:12]}"
    return PRESENCE[book.presence(name)]


@dataclass(slots=True)
class _Sums:
    """What is counted of receipts, one at a time: those of a large night take hundreds of MB together."""

    files: int = 0
    bytes: int = 0
    linked: int = 0
    cpu_s: float = 0.0
    steps: Counter[str] = field(default_factory=Counter)
    runs: set[str] = field(default_factory=set)
    software: Mapping[str, str] = field(default_factory=dict)

    def add(self, receipt: Receipt) -> None:
        self.files += len(receipt.outputs)
        self.bytes += sum(output.size for output in receipt.outputs)
        self.steps[receipt.step] += 1
        self.software = self.software or receipt.software
        self.runs.add(receipt.unit.partition(".")[0])
        if receipt.linked_from:
            self.linked += 1
        else:
            self.cpu_s += _cpu(receipt)


def summary(
    production: Production, receipts: Iterable[Receipt], decided: Sequence[Mapping[str, Any]] = ()
) -> dict[str, Any]:
    """What the night holds, what was decided about it, and what it cost: what was linked, another production has paid for.

    Parameters
    ----------
    decided
        Standing decisions, as `osa_luigi.products.decisions.Decision.short` tells them.
    """
    sums = _Sums()
    for receipt in receipts:
        sums.add(receipt)
    touched = {str(decision["unit"]).partition(".")[0] for decision in decided}
    return {
        "production": production.id,
        "night": production.root.parent.name,
        "closed": datetime.now(UTC).isoformat(timespec="seconds"),
        "verdict": complete(bool(decided)),
        "runs": {run: complete(run in touched) for run in sorted((sums.runs | touched) - {"night"})},
        "decisions": [dict(decision) for decision in decided],
        "products": sums.files,
        "megabytes": round(sums.bytes / 2**20, 1),
        "steps": dict(sorted(sums.steps.items())),
        "linked": sums.linked,
        "cpu_s": round(sums.cpu_s, 1),
        "software": dict(sums.software),
    }


def complete(decided: bool) -> Verdict:
    """The verdict on what is whole."""
    return Verdict.WITH_DECISIONS if decided else Verdict.COMPLETE


def read_listing(path: Path) -> tuple[dict[str, str], list[dict[str, Any]]]:
    """The declared products, and the decisions by which they are all."""
    data: dict[str, Any] = json.loads(path.read_text())
    if "decisions" in data:
        return data["products"], data["decisions"]
    return data, []


def require_decisions(production: Production, decided: Sequence[Mapping[str, Any]]) -> None:
    """A night is not closed by a plan that does not know what was decided since.

    Raises
    ------
    ProductError
        Other decisions hold than those.
    """
    now, planned = ({one["number"]: one for one in several} for several in (_standing(production), decided))
    if other := sorted(now.keys() ^ planned.keys()):
        raise ProductError(
            f"{production.root}: decided since this plan was made: {', '.join(map(str, other))} (`osa decisions` shows them). "
            "Run the night again: it goes on by what holds now."
        )


def _standing(production: Production) -> list[dict[str, Any]]:
    return [decision.short() for decision in in_order(standing(decisions(production)))]


def _cpu(receipt: Receipt) -> float:
    attempt = receipt.attempt
    return float(attempt.get("cpu_s", 0.0)) + float(attempt.get("verify_cpu_s", 0.0))


def main() -> None:
    """``python -m osa_luigi.steps.close``: judge, then write the marker and the summary in the working directory."""
    parser = argparse.ArgumentParser(description="Close a night: all declared products must be there")
    parser.add_argument("--declared", type=Path, required=True, help="JSON: <step>.<unit> → step key")
    parser.add_argument("--production", type=Path, required=True, help="the production's folder")
    asked = parser.parse_args()
    production = Production(asked.production)
    declared, decided = read_listing(asked.declared)
    require_decisions(production, decided)
    book = ReceiptBook(production)
    if missing := missing_products(book, declared):
        more = f"\n  … and {len(missing) - SHOWN} more" if len(missing) > SHOWN else ""
        raise ProductError(
            f"{production.root}: {len(missing)} of {len(declared)} declared products are not there:\n  "
            + "\n  ".join(missing[:SHOWN])
            + more
            + "\nRun the night again: it makes what is missing and nothing else."
        )
    found = summary(production, (receipt for name in declared if (receipt := book.receipt(name))), decided)
    Path(SUMMARY).write_text(json.dumps(found, indent=1) + "\n")
    Path(MARKER).write_text(_marker(found))
    sys.stdout.write(_marker(found))


def _marker(found: Mapping[str, Any]) -> str:
    steps = ", ".join(f"{count} {step}" for step, count in found["steps"].items())
    return (
        f"Night {found['night']}, production {found['production']}: finished {found['closed']}\n"
        f"{found['products']} products, {found['megabytes']} MB, {found['cpu_s']} CPU s\n"
        f"{steps}\n" + "".join(f"{_decision(decision)}\n" for decision in found["decisions"])
    )


def _decision(said: Mapping[str, Any]) -> str:
    return f"decision {said['number']}: {said['kind']} {said['unit']} ({said['by']}): {said['reason']}"


if __name__ == "__main__":
    main()
