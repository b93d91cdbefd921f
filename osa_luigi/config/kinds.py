"""The types of procedures: the schema of each, and the command that runs it."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from osa_luigi.config.analysis import ANALYSIS
from osa_luigi.config.campaign import CAMPAIGN, CAMPAIGN_TYPE
from osa_luigi.config.procedure_schema import PROCEDURE
from osa_luigi.config.rules import Schema

RECONSTRUCTION = "reconstruction"
ANALYSIS_TYPE = "analysis"

SCHEMAS: Mapping[str, Schema] = {RECONSTRUCTION: PROCEDURE, CAMPAIGN_TYPE: CAMPAIGN, ANALYSIS_TYPE: ANALYSIS}

COMMANDS: Mapping[str, str] = {
    RECONSTRUCTION: "luigi --module osa_luigi NightTask --date DATE --procedure {name}",
    CAMPAIGN_TYPE: "osa campaign start {name}",
    ANALYSIS_TYPE: "luigi --module osa_luigi AnalysisTask --name {name} --date DATE",
}
"""What a person types to run a procedure."""

WORKFLOW_COMMAND = "luigi --module osa_luigi WorkflowTask --name {name} --date DATE"


def type_of(value: Mapping[str, Any]) -> str:
    """The type that a procedure is checked as: what it says, or what it is likely to mean."""
    said = value.get("type", RECONSTRUCTION)
    near = difflib.get_close_matches(said, SCHEMAS, n=1) if isinstance(said, str) else []
    return near[0] if near else RECONSTRUCTION


def with_article(kind: str) -> str:
    """``a campaign``, ``an analysis``."""
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"
