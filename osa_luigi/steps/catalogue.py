"""All steps, by name."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from types import MappingProxyType

from osa_luigi.errors import ConfigurationError
from osa_luigi.steps.analysis import Analysis
from osa_luigi.steps.cat_b import CatB
from osa_luigi.steps.charge_calibration import ChargeCalibration
from osa_luigi.steps.close import Close
from osa_luigi.steps.datacheck import Datacheck
from osa_luigi.steps.dl1ab import DL1ab
from osa_luigi.steps.dl2 import DL2
from osa_luigi.steps.drs4_baseline import Drs4Baseline
from osa_luigi.steps.gain_selection import GainSelection
from osa_luigi.steps.longterm import Longterm
from osa_luigi.steps.merge_analysis import MergeAnalysis
from osa_luigi.steps.merge_dl1 import MergeDL1
from osa_luigi.steps.merge_muons import MergeMuons
from osa_luigi.steps.publish import Publish
from osa_luigi.steps.r0_to_dl1 import R0ToDL1
from osa_luigi.steps.run_datacheck import RunDatacheck
from osa_luigi.steps.run_plots import RunPlots
from osa_luigi.steps.run_summary import RunSummary
from osa_luigi.steps.step import Step
from osa_luigi.steps.tailcuts import Tailcuts
from osa_luigi.steps.time_calibration import TimeCalibration
from osa_luigi.steps.transparency import Transparency

# In the order of the chain.
STEPS: Mapping[str, Step] = MappingProxyType(
    {
        step.name: step
        for step in (
            RunSummary(),
            GainSelection(),
            Drs4Baseline(),
            TimeCalibration(),
            ChargeCalibration(),
            R0ToDL1(),
            CatB(),
            Tailcuts(),
            DL1ab(),
            Datacheck(),
            RunDatacheck(),
            RunPlots(),
            MergeDL1(),
            MergeMuons(),
            DL2(),
            Longterm(),
            Transparency(),
            Close(),
            Publish(),
        )
    }
)


USERS: Mapping[str, Step] = MappingProxyType({step.name: step for step in (Analysis(), MergeAnalysis())})
"""Steps of users' analyses: they are no part of a night, and are run by an analysis's own task."""


def step(name: str) -> Step:
    """The step of a name.

    Raises
    ------
    ConfigurationError
        There is none; the message lists those that there are.
    """
    if name in USERS:
        return USERS[name]
    if name not in STEPS:
        near = get_close_matches(name, STEPS, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise ConfigurationError([f"{name!r} is not a step: {hint}the steps are {', '.join(STEPS)}"])
    return STEPS[name]
