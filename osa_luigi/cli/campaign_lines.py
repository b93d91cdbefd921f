"""How ``osa campaign plan`` and ``status`` say things, for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from osa_luigi.tasks.campaign.costs import Estimate
    from osa_luigi.tasks.campaign.forecast import Forecast


def forecast_lines(found: Forecast) -> Iterable[str]:
    """What is to be made of a night's production, and why."""
    parts = [f"{verb} {counts(steps)}" for verb, steps in (("make", found.make), ("refused", found.refused)) if steps]
    for verb, steps in (("link", found.link), ("there", found.there)):
        if steps:
            parts.append(f"{verb} {sum(steps.values())}")
    sources = f" (from {', '.join(found.linked_from)})" if found.linked_from else ""
    yield f"{found.date.isoformat()}  {found.point}  {found.state}: {'; '.join(parts) or 'nothing to do'}{sources}"
    yield from (f"    {reason}" for reason in found.why)
    if found.note:
        yield f"    {found.note.splitlines()[0]}"


def print_estimate(cost: Estimate) -> None:
    """What it will cost, and by what that is known."""
    rests = f"by the receipts of earlier nights: {counts(cost.receipts)}" if cost.receipts else "no receipts yet"
    click.echo(f"Estimate: {cost.core_hours:g} core hours, {cost.gigabytes:g} GB ({rests}).")
    if cost.unknown:
        click.echo(f"Not in the estimate, for want of receipts: {counts(cost.unknown)}.")


def counts(steps: Any) -> str:
    """``3 dl2, 1 longterm``."""
    return ", ".join(f"{count} {step}" for step, count in steps.items())


def said(states: Counter[Any]) -> str:
    """``3 closed, 1 incomplete``."""
    return ", ".join(f"{count} {state}" for state, count in sorted(states.items())) or "no nights"
