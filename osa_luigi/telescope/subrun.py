"""One subrun: its raw files and its part of the truth. The unit of work that is done in parallel, and done again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from osa_luigi.telescope.camera import Camera, build_camera
from osa_luigi.telescope.damage import FilePlan, put
from osa_luigi.telescope.faults import OF_FILES, Fault
from osa_luigi.telescope.files import temporary_name
from osa_luigi.telescope.formats import RawEvent, RawFormat, raw_format
from osa_luigi.telescope.light import Signal, detect, flatfield_signal
from osa_luigi.telescope.options import N_STREAMS, RunType
from osa_luigi.telescope.schedule import EventKind, RunPlan, subrun_schedule
from osa_luigi.telescope.seeds import Purpose, random_stream
from osa_luigi.telescope.showers import Shower, first_to_trigger, gamma_shower, muon_ring, proton_shower
from osa_luigi.telescope.truth import TrueEvent, true_event, write_truth
from osa_luigi.telescope.waveforms import Digitiser, build_noise


@dataclass(frozen=True)
class SubrunJob:
    """A subrun to be written."""

    plan: RunPlan
    subrun: int
    r0: Path
    """Folder of the raw files."""
    truth: Path
    """File for this subrun's part of the truth. Written last: where it is, the subrun is complete."""
    format: str
    held: Path
    """Folder of whole files of which the night has none, or damaged ones."""
    faults: tuple[Fault, ...] = ()
    """Of its files."""

    @property
    def raw_files(self) -> tuple[Path, ...]:
        """Files of the four streams."""
        return tuple(
            self.r0 / f"LST-1.{stream}.Run{self.plan.run_id:05d}.{self.subrun:04d}.fits.fz"
            for stream in range(1, N_STREAMS + 1)
        )

    @property
    def files(self) -> tuple[FilePlan, ...]:
        """What becomes of them."""
        return tuple(self._file(stream, path) for stream, path in enumerate(self.raw_files, start=1))

    def _file(self, stream: int, path: Path) -> FilePlan:
        for fault in self.faults:
            if fault.kind in OF_FILES and fault.hits(self.plan.run_id, self.subrun, stream):
                return FilePlan(path, self.held / path.name, fault, self.plan.seed)
        return FilePlan(path)

    @property
    def complete(self) -> bool:
        """Whether nothing is left to do."""
        return self.truth.exists() and all(file.present for file in self.files)


def write_subrun(job: SubrunJob) -> None:
    """Write the raw files and the truth of one subrun."""
    job.r0.mkdir(parents=True, exist_ok=True)
    camera = build_camera(job.plan.seed)
    temporary = [temporary_name(path) for path in job.raw_files]
    for path in temporary:
        path.unlink(missing_ok=True)
    rows = []
    form = raw_format(job.format)
    with form.open(temporary, job.plan, camera) as writer:
        for event, truth in simulated_events(job.plan, job.subrun, camera, form):
            writer.write(event)
            rows.append(truth)
    for source, file in zip(temporary, job.files, strict=True):
        put(source, file)
    write_truth(job.truth, rows)


def simulated_events(
    plan: RunPlan, subrun: int, camera: Camera, form: RawFormat
) -> Iterator[tuple[RawEvent, TrueEvent]]:
    """The events of a subrun, each with what is true of it."""
    rng = random_stream(plan.seed, Purpose.SUBRUN, plan.run_id, subrun)
    digitiser = Digitiser(camera, build_noise(plan.seed))
    schedule = subrun_schedule(plan, subrun)
    for index, event_id in enumerate(schedule.event_id.tolist()):
        kind = EventKind(int(schedule.kind[index]))
        shower = _shower(rng, kind, camera, plan.source)
        signal = _signal(rng, kind, camera, shower)
        first_cells = camera.first_cells(int(schedule.first_cell[index]))
        readout = digitiser.read_out(
            rng,
            signal,
            first_cells,
            night_sky=plan.run_type is not RunType.DRS4,
            select_gain=form.selects_gain(plan, shower=shower is not None),
        )
        event = RawEvent(event_id, kind, int(schedule.elapsed[index]), first_cells, readout)
        yield event, true_event((plan.run_id, subrun, event_id), kind, shower, signal)


def _shower(rng: np.random.Generator, kind: EventKind, camera: Camera, source: tuple[float, float]) -> Shower | None:
    """A shower of that kind that triggers; none for the calibration's events."""
    if kind is EventKind.GAMMA:
        return first_to_trigger(lambda: gamma_shower(rng, camera, source))
    if kind is EventKind.PROTON:
        return first_to_trigger(lambda: proton_shower(rng, camera))
    if kind is EventKind.MUON:
        return first_to_trigger(lambda: muon_ring(rng, camera))
    return None


def _signal(rng: np.random.Generator, kind: EventKind, camera: Camera, shower: Shower | None) -> Signal | None:
    if shower is not None:
        return detect(rng, camera, shower.light)
    return flatfield_signal(rng, camera) if kind is EventKind.FLATFIELD else None
