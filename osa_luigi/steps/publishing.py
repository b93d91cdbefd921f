"""Publish a production: each product to its place in the site's tree, and the marker that the night is finished last of all.

It can be repeated, by anybody, at once: what is there with the same content stays, what this production put there before is replaced, and
anything else is refused. A publication that was killed is finished by the next one.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from pathlib import Path
from typing import Any

from osa_luigi.errors import ProductError
from osa_luigi.products.digest import sha256
from osa_luigi.products.placing import put, sweep
from osa_luigi.products.production import Production, sync_folder
from osa_luigi.products.published import (
    PLACED,
    Journal,
    Publication,
    State,
    file_state,
    place_of,
    publications,
)
from osa_luigi.products.receipt import Receipt, ReceiptBook, earlier_receipts
from osa_luigi.steps.making import NIGHT
from osa_luigi.steps.publication_report import Report
from osa_luigi.steps.sharing import Links
from osa_luigi.steps.targets import KINDS, Layout, Target
from osa_luigi.steps.withdrawing import Withdrawal

MARKER = f"close.{NIGHT}"
SHOWN = 20
"""Refused files that a message names."""

TRIES = 5
"""Looks at a place at which others work at the same time."""


class _Stands(Enum):
    """How a place stands to what goes there."""

    FREE = "free"
    THERE = "there"
    OURS = "ours"
    """Another generation of the same product, or what this production had put there."""
    FOREIGN = "foreign"


def publish(
    layout: Layout,
    declared: Iterable[str],
    decided: Iterable[Mapping[str, Any]] = (),
    *,
    dry_run: bool = False,
    pro: bool = False,
) -> Report:
    """Publish what a closed night declares.

    Parameters
    ----------
    declared
        ``<step>.<unit>`` of all that is published.
    decided
        Standing decisions: of units that they leave out, what was published before is withdrawn.
    dry_run
        Only look.
    pro
        Take over links that lead to other productions.

    Raises
    ------
    ProductError
        The disk is full or away, or a product is damaged. What was published stays.
    """
    with Journal(layout.production) as journal:
        publisher = _Publisher(layout, journal, dry_run, Links(layout.root, take=pro, dry_run=dry_run))
        try:
            publisher.publish(declared, decided)
        except OSError as error:
            raise ProductError(_system_said(layout, publisher.report, error)) from error
    return publisher.report


@dataclass
class _Publisher:
    """One publication under way."""

    layout: Layout
    journal: Journal
    dry_run: bool
    links: Links
    report: Report = field(default_factory=Report)
    folders: set[Path] = field(default_factory=set)
    cleanings: dict[str, Receipt | None] = field(default_factory=dict)

    @property
    def production(self) -> Production:
        return self.layout.production

    @cached_property
    def book(self) -> ReceiptBook:
        return ReceiptBook(self.production)

    @cached_property
    def before(self) -> Mapping[str, Publication]:
        """Place → what this production had put there."""
        return publications(self.production)

    @cached_property
    def withdrawal(self) -> Withdrawal:
        return Withdrawal(self.production, self.before, self.journal, self.report, self.dry_run)

    def publish(self, declared: Iterable[str], decided: Iterable[Mapping[str, Any]]) -> None:
        names = dict.fromkeys(name for name in declared if name != MARKER and name.partition(".")[0] in KINDS)
        for name in names:
            self._step(name)
        self.withdrawal.left_out({str(one["unit"]) for one in decided}, names)
        for folder in self.layout.pro_folders():
            if folder.is_dir() or any(placed.is_relative_to(folder) for placed in self.folders):
                self.links.lead(folder.with_name("pro"), folder)
        if not self.report.refused:
            self._step(MARKER)
        self.report.links = self.links.made
        self.report.notes += self.links.notes
        for folder in () if self.dry_run else self.folders:
            sync_folder(folder)

    def _step(self, name: str) -> None:
        receipt = self.book.receipt(name)
        if receipt is None:
            self.report.refused.append(f"{name}: not made")
            return
        for target in self.layout.targets(receipt, self._cleaning(receipt.unit.partition(".")[0])):
            for _ in range(TRIES):
                try:
                    self._one(target)
                    break
                except FileExistsError:
                    continue  # others publish at the same time: look again
            else:
                self.report.refused.append(f"{target.place}: others work on it")

    def _cleaning(self, run: str) -> Receipt | None:
        """What found the cleaning levels of a run, read once for all its products."""
        if run not in self.cleanings:
            self.cleanings[run] = self.book.receipt(f"tailcuts.{run}")
        return self.cleanings[run]

    def _one(self, target: Target) -> None:
        state = file_state(target.place)
        stands = self._stands(target, state)
        if stands is _Stands.FOREIGN:
            self.report.refused.append(
                f"{target.place}: is another file than {target.receipt.name} made, and production {self.production.id} did not put it there"
            )
            return
        if stands is _Stands.THERE:
            self._note_there(target, state)
        elif not self._place(target, state):
            return
        self.withdrawal.moved(target)
        if target.link:
            self.links.lead(target.link, target.place, self.withdrawal.gone)

    def _place(self, target: Target, state: State | None) -> bool:
        made = target.made
        source = self.production.root / made.path
        if not source.exists():
            source = place_of(self.production, made) or source
        if (there := file_state(source)) is None or there[1] != made.size:
            self.report.refused.append(f"{source}: is not there, or of another size; run the night again")
            return False
        self._make_folder(target.place.parent)
        if not self.dry_run:
            how = put(source, target.place, made.sha256, instead_of=state)
            self.report.how[how] = self.report.how.get(how, 0) + 1
            self._note(target, how)
        self.report.bytes += made.size
        if state is None:
            self.report.placed += 1
        else:
            self.report.replaced += 1
        return True

    def _make_folder(self, folder: Path) -> None:
        if folder not in self.folders:
            self.folders.add(folder)
            if not self.dry_run:
                folder.mkdir(parents=True, exist_ok=True)
                sweep(folder)

    def _stands(self, target: Target, state: State | None) -> _Stands:
        place, made = target.place, target.made
        if place.is_symlink() or (state is not None and not place.is_file()):
            return _Stands.FOREIGN
        if state is None:
            return _Stands.FREE
        own = file_state(self.production.root / made.path)
        if own == state and place.samefile(self.production.root / made.path):
            return _Stands.THERE
        known = self.before.get(str(place))
        if known and known.state == state:
            return _Stands.THERE if known.sha256 == made.sha256 else _Stands.OURS
        return self._by_content(target, known)

    def _by_content(self, target: Target, known: Publication | None) -> _Stands:
        """The file is read: it was put there by a publication that was killed before it could say so, or is not ours."""
        found, made, receipt = sha256(target.place), target.made, target.receipt
        if found == made.sha256:
            return _Stands.THERE
        if known and known.sha256 == found:
            return _Stands.OURS
        earlier = earlier_receipts(self.production, receipt.step, receipt.unit, receipt.generation)
        ours = any(old.path == made.path and old.sha256 == found for one in earlier for old in one.outputs)
        return _Stands.OURS if ours else _Stands.FOREIGN

    def _note_there(self, target: Target, state: State | None) -> None:
        known = self.before.get(str(target.place))
        self.report.there += 1
        if not self.dry_run and (known is None or (known.sha256, known.state) != (target.made.sha256, state)):
            self._note(target, "there")

    def _note(self, target: Target, how: str) -> None:
        made, receipt = target.made, target.receipt
        state = file_state(target.place) or ()
        names = (receipt.name, receipt.generation, made.role, str(made.path), str(target.place))
        self.journal.note(Publication(PLACED, *names, made.size, made.sha256, how, state))


def require_published(layout: Layout, report: Report) -> None:
    """Nothing was refused.

    Raises
    ------
    ProductError
        Something was: what, and what to do.
    """
    if not report.refused:
        return
    more = f"\n  … and {len(report.refused) - SHOWN} more" if len(report.refused) > SHOWN else ""
    raise ProductError(
        f"{layout.root}: {len(report.refused)} files were not published, {report.published} were:\n  "
        + "\n  ".join(report.refused[:SHOWN])
        + more
        + "\nNothing that was there has been changed. Move such files aside, or give this production an id of its own, then: "
        + again(layout.production)
    )


def again(production: Production) -> str:
    """The command that publishes a production."""
    return f"osa publish --date {production.root.parent.name} --production {production.id}"


def _system_said(layout: Layout, report: Report, error: OSError) -> str:
    where = error.filename2 or error.filename or layout.root
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    do = f"Make room on the disk that holds {layout.root}" if full else "Put this right (rights, mount, disk)"
    return (
        f"{where}: {os.strerror(error.errno) if error.errno else error}. {report.published} files are published, and stay; "
        f"the others are not. {do}, then: {again(layout.production)}"
    )
