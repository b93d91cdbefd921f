"""Raw data as the event builder writes them since its version 6: CTA's R1v1 with LST's debug part.

Sources: the messages of protozfits (R1v1.proto, R1v1_debug.proto), and what ctapipe_io_lst reads of them.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from ctapipe_io_lst.anyarray_dtypes import CDTS_AFTER_37201_DTYPE, DRAGON_COUNTERS_DTYPE, TIB_DTYPE
from ctapipe_io_lst.constants import (
    CLOCK_FREQUENCY_KHZ,
    N_GAINS,
    N_MODULES,
    N_PIXELS,
    N_SAMPLES,
    PixelStatus,
    TriggerBits,
)
from ctapipe_io_lst.evb_preprocessing import EVBPreprocessingFlag
from numpy.typing import NDArray
from protozfits import FlatProtobufZOFits, numpy_to_any_array
from protozfits.R1v1_debug_pb2 import DebugCameraConfiguration, DebugEvent
from protozfits.R1v1_pb2 import CameraConfiguration, Event, TelescopeDataStream

from osa_luigi.telescope.camera import BASELINE, Camera
from osa_luigi.telescope.options import RunType
from osa_luigi.telescope.quiet import native_output_discarded
from osa_luigi.telescope.schedule import EventKind, RunPlan

if TYPE_CHECKING:
    from osa_luigi.telescope.formats import RawEvent, SubrunWriter

CORRECTIONS: Final = (
    EVBPreprocessingFlag.BASELINE_SUBTRACTION
    | EVBPreprocessingFlag.DELTA_T_CORRECTION
    | EVBPreprocessingFlag.SPIKE_REMOVAL
)
"""What the event builder did to every event."""
TYPE_FLATFIELD, TYPE_PEDESTAL, TYPE_SUBARRAY = 0, 2, 32
"""Event types of the CTA data model, as in ctapipe's EventType."""
EVENT_CODES: Final = {
    EventKind.DARK: (TYPE_SUBARRAY, TriggerBits.MONO),
    EventKind.FLATFIELD: (TYPE_FLATFIELD, TriggerBits.CALIBRATION),
    EventKind.PEDESTAL: (TYPE_PEDESTAL, TriggerBits.PEDESTAL),
    EventKind.GAMMA: (TYPE_SUBARRAY, TriggerBits.MONO),
    EventKind.PROTON: (TYPE_SUBARRAY, TriggerBits.MONO),
    EventKind.MUON: (TYPE_SUBARRAY, TriggerBits.MONO),
}
"""Event type and trigger bits."""
EXTERNAL_DEVICES: Final = 3
"""Bits of extdevices_presence: TIB and UCTS."""
UCTS_ADDRESS: Final = int(np.frombuffer(socket.inet_aton("10.0.100.123"), dtype=np.uint32)[0])
ROWS_PER_TILE: Final = 20
TAI_SECOND: Final = 1_000_000_000


class R1v1Format:
    """Tables DataStream, CameraConfiguration and Events in each of the four streams."""

    def open(self, paths: Sequence[Path], plan: RunPlan, camera: Camera) -> AbstractContextManager[SubrunWriter]:
        """Create the files of one subrun."""
        return _open(paths, plan, camera)


@contextmanager
def _open(paths: Sequence[Path], plan: RunPlan, camera: Camera) -> Iterator[SubrunWriter]:
    with ExitStack() as stack:
        with native_output_discarded():
            streams = [_stream(path, plan, camera) for path in paths]
        for stream in streams:
            stack.callback(_close, stream)
        yield R1v1Writer(plan, camera, streams)


