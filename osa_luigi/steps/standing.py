"""How a call stands to what its production holds: to be made, made, grown, or made otherwise.

Planning and attempts judge by the same rule.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from itertools import zip_longest
from pathlib import Path
from typing import Any

from osa_luigi.products.identity import digest
from osa_luigi.products.production import Production
from osa_luigi.products.receipt import Presence, Receipt, current_receipt, presence
from osa_luigi.steps.call import Input, StepCall
from osa_luigi.steps.software import other_software

UNIT = re.compile(r"Run\d{5,}(\.\d{4,})?", re.ASCII)


class Standing(Enum):
    """What a receipt says of a call."""

    MISSING = "missing"
    """Nothing was made yet."""
    SAME = "same"
    """Made, with the same step key."""
    GROWN = "grown"
    """Made from other products than there are now: from fewer (a night is processed while it is taken), or from such as were
    discarded since. To be made again."""
    CONFLICT = "conflict"
    """Made with other scientific settings or software, or from other inputs: refused under the same production id."""


OBSERVED = frozenset({"raw", "run_summary", "pointing", "pedestal_ids", "run_models"})
"""Roles of foreign inputs that belong to one unit; all others (models, systematics) are chosen for a whole night."""


def made_as(production: Production, call: StepCall) -> Presence:
    """Where the products of a call lie that were made with its very key; of any other, or of none, they are lost to it.

    Raises
    ------
    OsaError, OSError
        The receipt cannot be read.
    """
    receipt = current_receipt(production, call.step, call.unit)
    if receipt is None or standing(call, receipt) is not Standing.SAME:
        return Presence.LOST
    return presence(production, receipt)


def standing(call: StepCall, receipt: Receipt | None) -> Standing:
    """How a call stands to the receipt of its step and unit."""
    if receipt is None:
        return Standing.MISSING
    if receipt.key == call.key:
        return Standing.SAME
    return Standing.GROWN if _has_grown(call, receipt) else Standing.CONFLICT


def _has_grown(call: StepCall, receipt: Receipt) -> bool:
    """Whether there are more inputs than there were, or products among them were made again, and nothing else changed.

    A product that was made otherwise is refused where it was made; here it has grown. Where inputs are gone (raw files that were moved
    off the disk, say), a product of all of them must not be replaced by one of the rest; nor one of a run by one of another run.
    Those that a decision left out may be gone.
    """
    before, now = _identities(receipt.inputs), _identities(map(_as_recorded, call.inputs))
    wanted = [item for item in receipt.inputs if not _is_left_out(item, call)]
    return (
        before.keys() == now.keys()  # an input of another kind is another way of making it
        and digest(before) != digest(now)  # else the step itself is another: its version, say
        and digest(receipt.settings) == digest(call.settings)
        and not _other_software(receipt)
        and _foreign(receipt.inputs) <= _foreign(map(_as_recorded, call.inputs))
        and _units(wanted) <= _units(map(_as_recorded, call.inputs))
        and all(len(now.get(role, ())) >= len(items) for role, items in _identities(wanted).items())
    )


def _is_left_out(item: Mapping[str, Any], call: StepCall) -> bool:
    """Whether a recorded input is a product of a run or subrun that was decided to be left out."""
    if not (call.decisions and item["key"]):
        return False
    unit = _unit(item["path"])
    return not {unit, unit.partition(".")[0]}.isdisjoint(decision["unit"] for decision in call.decisions)


def decided_since(call: StepCall, receipt: Receipt) -> list[str]:
    """Which decisions a product was not made by, or was made by and which hold no more, a line each."""
    now = {decision["number"]: decision for decision in call.decisions}
    before = {decision["number"]: decision for decision in receipt.counts.get("decisions", ())}
    new = [f"decision {number} ({now[number]['kind']} {now[number]['unit']}) since" for number in now.keys() - before]
    gone = [f"decision {number} holds no more" for number in before.keys() - now]
    return [*sorted(new), *sorted(gone)]


def is_of_one_unit(call: StepCall, receipt: Receipt) -> bool:
    """Whether a conflict concerns its unit alone: a raw file was copied again, say. Else somebody changed how the night is made."""
    before, now = receipt.inputs, [_as_recorded(item) for item in call.inputs]
    return (
        digest(_identities(before)) != digest(_identities(now))
        and _chosen(before) == _chosen(now)
        and digest(receipt.settings) == digest(call.settings)
        and not _other_software(receipt)
    )


def remedy(call: StepCall, receipt: Receipt) -> str:
    """What a person can do about a conflict."""
    if is_of_one_unit(call, receipt):
        return "Restore the input, or choose another production id."
    return "Choose another production id, or restore the settings."


def _chosen(inputs: Iterable[Mapping[str, Any]]) -> set[str]:
    """What a procedure or a site decides about inputs: which products there are, and foreign files that serve a whole night."""
    return {
        digest([item["role"], None if item["key"] else item["identity"]])
        for item in inputs
        if item["key"] or item["role"] not in OBSERVED
    }


def _units(inputs: Iterable[Mapping[str, Any]]) -> set[tuple[str, str]]:
    """Of which runs and subruns the products among the inputs are, by their names: a key says only that they changed."""
    return {(item["role"], _unit(item["path"])) for item in inputs if item["key"]}


def _unit(path: str) -> str:
    match = UNIT.search(Path(path).name)
    return match.group() if match else ""


def _as_recorded(item: Input) -> Mapping[str, Any]:
    """An input as a receipt holds it."""
    return {"role": item.role, "path": str(item.path), "identity": item.identity, "key": item.key}


def _foreign(inputs: Iterable[Mapping[str, Any]]) -> set[str]:
    return {digest([item["role"], item["identity"]]) for item in inputs if not item["key"]}


def _identities(inputs: Iterable[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Role → identities in order: several files may share a role."""
    roles: dict[str, list[Any]] = {}
    for item in inputs:
        roles.setdefault(item["role"], []).append(item["identity"])
    return roles


