"""The plan of an analysis, from nights that are closed: a call for each run, or one for a night, or for many nights."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

from osa_luigi.analysis.data import Data, File
from osa_luigi.analysis.data import Run as DataRun
from osa_luigi.analysis.describe import Described
from osa_luigi.analysis.kinds import KINDS
from osa_luigi.analysis.loading import ClassSpec
from osa_luigi.config import Analysis as Settings
from osa_luigi.config import MainConfig, thaw
from osa_luigi.errors import NightError
from osa_luigi.night import RUN_CATALOG, Source, compact, parse_unit, read_run_catalog
from osa_luigi.products.identity import digest
from osa_luigi.products.names import run_label
from osa_luigi.products.production import Production
from osa_luigi.products.receipt import ReceiptBook
from osa_luigi.steps.analysis import CAMPAIGN, TABLES, Analysis
from osa_luigi.steps.call import FileInput, Input, Needs, StepCall
from osa_luigi.steps.close import Close
from osa_luigi.steps.closed import ClosedNight
from osa_luigi.steps.making import NIGHT, Common
from osa_luigi.steps.merge_analysis import MergeAnalysis
from osa_luigi.steps.references import Product
from osa_luigi.steps.software import scientific_software

CAMPAIGNS = "campaigns"
"""Folder of what belongs to no single night, beside the nights'."""


@dataclass(frozen=True)
class AnalysisPlan:
    """All that an analysis consists of.

    Parameters
    ----------
    parts
        Unit → its call.
    ending
        What is done once, when all parts are there: merging, and closing.
    configs
        What the calls read besides products: where it will lie → content.
    """

    production: Production
    parts: Mapping[str, StepCall]
    ending: tuple[StepCall, ...]
    configs: Mapping[Path, Mapping[str, Any]] = field(default_factory=dict)

    @cached_property
    def calls(self) -> tuple[StepCall, ...]:
        """All, in the order in which they could run."""
        return (*self.parts.values(), *self.ending)

    def write_configs(self) -> None:
        """Put the requests where the calls name them."""
        for content in self.configs.values():
            self.production.write_config(content)


def class_spec(settings: Settings) -> ClassSpec:
    """Where the class of an analysis is."""
    return ClassSpec(settings.class_name, settings.class_path, settings.helpers)


def analysis_production(main: MainConfig, settings: Settings, day: date | None) -> Production:
    """``<running_analysis>/<YYYYMMDD>/<production id>``, or ``<running_analysis>/campaigns/<production id>``."""
    folder = CAMPAIGNS if settings.scope == "campaign" or day is None else compact(day)
    return Production(main.site.paths.running_analysis / folder / settings.production_id)


def plan_analysis(
    main: MainConfig, settings: Settings, nights: Sequence[ClosedNight], described: Described
) -> AnalysisPlan:
    """The plan.

    Parameters
    ----------
    nights
        What it reads, one for each night and procedure.
    described
        The class as it is now.

    Raises
    ------
    NightError
        A kind of product that it reads is not there.
    """
    return _Planner(main, settings, nights, described).plan()