def _stream(path: Path, plan: RunPlan, camera: Camera) -> Any:
    """A stream's file, ready for its events."""
    stream = FlatProtobufZOFits(
        n_tiles=max(5, plan.events // ROWS_PER_TILE + 2),
        rows_per_tile=ROWS_PER_TILE,
        compression_block_size_kb=64 * 1024,
        default_compression="zstd1",
    )
    stream.open(str(path))
    stream.move_to_new_table("DataStream")
    stream.write_message(_data_stream(plan))
    stream.move_to_new_table("CameraConfiguration")
    stream.write_message(_camera_configuration(plan, camera))
    stream.move_to_new_table("Events")
    return stream


def _close(stream: Any) -> None:
    with native_output_discarded():
        stream.close()


def _data_stream(plan: RunPlan) -> Any:
    return TelescopeDataStream(
        tel_id=1, sb_id=plan.run_id, obs_id=plan.run_id, waveform_offset=BASELINE, waveform_scale=1.0
    )


def _camera_configuration(plan: RunPlan, camera: Camera) -> Any:
    return CameraConfiguration(
        tel_id=1,
        local_run_id=plan.run_id,
        config_time_s=plan.start_tai,
        camera_config_id=1,
        num_modules=N_MODULES,
        num_pixels=N_PIXELS,
        num_channels=N_GAINS,
        data_model_version="1.0",
        num_samples_nominal=N_SAMPLES,
        num_samples_long=0,
        calibration_service_id=0,
        calibration_algorithm_id=0,
        pixel_id_map=numpy_to_any_array(camera.pixel_id_map),
        module_id_map=numpy_to_any_array(np.arange(N_MODULES, dtype=np.uint16)),
        debug=_debug_configuration(plan),
    )


def _debug_configuration(plan: RunPlan) -> Any:
    """What the event builder does to the events of each trigger type. It selects gains in DATA runs only, if at all."""
    selects = plan.run_type is RunType.DATA and not plan.both_gains
    showers = CORRECTIONS | EVBPreprocessingFlag.GAIN_SELECTION if selects else CORRECTIONS
    actions = {
        TriggerBits.MONO: showers,
        TriggerBits.CALIBRATION: CORRECTIONS,
        TriggerBits.CALIBRATION | TriggerBits.MONO: CORRECTIONS,
        TriggerBits.PEDESTAL: CORRECTIONS,
    }
    trigger_types = np.zeros(15, np.uint16)
    trigger_actions = np.zeros(16, np.uint16)
    trigger_actions[0] = CORRECTIONS
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
    """Writes the events of one subrun to its streams in turn."""

    def __init__(self, plan: RunPlan, camera: Camera, streams: Sequence[Any]) -> None:
        self._plan = plan
        self._camera = camera
        self._streams = streams
        self._written = 0

    def write(self, event: RawEvent) -> None:
        """Add an event to the stream whose turn it is."""
        stream = self._streams[self._written % len(self._streams)]
        stream.write_message(self._message(event))
        self._written += 1

    def _message(self, event: RawEvent) -> Any:
        event_type, _ = EVENT_CODES[event.kind]
        waveform = np.ascontiguousarray(event.readout.waveform[:, self._camera.pixel_id_map])
        seconds, nanoseconds = divmod(event.elapsed, TAI_SECOND)
        return Event(
            event_id=event.event_id,
            tel_id=1,
            local_run_id=self._plan.run_id,
            event_type=event_type,
            event_time_s=self._plan.start_tai + seconds,
            event_time_qns=nanoseconds * 4,
            num_channels=len(waveform),
            num_pixels=N_PIXELS,
            num_samples=N_SAMPLES,
            num_modules=N_MODULES,
            pixel_status=numpy_to_any_array(pixel_status(event)[self._camera.pixel_id_map]),
            waveform=numpy_to_any_array(waveform),
            first_cell_id=numpy_to_any_array(event.first_cells),
            module_hires_local_clock_counter=numpy_to_any_array(_local_clock(event.elapsed)),
            calibration_monitoring_id=0,
            debug=self._debug(event),
        )

    def _debug(self, event: RawEvent) -> Any:
        _, trigger = EVENT_CODES[event.kind]
        timestamp = self._plan.start_tai * TAI_SECOND + event.elapsed
        selected = event.readout.low_gain is not None
        action = CORRECTIONS | EVBPreprocessingFlag.GAIN_SELECTION if selected else CORRECTIONS
        return DebugEvent(
            module_status=numpy_to_any_array(np.ones(N_MODULES, np.uint8)),
            extdevices_presence=EXTERNAL_DEVICES,
            cdts_data=_opaque(ucts_record(event, timestamp, trigger)),
            tib_data=_opaque(tib_record(event, trigger)),
            counters=_opaque(_dragon_counters(event)),
            tdp_action=int(action),
        )


def _opaque(record: NDArray[Any]) -> Any:
    """A structured array as the opaque bytes that the event builder sends."""
    return numpy_to_any_array(record.view(np.uint8))


def pixel_status(event: RawEvent) -> NDArray[np.uint8]:
    """Which gains are stored, shape (1855,)."""
    low_gain = event.readout.low_gain
    if low_gain is None:
        return np.full(N_PIXELS, PixelStatus.BOTH_GAINS_STORED, np.uint8)
    kept = np.where(low_gain, PixelStatus.LOW_GAIN_STORED, PixelStatus.HIGH_GAIN_STORED)
    return kept.astype(np.uint8)


def counters(elapsed: int) -> tuple[int, int]:
    """Pulses per second and ticks of the 10 MHz clock since the last of them, from ns since the start."""
    seconds, ticks = divmod(elapsed // 100, 10_000_000)
    return seconds, ticks


def _local_clock(elapsed: int) -> NDArray[np.uint64]:
    """Counts of the modules' 133 MHz clocks, shape (265,). They start where they happen to."""
    start = 1_000_000_000 + 7 * np.arange(N_MODULES, dtype=np.uint64)
    return (start + int(elapsed * CLOCK_FREQUENCY_KHZ * 1e-6)).astype(np.uint64)


def ucts_record(event: RawEvent, timestamp: int, trigger: TriggerBits) -> NDArray[Any]:
    """What UCTS says of the event; `timestamp` in ns TAI."""
    seconds, ticks = counters(event.elapsed)
    record = np.zeros(1, CDTS_AFTER_37201_DTYPE)
    record["timestamp"] = timestamp
    record["address"] = UCTS_ADDRESS
    record["event_counter"] = event.event_id
    record["pps_counter"] = seconds
    record["clock_counter"] = ticks
    record["trigger_type"] = int(trigger)
    record["num_in_bunch"] = event.event_id % 10
    record["cdts_version"] = 1234
    return record


def tib_record(event: RawEvent, trigger: TriggerBits) -> NDArray[Any]:
    """What the trigger interface board says of the event."""
    seconds, ticks = counters(event.elapsed)
    record = np.zeros(1, TIB_DTYPE)
    record["event_counter"] = event.event_id
    record["pps_counter"] = seconds % 2**16
    record["tenMHz_counter"][0] = [ticks >> shift & 0xFF for shift in (0, 8, 16)]
    record["masked_trigger"] = int(trigger)
    return record


def _dragon_counters(event: RawEvent) -> NDArray[Any]:
    """What the modules count, shape (265,)."""
    seconds, ticks = counters(event.elapsed)
    records = np.zeros(N_MODULES, DRAGON_COUNTERS_DTYPE)
    records["pps_counter"] = seconds % 2**16
    records["tenMHz_counter"] = ticks
    records["event_counter"] = event.event_id
    records["trigger_counter"] = event.event_id
    records["local_clock_counter"] = _local_clock(event.elapsed)
    return records
