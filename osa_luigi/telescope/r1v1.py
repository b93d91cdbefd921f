"""Raw data as the event builder writes them since its version 6: CTA's R1v1 with LST's debug part.

Sources: the messages of protozfits (R1v1.proto, R1v1_debug.proto), and what ctapipe_io_lst reads of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
from ctapipe_io_lst.constants import N_GAINS, N_MODULES, N_PIXELS, N_SAMPLES, TriggerBits
from ctapipe_io_lst.evb_preprocessing import EVBPreprocessingFlag
from numpy.typing import NDArray
from protozfits import numpy_to_any_array
from protozfits.R1v1_debug_pb2 import DebugCameraConfiguration, DebugEvent
from protozfits.R1v1_pb2 import CameraConfiguration, Event, TelescopeDataStream

from osa_luigi.telescope.camera import BASELINE, Camera
from osa_luigi.telescope.electronics import (
    EXTERNAL_DEVICES,
    TAI_SECOND,
    dragon_counters,
    local_clock,
    opaque,
    pixel_status,
    tib_record,
    ucts_record,
)
from osa_luigi.telescope.options import RunType
from osa_luigi.telescope.photoelectrons import Photoelectrons
from osa_luigi.telescope.schedule import EventKind, RunPlan
from osa_luigi.telescope.streams import Streams, open_streams

if TYPE_CHECKING:
    from osa_luigi.telescope.formats import RawEvent, SubrunWriter

CORRECTIONS: Final = (
    EVBPreprocessingFlag.BASELINE_SUBTRACTION
    | EVBPreprocessingFlag.DELTA_T_CORRECTION
    | EVBPreprocessingFlag.SPIKE_REMOVAL
)
"""What the event builder does to every event."""
TYPE_FLATFIELD, TYPE_PEDESTAL, TYPE_SUBARRAY = 0, 2, 32
"""Event types of the CTA data model, as in ctapipe's EventType."""
EVENT_TYPES: Final = {EventKind.FLATFIELD: TYPE_FLATFIELD, EventKind.PEDESTAL: TYPE_PEDESTAL}
"""Of calibration events; all others are of the subarray."""


class Samples(Protocol):
    """How the event builder stores samples."""

    @property
    def actions(self) -> EVBPreprocessingFlag:
        """What it does to every event, gain selection apart."""

    @property
    def count(self) -> int:
        """Samples of a pixel."""

    @property
    def scale(self) -> float:
        """Stored numbers are (value + offset) × scale."""

    @property
    def offset(self) -> float:
        """As there."""

    def stored(self, event: RawEvent, camera: Camera) -> NDArray[np.uint16]:
        """Numbers of an event, shape (channels, 1855, count)."""

    def time_shift(self, event: RawEvent, camera: Camera) -> NDArray[np.int16] | None:
        """Delay of each pixel's signals, 10 ps, shape (1855,); None if the event builder does not know it."""


class Counts:
    """As read out, in ADC counts; the analysis calibrates them."""

    actions = CORRECTIONS
    count = N_SAMPLES
    scale = 1.0
    offset = float(BASELINE)

    def stored(self, event: RawEvent, camera: Camera) -> NDArray[np.uint16]:
        """The samples themselves."""
        return event.readout.waveform

    def time_shift(self, event: RawEvent, camera: Camera) -> None:
        """The analysis finds it."""


COUNTS, PHOTOELECTRONS = Counts(), Photoelectrons(CORRECTIONS)


@dataclass(frozen=True)
class R1v1Format:
    """Tables DataStream, CameraConfiguration and Events in each of the four streams.

    Parameters
    ----------
    calibrated
        The event builder applies the calibration to DATA runs: they are in p.e., and every event has one gain.
    """

    calibrated: bool = False

    def open(self, paths: Sequence[Path], plan: RunPlan, camera: Camera) -> AbstractContextManager[SubrunWriter]:
        """Create the files of one subrun."""
        return _open(paths, plan, camera, self._samples(plan), self.selects_gain(plan, shower=True))

    def selects_gain(self, plan: RunPlan, *, shower: bool) -> bool:
        """Of showers unless told otherwise; of all events of calibrated data."""
        return self._calibrates(plan) or (shower and not plan.both_gains)

    def _samples(self, plan: RunPlan) -> Samples:
        return PHOTOELECTRONS if self._calibrates(plan) else COUNTS

    def _calibrates(self, plan: RunPlan) -> bool:
        return self.calibrated and plan.run_type is RunType.DATA


@contextmanager
def _open(
    paths: Sequence[Path], plan: RunPlan, camera: Camera, samples: Samples, selects: bool
) -> Iterator[R1v1Writer]:
    heads = {
        "DataStream": _data_stream(plan, samples),
        "CameraConfiguration": _camera_configuration(plan, camera, samples, selects),
    }
    with open_streams(paths, plan.events, heads) as streams:
        yield R1v1Writer(plan, camera, samples, streams)


