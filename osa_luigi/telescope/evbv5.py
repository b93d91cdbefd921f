"""Raw data as the event builder wrote them until its version 5: ProtoR1, both gains, nothing corrected.

Sources: the messages of protozfits (ProtoR1.proto, ProtoR1_LSTCam.proto), and what ctapipe_io_lst and
lstchain_create_run_summary read of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from astropy.time import Time
from ctapipe_io_lst.calibration import apply_timelapse_correction, get_first_capacitors_for_pixels
from ctapipe_io_lst.constants import (
    N_CAPACITORS_PIXEL,
    N_CHANNELS_MODULE,
    N_GAINS,
    N_MODULES,
    N_PIXELS,
    N_SAMPLES,
)
from numpy.typing import NDArray
from protozfits import numpy_to_any_array
from protozfits.ProtoR1_LSTCam_pb2 import LstCamConfig, LstCamEvent
from protozfits.ProtoR1_pb2 import CameraConfiguration, CameraEvent

from osa_luigi.telescope.camera import LAST_ADC, Camera
from osa_luigi.telescope.electronics import (
    EXTERNAL_DEVICES,
    TAI_SECOND,
    TRIGGERS,
    dragon_counters,
    local_clock,
    opaque,
    pixel_status,
    tib_record,
    ucts_record,
)
from osa_luigi.telescope.schedule import RunPlan
from osa_luigi.telescope.streams import Streams, open_streams

if TYPE_CHECKING:
    from osa_luigi.telescope.formats import RawEvent, SubrunWriter

UNCORRECTED: Final = 8
"""By how many times the offsets of the DRS4 cells are larger before a correction than after it."""
VERSION: Final = "50000"
"""Of the event builder; from 37201 on, the readers take today's layout of the UCTS record."""


class EvbV5Format:
    """Tables CameraConfig and Events in each of the four streams."""

    def open(self, paths: Sequence[Path], plan: RunPlan, camera: Camera) -> AbstractContextManager[SubrunWriter]:
        """Create the files of one subrun."""
        return _open(paths, plan, camera)

    def selects_gain(self, plan: RunPlan, *, shower: bool) -> bool:
        """Never: this event builder cannot."""
        return False


@contextmanager
def _open(paths: Sequence[Path], plan: RunPlan, camera: Camera) -> Iterator[EvbV5Writer]:
    with open_streams(paths, plan.events, {"CameraConfig": _camera_configuration(plan, camera)}) as streams:
        yield EvbV5Writer(plan, camera, streams)


def _camera_configuration(plan: RunPlan, camera: Camera) -> Any:
    return CameraConfiguration(
        telescope_id=1,
        cs_serial="simulated",
        configuration_id=plan.run_id,
        date=round(Time(plan.start_tai, format="unix_tai").unix),
        num_pixels=N_PIXELS,
        num_samples=N_SAMPLES,
        expected_pixels_id=numpy_to_any_array(camera.pixel_id_map),
        data_model_version="1.0",
        lstcam=LstCamConfig(
            idaq_version=VERSION,
            cdhs_version="1",
            num_modules=N_MODULES,
            expected_modules_id=numpy_to_any_array(np.arange(N_MODULES, dtype=np.uint16)),
            algorithms=0,
            pre_proc_algorithms=0,
            run_id=plan.run_id,
        ),
    )


class EvbV5Writer:
    """Writes the events of one subrun."""

    def __init__(self, plan: RunPlan, camera: Camera, streams: Streams) -> None:
        self._plan = plan
        self._camera = camera
        self._streams = streams
        # As the readers begin each subrun: no cell was read before.
        self._last_readout = np.zeros((N_GAINS, N_PIXELS, N_CAPACITORS_PIXEL), np.uint64)

    def write(self, event: RawEvent) -> None:
        """Add an event to the stream whose turn it is."""
        self._streams.write(self._message(event))

    def _message(self, event: RawEvent) -> Any:
        order = self._camera.pixel_id_map
        seconds, nanoseconds = divmod(event.elapsed, TAI_SECOND)
        return CameraEvent(
            configuration_id=self._plan.run_id,
            event_id=event.event_id,
            tel_event_id=event.event_id,
            trigger_time_s=self._plan.start_tai + seconds,
            trigger_time_qns=nanoseconds * 4,
            trigger_type=int(TRIGGERS[event.kind]),
            waveform=numpy_to_any_array(np.ascontiguousarray(self._uncorrected(event)[:, order])),
            pixel_status=numpy_to_any_array(pixel_status(event)[order]),
            ped_id=0,
            lstcam=self._camera_part(event),
        )

    def _camera_part(self, event: RawEvent) -> Any:
        return LstCamEvent(
            module_status=numpy_to_any_array(np.ones(N_MODULES, np.uint8)),
            extdevices_presence=EXTERNAL_DEVICES,
            tib_data=opaque(tib_record(event)),
            cdts_data=opaque(ucts_record(event, self._plan.start_tai)),
            counters=opaque(dragon_counters(event)),
            chips_flags=numpy_to_any_array(np.zeros(N_MODULES, np.uint16)),
            first_capacitor_id=numpy_to_any_array(event.first_cells),
            drs_tag_status=numpy_to_any_array(np.zeros(N_MODULES, np.uint8)),
            drs_tag=numpy_to_any_array(np.zeros(N_MODULES * N_CHANNELS_MODULE, np.uint16)),
            run_id=self._plan.run_id,
        )

    def _uncorrected(self, event: RawEvent) -> NDArray[np.uint16]:
        """Samples with all that later event builders take off: cell offsets and time lapse, shape (2, 1855, 40)."""
        offsets = np.stack([self._camera.cell_offsets(gain, event.first_cells) for gain in range(N_GAINS)])
        samples = event.readout.waveform + (UNCORRECTED - 1.0) * offsets - self._time_lapse_correction(event)
        stored: NDArray[np.uint16] = np.clip(np.rint(samples), 0, LAST_ADC).astype(np.uint16)
        return stored

    def _time_lapse_correction(self, event: RawEvent) -> NDArray[np.float32]:
        """What ctapipe_io_lst will add to the samples, since a cell that was read a short while ago reads too much."""
        correction = np.zeros((N_GAINS, N_PIXELS, N_SAMPLES), np.float32)
        pixels = self._camera.pixel_id_map
        apply_timelapse_correction(
            correction,
            local_clock(event.elapsed),
            get_first_capacitors_for_pixels(event.first_cells, pixels),
            self._last_readout,
            pixels,
            self._plan.run_id,
        )
        return correction
