"""What the camera's electronics say of an event beside its samples: the same in every raw format.

Sources: the dtypes of ctapipe_io_lst.anyarray_dtypes, which are those of the event builder's interface document.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from ctapipe_io_lst.anyarray_dtypes import CDTS_AFTER_37201_DTYPE, DRAGON_COUNTERS_DTYPE, TIB_DTYPE
from ctapipe_io_lst.constants import CLOCK_FREQUENCY_KHZ, N_MODULES, N_PIXELS, PixelStatus, TriggerBits
from numpy.typing import NDArray
from protozfits import numpy_to_any_array

from osa_luigi.telescope.schedule import EventKind

if TYPE_CHECKING:
    from osa_luigi.telescope.formats import RawEvent

TRIGGERS: Final = {
    EventKind.DARK: TriggerBits.MONO,
    EventKind.FLATFIELD: TriggerBits.CALIBRATION,
    EventKind.PEDESTAL: TriggerBits.PEDESTAL,
    EventKind.GAMMA: TriggerBits.MONO,
    EventKind.PROTON: TriggerBits.MONO,
    EventKind.MUON: TriggerBits.MONO,
}
EXTERNAL_DEVICES: Final = 3
"""Bits of extdevices_presence: TIB and UCTS."""
UCTS_ADDRESS: Final = int(np.frombuffer(socket.inet_aton("10.0.100.123"), dtype=np.uint32)[0])
TAI_SECOND: Final = 1_000_000_000
"""ns."""


def opaque(record: NDArray[Any]) -> Any:
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


def local_clock(elapsed: int) -> NDArray[np.uint64]:
    """Counts of the modules' 133 MHz clocks, shape (265,). They start where they happen to."""
    start = 1_000_000_000 + 7 * np.arange(N_MODULES, dtype=np.uint64)
    return (start + int(elapsed * CLOCK_FREQUENCY_KHZ * 1e-6)).astype(np.uint64)


def ucts_record(event: RawEvent, start_tai: int) -> NDArray[Any]:
    """What UCTS says of an event of a run that started at `start_tai` (s)."""
    seconds, ticks = counters(event.elapsed)
    record = np.zeros(1, CDTS_AFTER_37201_DTYPE)
    record["timestamp"] = start_tai * TAI_SECOND + event.elapsed
    record["address"] = UCTS_ADDRESS
    record["event_counter"] = event.event_id
    record["pps_counter"] = seconds
    record["clock_counter"] = ticks
    record["trigger_type"] = int(TRIGGERS[event.kind])
    record["num_in_bunch"] = event.event_id % 10
    record["cdts_version"] = 1234
    return record


def tib_record(event: RawEvent) -> NDArray[Any]:
    """What the trigger interface board says of the event."""
    seconds, ticks = counters(event.elapsed)
    record = np.zeros(1, TIB_DTYPE)
    record["event_counter"] = event.event_id
    record["pps_counter"] = seconds % 2**16
    record["tenMHz_counter"][0] = [ticks >> shift & 0xFF for shift in (0, 8, 16)]
    record["masked_trigger"] = int(TRIGGERS[event.kind])
    return record


def dragon_counters(event: RawEvent) -> NDArray[Any]:
    """What the modules count, shape (265,)."""
    seconds, ticks = counters(event.elapsed)
    records = np.zeros(N_MODULES, DRAGON_COUNTERS_DTYPE)
    records["pps_counter"] = seconds % 2**16
    records["tenMHz_counter"] = ticks
    records["event_counter"] = event.event_id
    records["trigger_counter"] = event.event_id
    records["local_clock_counter"] = local_clock(event.elapsed)
    return records
