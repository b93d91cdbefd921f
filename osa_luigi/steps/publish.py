"""Publish a closed night: the last step, where the configuration asks for it."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from osa_luigi.products.production import Production
from osa_luigi.steps import checks
from osa_luigi.steps.call import StepCall
from osa_luigi.steps.close import production_root, read_listing
from osa_luigi.steps.publication_report import Report
from osa_luigi.steps.publishing import publish, require_published
from osa_luigi.steps.step import Command, Step, Tool
from osa_luigi.steps.targets import Layout

SUMMARY = "Published.json"


class Publish(Step):
    """Puts the products of the closed night to their places in the site's tree, and says how many."""

    name = "publish"

    def command(self, call: StepCall) -> Command:
        return Command(
            tool=Tool("python -m osa_luigi.steps.publish", "osa_luigi.steps.publish:main"),
            arguments=(
                f"--declared={call.path('declared')}",
                f"--publication={call.path('publication')}",
                f"--production={production_root(call.path('declared'))}",
            ),
        )

    def produced(self, call: StepCall) -> Mapping[str, Path]:
        return {"summary": Path(SUMMARY)}

    def verify(self, call: StepCall, files: Mapping[str, Path]) -> Mapping[str, Any]:
        found = checks.json_object(files["summary"])
        if "published" not in found:
            raise checks.refuse(files["summary"], "does not say how many files were published")
        return {"published": found["published"]}


def said(report: Report) -> str:
    """What a publication did, in a line or some."""
    ways = ", ".join(f"{count} by {how}" for how, count in sorted(report.how.items()))
    line = (
        f"{report.published} files published: {report.placed} new, {report.replaced} replaced{f' ({ways})' if ways else ''}, "
        f"{report.there} were there; {report.withdrawn} withdrawn; {report.links} links; {report.bytes / 2**20:.1f} MB"
    )
    return "\n".join([line, *report.notes]) + "\n"


def main() -> None:
    """``python -m osa_luigi.steps.publish``: publish, then write the summary in the working directory."""
    parser = argparse.ArgumentParser(description="Publish a closed night in the site's tree")
    parser.add_argument("--declared", type=Path, required=True, help="JSON: <step>.<unit> → step key")
    parser.add_argument("--publication", type=Path, required=True, help="JSON: root, templates, links, pro")
    parser.add_argument("--production", type=Path, required=True, help="the production's folder")
    asked = parser.parse_args()
    declared, decided = read_listing(asked.declared)
    layout = Layout.of(Production(asked.production), json.loads(asked.publication.read_bytes()))
    report = publish(layout, declared, decided)
    sys.stdout.write(said(report))
    require_published(layout, report)
    Path(SUMMARY).write_text(json.dumps({"root": str(layout.root), **report.as_json()}, indent=1) + "\n")


if __name__ == "__main__":
    main()
