"""Damaging raw files, and holding the whole ones back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from astropy.io import fits

from osa_luigi.telescope.faults import DAMAGE, ONE_FILE, Fault, FaultKind
from osa_luigi.telescope.files import temporary_name
from osa_luigi.telescope.options import N_STREAMS
from osa_luigi.telescope.seeds import Purpose, random_stream
from osa_luigi.telescope.streams import EVENTS


@dataclass(frozen=True)
class FilePlan:
    """Where a raw file goes, and what becomes of it."""

    path: Path
    held: Path | None = None
    """Where the whole file is held back; None if nothing is wrong with it."""
    fault: Fault | None = None
    seed: int = 0

    @property
    def whole(self) -> Path:
        """Where the whole file lies."""
        return self.held or self.path

    @property
    def present(self) -> bool:
        """Whether the whole file is there, held back or delivered."""
        return self.whole.exists() or self.path.exists()


def decide_streams(faults: tuple[Fault, ...], seed: int) -> tuple[Fault, ...]:
    """The faults, each that hits one file with its stream."""
    return tuple(_with_stream(fault, seed) for fault in faults)


def _with_stream(fault: Fault, seed: int) -> Fault:
    if fault.kind not in ONE_FILE or fault.stream is not None:
        return fault
    rng = random_stream(seed, Purpose.FAULT, fault.run or 0, fault.subrun or 0)
    return fault.at(int(rng.integers(1, N_STREAMS + 1)))


def put(written: Path, plan: FilePlan) -> None:
    """Put a file that was just written where it belongs, whole or not."""
    plan.whole.parent.mkdir(parents=True, exist_ok=True)
    written.replace(plan.whole)
    if plan.fault is None or plan.fault.kind not in DAMAGE:
        return
    temporary = temporary_name(plan.path)
    temporary.write_bytes(damaged(plan.whole, plan.fault, plan.seed))
    temporary.replace(plan.path)


def damaged(whole: Path, fault: Fault, seed: int) -> bytes:
    """The content of a raw file with its fault."""
    if fault.kind is FaultKind.EMPTY_FILE:
        return b""
    content = bytearray(whole.read_bytes())
    begin, end = _events_data(whole)
    if fault.kind is FaultKind.TRUNCATED:
        return bytes(content[: (begin + end) // 2])
    key = (fault.run or 0, fault.subrun or 0, fault.stream or 0)
    bit = int(random_stream(seed, Purpose.FAULT, *key).integers(8 * begin, 8 * end))
    content[bit // 8] ^= 1 << bit % 8
    return bytes(content)


def _events_data(path: Path) -> tuple[int, int]:
    """First and last byte, plus one, of the compressed events: what follows the table's list of tiles."""
    with fits.open(path) as file:
        table = file[EVENTS]
        place = table.fileinfo()["datLoc"]
        header = table.header
        tiles = int(header["NAXIS1"]) * int(header["NAXIS2"])
        return place + int(header.get("THEAP", tiles)), place + tiles + int(header["PCOUNT"])
