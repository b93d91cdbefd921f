"""Takes back what a production published, where that does not stand any more: of units that were left out since, and at former places."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from osa_luigi.products.production import Production
from osa_luigi.products.published import WITHDRAWN, Journal, Publication, file_state
from osa_luigi.steps.publication_report import Report
from osa_luigi.steps.targets import Target


@dataclass
class Withdrawal:
    """Takes files back, during a publication. A file that was changed since it was published is left, and so is the last of a product.

    Parameters
    ----------
    before
        Place → what this production had put there.
    gone
        Places that were taken back.
    """

    production: Production
    before: Mapping[str, Publication]
    journal: Journal
    report: Report
    dry_run: bool = False
    gone: set[str] = field(default_factory=set)

    def left_out(self, units: Collection[str], declared: Collection[str]) -> None:
        """What was published of units that were decided to be left out since."""
        for one in list(self.before.values()) if units else ():
            unit = one.name.partition(".")[2]
            if one.name in declared or not {unit, unit.partition(".")[0]}.intersection(units):
                continue
            self._take(one, f"{unit} was left out since", is_last=not (self.production.root / one.path).exists())

    def moved(self, target: Target) -> None:
        """What was published of a product before other cleaning levels were found for its run, or other models chosen: elsewhere."""
        for one in self._places.get(str(target.made.path), ()):
            if one.place != str(target.place) and Path(one.place).match(target.elsewhere):
                self._take(one, f"it is at {target.place} now")

    @cached_property
    def _places(self) -> Mapping[str, list[Publication]]:
        """Path of a product → all places where it was put."""
        found: dict[str, list[Publication]] = {}
        for one in self.before.values():
            found.setdefault(one.path, []).append(one)
        return found

    def _take(self, one: Publication, why: str, *, is_last: bool = False) -> None:
        place = Path(one.place)
        if one.place in self.gone:
            return
        if is_last or file_state(place) not in (one.state, None):
            self.report.notes.append(f"{place}: {why}, but the file was changed, or is the only one: left")
            return
        self.gone.add(one.place)
        if not self.dry_run:
            place.unlink(missing_ok=True)
            names = (one.name, one.generation, one.role, one.path, one.place)
            self.journal.note(Publication(WITHDRAWN, *names, one.size, one.sha256, one.how, one.state))
        self.report.withdrawn += 1
