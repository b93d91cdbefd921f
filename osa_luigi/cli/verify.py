"""``osa verify``: products are read again, and what is not as it was made is told."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from osa_luigi.cli import options, site
from osa_luigi.errors import ProductError
from osa_luigi.ledger.find import find_product
from osa_luigi.ledger.lineage import Books, Product, trace
from osa_luigi.products.integrity import Checked, Fault, Finding, check_file, check_papers, product_files, sharing
from osa_luigi.products.production import Production
from osa_luigi.tasks.verify import DIAGNOSED, diagnosed, origins_checked, put_aside, usual_jobs, verified

SHOWN = 5
"""Files without a receipt that are named."""


@dataclass
class Report:
    """What was read, and what is wrong."""

    files: int = 0
    steps: int = 0
    read: int = 0
    seconds: float = 0.0
    findings: list[Finding] = field(default_factory=list)
    stray: list[Path] = field(default_factory=list)
    moved: dict[Finding, Path] = field(default_factory=dict)

    def add(self, checked: Checked) -> None:
        """The products of one receipt."""
        self.files += len(checked.products)
        self.steps += 1
        self.read += checked.read
        self.findings += [diagnosed(one) if len(self.findings) < DIAGNOSED else one for one in checked.findings]


@click.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--date",
    "day",
    metavar="DATE",
    callback=site.optional_date,
    help="Observation date (the evening's), instead of files: all products of the night's production.",
)
@options.production
@options.procedure
@options.config
@click.option("--run", "run", default="", help="With --date: only of this run and its subruns, or of night.")
@click.option("--deep", is_flag=True, help="Also open what has the right bytes, and read it to its end.")
@click.option(
    "--provenance", "origins", is_flag=True, help="Also all that the products were made from, back to the raw files."
)
@click.option("--set-aside", is_flag=True, help="Move damaged products out of the way, so that they are made again.")
@click.option("--jobs", type=click.IntRange(1), help="How many files are read at once. Default: cores, 8 at most.")
@options.as_json
def verify(
    files: tuple[Path, ...],
    day: date | None,
    production: str,
    procedure: str | None,
    config_file: Path | None,
    run: str,
    deep: bool,
    origins: bool,
    set_aside: bool,
    jobs: int | None,
    as_json: bool,
) -> None:
    """Read products again and compare them with their receipts, byte by byte: a night's production, a run, or FILES.

    Nothing is changed, unless --set-aside is given: then a damaged file is moved into .osa/aside of its production, and the next
    run of the night makes it again.

    \b
    Examples:
        osa verify --date 2024-11-15
        osa verify --date 2024-11-15 --run 2003 --provenance
        osa verify running_analysis/20241115/v1/tailcut84/dl1_LST-1.Run02003.h5

    \b
    Exit codes: 0 all is as it was made, 1 something is not, 2 wrong usage,
    3 no such production, no receipt tells of a file, or the configuration is wrong.
    """
    if bool(files) == bool(day):
        raise click.UsageError("Give files, or --date for all products of a night.")
    if files and run:
        raise click.UsageError("--run goes with --date.")
    wanted, started = Wanted(config_file, production, procedure), time.monotonic()
    report = wanted.of_files(files, origins) if not day else wanted.of_night(day, run, jobs, deep, origins)
    report.seconds = time.monotonic() - started
    if set_aside:
        report.moved = put_aside(report.findings)
    if as_json:
        options.print_json(_data(report))
    else:
        _print(report, wanted)
    if report.findings:
        raise click.exceptions.Exit(1)


@dataclass
class Wanted:
    """Whose products are asked for, and how they are found."""

    config_file: Path | None
    production: str
    procedure: str | None
    books: Books = field(default_factory=Books)

    def of_night(self, day: date, run: str, jobs: int | None, deep: bool, origins: bool) -> Report:
        """All products of a night's production, or of one of its runs."""
        place = site.production_of_night(self.config_file, day, self.production, self.procedure)
        run = site.run_of(run) if run else ""
        report = Report(findings=list(check_papers(place, run)))
        # Before the receipts: what is made meanwhile is then no file without one.
        stray = set() if run else set(product_files(place))
        try:
            names = [name for name in self.books.names(place) if not run or _run(name) == run]
        except ProductError:
            if report.findings:
                return report  # whose archive has no index any more: what else there should be, nobody can tell
            raise
        asked = [(place, name) for name in names]
        summary = None if run else site.summary_of(self.config_file, day)
        asked += [summary] if summary else []
        if origins:
            asked = self._with_origins(place, names, asked, report)
        with progress(len(asked)) as advance:
            for checked in verified(asked, jobs or usual_jobs(), deep=deep):
                report.add(checked)
                stray.difference_update(checked.products)
                advance(report)
        report.stray = [place.root / path for path in sorted(stray)]
        return report

    def _with_origins(
        self, place: Production, names: Iterable[str], asked: list[tuple[Production, str]], report: Report
    ) -> list[tuple[Production, str]]:
        makings = [making for name in names if (making := self.books.making(place, name))]
        lineage = trace(makings, self.books)
        report.findings += origins_checked(lineage)
        return list(dict.fromkeys([*asked, *((one.production, one.name) for one in lineage.makings.values())]))

    def of_files(self, files: Iterable[Path], origins: bool) -> Report:
        """Single files, wherever they lie."""
        report = Report()
        nights = site.nights_of(self.config_file)
        found = {file: find_product(file, self.books, nights, whole=False) for file in files}
        for file, product in found.items():
            report.add(_checked(file, product))
        if origins:
            lineage = trace([product.making for product in found.values()], self.books)
            for checked in verified(((one.production, one.name) for one in lineage.makings.values()), usual_jobs()):
                report.add(checked)
            report.findings = list(dict.fromkeys([*report.findings, *origins_checked(lineage)]))
        return report


