"""What a stage was found to need, for the nights to come.

Each job that was only done with more than it first asked for leaves a line in ``learned.jsonl`` beside the nights. A stage of which
several jobs of one night needed more begins the next night with what sufficed for nearly all.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TypeVar

from osa_luigi.batch.slurm.policies import Asked

Number = TypeVar("Number", int, float)

ENOUGH = 5
"""Jobs of one night that must have needed more: fewer are cheaper to run twice than all the others to ask for more."""

REMEMBERED = 20_000
"""Lines that are read, the newest; some nights' worth."""


def note_need(file: Path, night: str, stage: str, first: Asked, needed: Asked) -> None:
    """Leave a line; one short write, so that lines of several engines do not mix."""
    file.parent.mkdir(parents=True, exist_ok=True)
    line = json.dumps({"night": night, "stage": stage, "first": asdict(first), "needed": asdict(needed)}) + "\n"
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    try:
        os.write(descriptor, line.encode())
    finally:
        os.close(descriptor)


def read_needs(file: Path) -> list[dict[str, Any]]:
    """The lines; those that are torn are passed over."""
    try:
        lines = file.read_text(errors="replace").splitlines()[-REMEMBERED:]
    except FileNotFoundError:
        return []
    found = []
    for line in lines:
        try:
            need = json.loads(line)
            need["first"], need["needed"] = Asked(**need["first"]), Asked(**need["needed"])
            found.append(need)
        except (ValueError, KeyError, TypeError):
            continue
    return found


def first_ask(needs: Iterable[Mapping[str, Any]], stage: str, configured: Asked) -> Asked:
    """What a job of a stage asks for at first, where the configuration says `configured`: with what sufficed in each night.

    What was learned under another configuration does not count: a person has answered it since.
    """
    nights: dict[str, list[Asked]] = {}
    for need in needs:
        if need["stage"] == stage and need["first"] == configured:
            nights.setdefault(need["night"], []).append(need["needed"])
    asked = configured
    for night in nights.values():
        asked = replace(
            asked,
            memory_mb=_sufficient([need.memory_mb for need in night], asked.memory_mb),
            time_limit_s=_sufficient([need.time_limit_s for need in night], asked.time_limit_s),
        )
    return asked


def _sufficient(needed: list[Number], configured: Number) -> Number:
    """The least with which fewer than `ENOUGH` jobs would have failed."""
    most = sorted(needed, reverse=True)
    return max(most[ENOUGH - 1], configured) if len(most) >= ENOUGH else configured
