"""What the tests of verification share: events on paper, and whether a step takes a product or refuses it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from paper_steps import Paper, dl1_columns, write_fits

from osa_luigi.errors import VerificationError
from osa_luigi.steps import dl1
from osa_luigi.steps.call import StepCall
from osa_luigi.steps.catalogue import STEPS

EVENTS = np.arange(1, 21)
TYPES = np.where(EVENTS % 5 == 0, 0, np.where(EVENTS % 7 == 0, 2, 32))
INTERLEAVED = int(np.count_nonzero(TYPES != 32))
Tables = dict[str, dict[str, Any]]


def verify(call: StepCall, **files: Path) -> Mapping[str, Any]:
    return STEPS[call.step].verify(call, files)


def refused(call: StepCall, said: str, **files: Path) -> None:
    """Refused with these words, the file's name first and the next action last."""
    with pytest.raises(VerificationError, match=said) as caught:
        verify(call, **files)
    message = str(caught.value)
    assert any(message.startswith(str(path)) for path in files.values())
    assert message.count(": ") >= 2


DRIVE_LOG = "".join(f"{second} 90.0 30.0\n" for second in range(-2, 5))
"""Around the times of the events on paper, 0.1 to 1 s."""


def write_raw(paper: Paper, name: str, events: int, streams: tuple[int, ...] = (1, 2, 3, 4)) -> StepCall:
    """A call whose raw files declare so many events, in four streams."""
    call = paper.call(name)
    for log in call.paths("pointing"):
        log.write_text(DRIVE_LOG)
    for path in call.paths("raw"):
        stream = int(path.name.split(".")[1])
        if stream in streams:
            share = events // 4 + (stream <= events % 4)
            write_fits(path, share, name="Events")
    return call


def dl1_tables(ids: Any = EVENTS, types: Any = TYPES, images: bool = True) -> Tables:
    tables: Tables = {dl1.PARAMETERS: dl1_columns(ids, types)}
    if images:
        tables[dl1.IMAGES] = {"event_id": np.asarray(ids), "image": np.zeros((len(ids), 9), "f4")}
    return tables | {node: {"n_events": [1, 2]} for node in dl1.MONITORING}
