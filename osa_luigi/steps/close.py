"""Close a night: every declared product is there, by its receipt, or the night is not finished.

The declared products are a list that planning wrote: ``<step>.<unit>`` → step key. Closing can be repeated; when the night has
grown, it is made again.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from osa_luigi.errors import ProductError
from osa_luigi.products.production import Production
from osa_luigi.products.receipt import Presence, Receipt, ReceiptBook
from osa_luigi.steps import checks
from osa_luigi.steps.call import StepCall
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


class Close(Step):
    """Writes the marker that the night is finished, with its summary."""

    name = "close"

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
        return {"products": found["products"]}


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


def summary(production: Production, receipts: Iterable[Receipt]) -> dict[str, Any]:
    """What the night holds, and what it cost: what was linked, another production has paid for."""
    made = list(receipts)
    files = [output for receipt in made for output in receipt.outputs]
    return {
        "production": production.id,
        "night": production.root.parent.name,
        "closed": datetime.now(UTC).isoformat(timespec="seconds"),
        "products": len(files),
        "megabytes": round(sum(file.size for file in files) / 2**20, 1),
        "steps": dict(sorted(Counter(receipt.step for receipt in made).items())),
        "linked": sum(1 for receipt in made if receipt.linked_from),
        "cpu_s": round(sum(_cpu(receipt) for receipt in made if not receipt.linked_from), 1),
        "software": made[0].software if made else {},
    }


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
    declared: dict[str, str] = json.loads(asked.declared.read_text())
    book = ReceiptBook(production)
    if missing := missing_products(book, declared):
        more = f"\n  … and {len(missing) - SHOWN} more" if len(missing) > SHOWN else ""
        raise ProductError(
            f"{production.root}: {len(missing)} of {len(declared)} declared products are not there:\n  "
            + "\n  ".join(missing[:SHOWN])
            + more
            + "\nRun the night again: it makes what is missing and nothing else."
        )
    found = summary(production, (receipt for name in declared if (receipt := book.receipt(name))))
    Path(SUMMARY).write_text(json.dumps(found, indent=1) + "\n")
    Path(MARKER).write_text(_marker(found))
    sys.stdout.write(_marker(found))


def _marker(found: Mapping[str, Any]) -> str:
    steps = ", ".join(f"{count} {step}" for step, count in found["steps"].items())
    return (
        f"Night {found['night']}, production {found['production']}: finished {found['closed']}\n"
        f"{found['products']} products, {found['megabytes']} MB, {found['cpu_s']} CPU s\n"
        f"{steps}\n"
    )


if __name__ == "__main__":
    main()
