"""How a call stands to what its production holds: to be made, made, grown, or made otherwise.

Planning and attempts judge by the same rule.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any

from osa_luigi.products.identity import digest
from osa_luigi.products.production import Production
from osa_luigi.products.receipt import Receipt
from osa_luigi.steps.call import StepCall


class Standing(Enum):
    """What a receipt says of a call."""

    MISSING = "missing"
    """Nothing was made yet."""
    SAME = "same"
    """Made, with the same step key."""
    GROWN = "grown"
    """Made from fewer products than there are now (a night is processed while it is taken): to be made again."""
    CONFLICT = "conflict"
    """Made with other scientific settings, software or foreign inputs: refused under the same production id."""


def standing(call: StepCall, receipt: Receipt | None) -> Standing:
    """How a call stands to the receipt of its step and unit."""
    if receipt is None:
        return Standing.MISSING
    if receipt.key == call.key:
        return Standing.SAME
    same_settings = digest(receipt.settings) == digest(call.settings)
    # A product among the inputs that was made otherwise is refused where it was made; here it has grown.
    foreign_before = {digest([i["role"], i["identity"]]) for i in receipt.inputs if not i["key"]}
    foreign_now = {digest([i.role, i.identity]) for i in call.inputs if not i.key}
    products_before = any(i["key"] for i in receipt.inputs)
    if same_settings and products_before and foreign_before <= foreign_now:
        return Standing.GROWN
    return Standing.CONFLICT


def difference(production: Production, call: StepCall, receipt: Receipt) -> list[str]:
    """Readable lines for what a call would change of what was made."""
    lines = list(_changes("", _opened(production, receipt.settings), _opened(production, call.settings)))
    before = {item["role"]: item["identity"] for item in receipt.inputs if not item["key"]}
    now = {item.role: item.identity for item in call.inputs if not item.key}
    lines += [
        f"input {role}: {_short(before.get(role))} → {_short(now.get(role))}"
        for role in sorted({*before, *now})
        if digest(before.get(role)) != digest(now.get(role))
    ]
    return lines or ["an input that was made with other settings, or other software versions"]


def _opened(production: Production, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with each configuration's hash replaced by its content, where it was kept."""
    return {key: _content(production, value) for key, value in settings.items()}


def _content(production: Production, value: Any) -> Any:
    if not (isinstance(value, str) and len(value) == 64):
        return value
    try:
        return json.loads((production.state / "configs" / f"{value[:16]}.json").read_text())
    except (OSError, ValueError):
        return value


def _changes(prefix: str, before: Any, now: Any) -> Iterator[str]:
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        for key in sorted({*before, *now}):
            yield from _changes(f"{prefix}.{key}" if prefix else key, before.get(key), now.get(key))
    elif digest(before) != digest(now):
        yield f"{prefix}: {_short(before)} → {_short(now)}"


def _short(value: Any) -> str:
    text = "none" if value is None else json.dumps(value) if not isinstance(value, str) else value
    return text if len(text) <= 60 else text[:57] + "…"
