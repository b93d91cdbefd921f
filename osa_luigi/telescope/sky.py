"""Where the telescope points: the source of the night, its place in the camera, and the logs of the drive."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
from astropy.coordinates import AltAz, SkyCoord
from astropy.time import Time
from ctapipe.coordinates import CameraFrame
from ctapipe_io_lst.constants import LST1_LOCATION_CTAO

from osa_luigi.telescope.camera import EFFECTIVE_FOCAL_LENGTH
from osa_luigi.telescope.files import written_whole

WOBBLE_OFFSET = 0.4
"""Degrees between the source and the centre of the camera."""
COMFORTABLE_ALTITUDE = 40.0
"""Degrees; the first source of the list at least this high is observed."""


@dataclass(frozen=True)
class Source:
    """An object worth observing."""

    name: str
    ra: float
    """Degrees, ICRS."""
    dec: float

    @property
    def position(self) -> SkyCoord:
        """On the sky."""
        return SkyCoord(self.ra, self.dec, unit="deg")

    @property
    def pointing(self) -> SkyCoord:
        """Where the telescope points for this source: one wobble to the north."""
        return self.position.directional_offset_by(0 * u.deg, WOBBLE_OFFSET * u.deg)


SOURCES = (
    Source("Crab", 83.63308, 22.01450),
    Source("Mrk421", 166.11381, 38.20883),
    Source("Mrk501", 253.46757, 39.76017),
    Source("BLLac", 330.68038, 42.27777),
)
"""Between them, one stands high at 01:00 UTC on La Palma in every month."""
DECLINATION_LINES = {
    "dec_931": 9.31,
    "dec_2276": 22.76,
    "dec_3476": 34.76,
    "dec_4822": 48.22,
    "dec_6166": 61.66,
}
"""The declinations for which LST trains models, and the names of their folders."""


def horizontal(position: SkyCoord, time: Time) -> SkyCoord:
    """A position as seen from LST-1, in altitude and azimuth."""
    return position.transform_to(AltAz(obstime=time, location=LST1_LOCATION_CTAO))


def source_at(time: Time) -> Source:
    """The source to observe: the first that is comfortably high, else the highest."""
    altitudes = [float(horizontal(source.position, time).alt.deg) for source in SOURCES]
    for source, altitude in zip(SOURCES, altitudes, strict=True):
        if altitude >= COMFORTABLE_ALTITUDE:
            return source
    return SOURCES[int(np.argmax(altitudes))]


def position_in_camera(source: Source, time: Time) -> tuple[float, float]:
    """The source in the camera frame, m."""
    frame = CameraFrame(focal_length=EFFECTIVE_FOCAL_LENGTH * u.m, telescope_pointing=horizontal(source.pointing, time))
    place = horizontal(source.position, time).transform_to(frame)
    return float(place.x.to_value(u.m)), float(place.y.to_value(u.m))


def pointing_at(source: Source, time: Time) -> tuple[float, float]:
    """Altitude and azimuth of the telescope's axis, rad."""
    axis = horizontal(source.pointing, time)
    return float(axis.alt.rad), float(axis.az.rad)


def declination_line(source: Source) -> str:
    """Folder name of LST's models for this source's declination."""
    return min(DECLINATION_LINES, key=lambda name: abs(DECLINATION_LINES[name] - source.dec))


def write_drive_logs(
    folder: Path, yyyymmdd: str, source: Source, begin: Time, end: Time, gaps: Iterable[tuple[float, float]] = ()
) -> Path:
    """Write the three logs of the drive, a line for each second from `begin` to `end`.

    Format as ctapipe_io_lst's PointingSource reads it: ``unix azimuth zenith``, degrees; corrections of the bending
    model at the same times; start and end of tracking with the right ascension and declination pointed at.

    Parameters
    ----------
    gaps
        Times of which the log says nothing, unix seconds.

    Returns
    -------
    Path
        The log of positions, beside which lstchain finds the others.
    """
    seconds = np.arange(int(np.floor(begin.unix)), int(np.ceil(end.unix)) + 1)
    for first, last in gaps:
        seconds = seconds[(seconds < first) | (seconds >= last)]
    axis = horizontal(source.pointing, Time(seconds, format="unix"))
    positions = zip(seconds, axis.az.deg, axis.zen.deg, strict=True)
    log = folder / f"DrivePosition_log_{yyyymmdd}.txt"
    _write_lines(folder / f"BendingModelCorrection_log_{yyyymmdd}.txt", [f"{t} 0.0 0.0" for t in seconds])
    _write_lines(folder / f"Target_log_{yyyymmdd}.txt", _target_lines(source, seconds))
    _write_lines(log, [f"{time} {azimuth:.6f} {zenith:.6f}" for time, azimuth, zenith in positions])
    return log


def _target_lines(source: Source, seconds: Any) -> list[str]:
    pointing = source.pointing
    return [
        f"{seconds[0]} TrackStart {pointing.ra.deg:.5f} {pointing.dec.deg:.5f} {source.name}",
        f"{seconds[-1]} TrackEnd",
    ]


def _write_lines(path: Path, lines: list[str]) -> None:
    with written_whole(path) as temporary:
        temporary.write_text("\n".join(lines) + "\n")