class _Planner:
    def __init__(
        self, main: MainConfig, settings: Settings, nights: Sequence[ClosedNight], described: Described
    ) -> None:
        self._main = main
        self._settings = settings
        self._nights = sorted(nights, key=lambda night: (night.day or date.max, night.procedure))
        self._described = described
        self._production = analysis_production(main, settings, nights[0].day)
        self._configs: dict[Path, Mapping[str, Any]] = {}

    def plan(self) -> AnalysisPlan:
        whole = self._data()
        parts = {unit: self._part(unit, data) for unit, data in self._units(whole)}
        merged = self._merge(list(parts.values())) if self._settings.merge else ()
        declared = {call.name: call.key for call in (*parts.values(), *merged)}
        close, content = Close.call(self._production, declared, [], **self._common())
        self._configs[close.path("declared")] = content
        return AnalysisPlan(self._production, parts, (*merged, close), self._configs)

    def _units(self, whole: Data) -> Iterator[tuple[str, Data]]:
        if self._settings.scope == "run":
            yield from ((run_label(run.number), data) for run, data in whole.by_run())
        else:
            yield (NIGHT if self._settings.scope == "night" else CAMPAIGN), whole

    def _part(self, unit: str, data: Data) -> StepCall:
        settings, described = self._settings, self._described
        content = {
            "analysis": settings.name,
            "spec": class_spec(settings).as_json(),
            "sources": dict(described.sources),
            "parameters": thaw(settings.parameters),
            "outputs": dict(described.outputs),
            "data": data.as_json(),
        }
        place = self._production.config(content)
        self._configs[place] = content
        # Keyed as a product: what is asked for grows with the night, and where the files lie is no matter.
        identity = _meaning(data)
        request = FileInput("request", str(place), identity, key=identity)
        return Analysis.call(
            unit=unit,
            settings={
                "class": settings.class_name,
                "sources": dict(described.sources),
                "parameters": thaw(settings.parameters),
                "chunk_rows": settings.chunk_rows,
            },
            request=request,
            inputs=[_input(file) for file in data.files],
            outputs=described.outputs,
            folder=Path(unit) if settings.scope == "run" else Path(),
            **self._common(tuple(self._decisions(unit))),
        )

    def _merge(self, parts: Sequence[StepCall]) -> tuple[StepCall, ...]:
        file = self._described.outputs.get("summary", "")
        if not file.endswith(TABLES):
            raise NightError(
                f"{self._settings.file}: {self._settings.name}: merge asks for a summary in HDF5 (.h5), and the class declares "
                f"{file or 'none'}: change what output() returns, or set merge to false"
            )
        summaries = [Product(call, "summary", str(self._production.root)) for call in parts]
        return (MergeAnalysis.call(summaries=summaries, file=file, **self._common()),) if summaries else ()

    def _common(self, decisions: tuple[Mapping[str, Any], ...] = ()) -> Common:
        asked = self._settings.resources
        needs = Needs(asked.memory_mb, asked.cores, asked.time_limit_s)
        return {"software": scientific_software(), "needs": needs, "decisions": decisions}

    def _decisions(self, unit: str) -> Iterator[Mapping[str, Any]]:
        for night in self._nights:
            for decision in night.decisions:
                if not unit.startswith("Run") or str(decision["unit"]).startswith(unit):
                    yield decision

    def _data(self) -> Data:
        files = tuple(file for night in self._nights for file in self._files(night))
        for kind in self._settings.reads:
            if not any(file.kind == kind for file in files):
                where = ", ".join(str(night.production.root) for night in self._nights[:3])
                raise NightError(
                    f"{self._settings.name} reads {kind} ({KINDS[kind].what}), of which there is nothing in {where}: see that the "
                    f"reconstruction makes it, or take it out of `reads` ({self._settings.file})"
                )
        return Data(files, tuple(self._runs(files)), self._settings.chunk_rows)

    def _files(self, night: ClosedNight) -> Iterator[File]:
        book = ReceiptBook(night.production)  # of one night at a time: a campaign has many
        for name in self._settings.reads:
            kind = KINDS[name]
            for label, key, made in night.products(book, kind.step, kind.role):
                unit = parse_unit(label) if kind.per != "night" and label.startswith("Run") else None
                yield File(
                    kind=name,
                    path=night.production.root / made.path,
                    date=night.day,
                    production=night.production.id,
                    procedure=night.procedure,
                    key=key,
                    run=unit.run if unit else None,
                    subrun=unit.subrun if unit else None,
                )

    def _runs(self, files: Iterable[File]) -> Iterator[DataRun]:
        known = sorted({(file.date, file.run) for file in files if file.date and file.run is not None})
        catalogs = {day: self._catalog(day) for day in {day for day, _ in known}}
        for day, run in known:
            source = catalogs[day].get(run)
            yield DataRun(run, day, source.name, source.ra, source.dec) if source else DataRun(run, day)

    def _catalog(self, day: date) -> Mapping[int, Source]:
        return read_run_catalog(self._main.site.paths.run_catalog / RUN_CATALOG.format(day))


def _input(file: File) -> Input:
    return FileInput(file.kind, str(file.path), {"key": file.key, "role": KINDS[file.kind].role}, file.key)


def _meaning(data: Data) -> str:
    """Digest of what the class is told besides the products themselves: of which night, run and procedure each is."""
    files = [[file.kind, file.procedure, file.date, file.run, file.subrun] for file in data.files]
    return digest({"files": files, "runs": [asdict(run) for run in data.runs]})