def _data_stream(plan: RunPlan, samples: Samples) -> Any:
    return TelescopeDataStream(
        tel_id=1,
        sb_id=plan.run_id,
        obs_id=plan.run_id,
        waveform_offset=samples.offset,
        waveform_scale=samples.scale,
    )


def _camera_configuration(plan: RunPlan, camera: Camera, samples: Samples, selects: bool) -> Any:
    return CameraConfiguration(
        tel_id=1,
        local_run_id=plan.run_id,
        config_time_s=plan.start_tai,
        camera_config_id=1,
        num_modules=N_MODULES,
        num_pixels=N_PIXELS,
        num_channels=N_GAINS,
        data_model_version="1.0",
        num_samples_nominal=samples.count,
        num_samples_long=0,
        calibration_service_id=0,
        calibration_algorithm_id=0,
        pixel_id_map=numpy_to_any_array(camera.pixel_id_map),
        module_id_map=numpy_to_any_array(np.arange(N_MODULES, dtype=np.uint16)),
        debug=_debug_configuration(plan, samples, selects),
    )


def _debug_configuration(plan: RunPlan, samples: Samples, selects: bool) -> Any:
    """What the event builder does to the events of each trigger type. It selects gains in DATA runs only, if at all."""
    every = samples.actions
    selects = selects and plan.run_type is RunType.DATA
    actions = {
        TriggerBits.MONO: every | EVBPreprocessingFlag.GAIN_SELECTION if selects else every,
        TriggerBits.CALIBRATION: every,
        TriggerBits.CALIBRATION | TriggerBits.MONO: every,
        TriggerBits.PEDESTAL: every,
    }
    trigger_types = np.zeros(15, np.uint16)
    trigger_actions = np.zeros(16, np.uint16)
    trigger_actions[0] = every
    for index, (bits, action) in enumerate(actions.items()):
        trigger_types[index] = bits
        trigger_actions[index + 1] = action
    return DebugCameraConfiguration(
        cs_serial="simulated",
        evb_version="simulated",
        cdhs_version="simulated",
        tdp_type=numpy_to_any_array(trigger_types),
        # The event builder mixes these two up, and ctapipe_io_lst knows.
        tdp_action=numpy_to_any_array(np.zeros(16, np.uint16)),
        ttype_pattern=numpy_to_any_array(trigger_actions),
    )


class R1v1Writer:
    """Writes the events of one subrun."""

    def __init__(self, plan: RunPlan, camera: Camera, samples: Samples, streams: Streams) -> None:
        self._plan = plan
        self._camera = camera
        self._samples = samples
        self._streams = streams

    def write(self, event: RawEvent) -> None:
        """Add an event to the stream whose turn it is."""
        self._streams.write(self._message(event))

    def _message(self, event: RawEvent) -> Any:
        order = self._camera.pixel_id_map
        waveform = np.ascontiguousarray(self._samples.stored(event, self._camera)[:, order])
        shift = self._samples.time_shift(event, self._camera)
        seconds, nanoseconds = divmod(event.elapsed, TAI_SECOND)
        return Event(
            event_id=event.event_id,
            tel_id=1,
            local_run_id=self._plan.run_id,
            event_type=EVENT_TYPES.get(event.kind, TYPE_SUBARRAY),
            event_time_s=self._plan.start_tai + seconds,
            event_time_qns=nanoseconds * 4,
            num_channels=len(waveform),
            num_pixels=N_PIXELS,
            num_samples=self._samples.count,
            num_modules=N_MODULES,
            pixel_status=numpy_to_any_array(pixel_status(event)[order]),
            waveform=numpy_to_any_array(waveform),
            first_cell_id=numpy_to_any_array(event.first_cells),
            module_hires_local_clock_counter=numpy_to_any_array(local_clock(event.elapsed)),
            calibration_monitoring_id=0,
            debug=self._debug(event),
            **({} if shift is None else {"pixel_time_shift": numpy_to_any_array(shift[order])}),
        )

    def _debug(self, event: RawEvent) -> Any:
        every = self._samples.actions
        selected = event.readout.low_gain is not None
        return DebugEvent(
            module_status=numpy_to_any_array(np.ones(N_MODULES, np.uint8)),
            extdevices_presence=EXTERNAL_DEVICES,
            cdts_data=opaque(ucts_record(event, self._plan.start_tai)),
            tib_data=opaque(tib_record(event)),
            counters=opaque(dragon_counters(event)),
            tdp_action=int(every | EVBPreprocessingFlag.GAIN_SELECTION if selected else every),
        )