def _other_software(receipt: Receipt) -> list[str]:
    """Packages that made the product in another version than this one, a line each."""
    return [f"software {package}: {before} → {now}" for package, before, now in other_software(receipt.software)]


def difference(
    production: Production, call: StepCall, receipt: Receipt, planned: Mapping[Path, Mapping[str, Any]] | None = None
) -> list[str]:
    """Readable lines for what a call would change of what was made.

    Parameters
    ----------
    planned
        Configurations of the plan (`NightPlan.configs`), which may not be written yet.
    """
    known = {path.stem: content for path, content in (planned or {}).items()}
    before, after = (_opened(production, settings, known) for settings in (receipt.settings, call.settings))
    lines = list(_changes("", before, after))
    lines += _other_software(receipt)
    before, now = _identities(receipt.inputs), _identities(map(_as_recorded, call.inputs))
    made_here = {item["role"] for item in (*receipt.inputs, *map(_as_recorded, call.inputs)) if item["key"]}
    for role in sorted({*before, *now}):
        old, new = before.get(role), now.get(role)
        if digest(old) == digest(new):
            continue
        if role in made_here:
            lines += _unit_change(role, receipt, call) or _product_change(role, old, new)
        elif max(len(old or ()), len(new or ())) > 1:
            lines += _files_change(role, old or [], new or [])
        else:
            lines += _changes(f"input {role}", old, new)
    return lines or ["another version of the step, or software that the receipt does not name"]


def _product_change(role: str, old: list[Any] | None, new: list[Any] | None) -> list[str]:
    """A step key says nothing to people; how many files there are does."""
    before, now = len(old or ()), len(new or ())
    return [f"input {role}: " + ("a product that was made otherwise" if before == now else f"{before} → {now} files")]


def _unit_change(role: str, receipt: Receipt, call: StepCall) -> list[str]:
    """Which runs and subruns are no more among the products that a product is made from."""
    before, now = _units(receipt.inputs), _units(map(_as_recorded, call.inputs))
    gone, come = (sorted(unit for at, unit in units if at == role) for units in (before - now, now - before))
    if not gone:
        return []
    instead = f", with that of {', '.join(come[:2])}" if come else ""
    return [f"input {role}: without that of {', '.join(gone[:2])}{instead}"]


def _files_change(role: str, old: list[Any], new: list[Any]) -> list[str]:
    """Of many files, those that are gone and those that came."""
    before, now = {digest(item): item for item in old}, {digest(item): item for item in new}
    gone = [f"without {_short(item)}" for key, item in before.items() if key not in now]
    come = [f"with {_short(item)}" for key, item in now.items() if key not in before]
    changes = gone + come or ["in another order"]
    more = f" and {len(changes) - 2} more" if len(changes) > 2 else ""
    return [f"input {role}: {', '.join(changes[:2])}{more}"]


def _opened(production: Production, settings: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with each configuration's hash replaced by its content, where it was kept, or is known."""
    return {key: _content(production, value, known) for key, value in settings.items()}


def _content(production: Production, value: Any, known: Mapping[str, Any]) -> Any:
    if not (isinstance(value, str) and len(value) == 64):
        return value
    if value[:16] in known:
        return known[value[:16]]
    try:
        return json.loads((production.state / "configs" / f"{value[:16]}.json").read_text())
    except (OSError, ValueError):
        return value


def _changes(prefix: str, before: Any, now: Any) -> Iterator[str]:
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        for key in sorted({*before, *now}):
            yield from _changes(f"{prefix}.{key}" if prefix else key, before.get(key), now.get(key))
    elif _are_lists(before, now):
        for number, (old, new) in enumerate(zip_longest(before, now)):
            yield from _changes(f"{prefix}[{number}]" if max(len(before), len(now)) > 1 else prefix, old, new)
    elif digest(before) != digest(now):
        yield f"{prefix}: {_short(before)} → {_short(now)}"


def _are_lists(*values: Any) -> bool:
    return all(isinstance(value, list | tuple) for value in values)


def _short(value: Any) -> str:
    text = "none" if value is None else json.dumps(value) if not isinstance(value, str) else value
    return text if len(text) <= 60 else text[:57] + "…"