def _checked(file: Path, product: Product) -> Checked:
    making, at = product.making, file.absolute()
    return check_file(
        making.production, making.name, making.generation, product.made, None if at == product.path else at
    )


def _run(name: str) -> str:
    return name.split(".")[1]


@contextmanager
def progress(total: int) -> Iterator[Any]:
    """A bar on a terminal; nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda report: None
        return
    columns = (TextColumn("reading"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
    with Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True), transient=True) as bar:
        task: TaskID = bar.add_task("", total=total)

        def advance(report: Report) -> None:
            wrong = f", {len(report.findings)} wrong" if report.findings else ""
            bar.update(task, advance=1, description=f"{report.read / 2**30:.1f} GB{wrong}")

        yield advance


# ---- what is said ----------------------------------------------------------------------------------------------


def _print(report: Report, wanted: Wanted) -> None:
    for finding in report.findings:
        click.echo(f"{finding.path}: {finding.what}")
        if finding.receipt:
            click.echo(f"  receipt: {finding.receipt}")
        for line in _next(finding, report, wanted):
            click.echo(f"  {line}")
    if report.stray:
        more = f" and {len(report.stray) - SHOWN} more" if len(report.stray) > SHOWN else ""
        click.echo(
            f"no receipt names {', '.join(map(str, report.stray[:SHOWN]))}{more}: nobody knows how they were made"
        )
    click.echo(_total(report))


def _next(finding: Finding, report: Report, wanted: Wanted) -> Iterator[str]:
    """What a person does about it, as a command where there is one."""
    procedure = site.procedure_for(wanted.config_file, finding.production, wanted.procedure)
    again = site.again(finding.production, finding.name, procedure)
    for other in sharing(finding.production, finding):
        yield f"the same file lies in production {other.id}, too: verify that one as well"
    if finding in report.moved:
        yield f"moved to {report.moved[finding]}"
        yield f"next: {again}"
    elif finding.fault is Fault.ORIGIN:
        yield "next: restore it; the product itself is as it was made, unless it is told of above"
    elif finding.fault is Fault.PAPERS:
        return
    elif finding.fault is Fault.RECEIPT:
        yield "next: move the receipt and the products of the step aside, then run the night again"
    elif finding.fault is Fault.UNREADABLE:
        yield "next: look at the disk and at the rights, then verify again"
    elif finding.made is None:
        yield "next: look at the versions of the libraries that read it (osa provenance tells with which it was made)"
    elif finding.path != finding.production.root / finding.made.path:
        yield f"next: replace it by {finding.production.root / finding.made.path}, once that is verified"
    elif finding.fault is Fault.BYTES:
        yield f"next: osa verify {finding.path} --set-aside; {again}"
    else:
        yield f"next: {again}"


def _total(report: Report) -> str:
    read = (
        f"{report.files} products of {report.steps} steps, {report.read / 2**20:.1f} MB read in {report.seconds:.1f} s"
    )
    if not report.findings:
        return f"{read}: all as they were made."
    counts = {fault: sum(one.fault is fault for one in report.findings) for fault in Fault}
    return f"{read}: {', '.join(f'{count} {WORDS[fault]}' for fault, count in counts.items() if count)}."


WORDS = {
    Fault.MISSING: "missing",
    Fault.SIZE: "of another size",
    Fault.BYTES: "damaged",
    Fault.UNREADABLE: "not readable",
    Fault.RECEIPT: "without a readable receipt",
    Fault.PAPERS: "archives or settings damaged",
    Fault.ORIGIN: "origins gone or changed",
}


def _data(report: Report) -> dict[str, Any]:
    return {
        "files": report.files,
        "steps": report.steps,
        "bytes": report.read,
        "seconds": round(report.seconds, 3),
        "findings": [_finding(one, report) for one in report.findings],
        "stray": [str(path) for path in report.stray],
    }


def _finding(finding: Finding, report: Report) -> dict[str, Any]:
    moved = report.moved.get(finding)
    return {
        "fault": finding.fault.value,
        "path": str(finding.path),
        "what": finding.what,
        "step": finding.name,
        "production": finding.production.id,
        "night": finding.production.root.parent.name,
        "receipt": finding.receipt or None,
        "moved": str(moved) if moved else None,
    }
