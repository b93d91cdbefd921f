"""Which step stands behind a call: the real one, or a fake with the same seam."""

from __future__ import annotations

from osa_luigi.steps.call import StepCall
from osa_luigi.steps.catalogue import step
from osa_luigi.steps.fake import FakeStep
from osa_luigi.steps.step import Step


def behaviour(call: StepCall) -> Step:
    """The step that a call is for."""
    return step(call.step) if call.fake is None or call.step in ("close", "publish") else FakeStep()
