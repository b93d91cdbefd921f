"""What the products of a night say about how they were made; read from files, of which receipts and logs are only the last resort."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tables
from numpy.typing import NDArray

from osa_luigi.products import names
from osa_luigi.products.production import Production
from osa_luigi.products.receipt import Receipt
from osa_luigi.steps.close import MARKER
from osa_luigi.steps.dl1 import CAT_B, DL2_PARAMETERS, FLATFIELD, IMAGES, SKY_PEDESTAL

CLEANING = "tailcuts_clean_with_pedestal_threshold"
ONE, BOTH = 1, 2
R0G = names.gain_selected(1, "").parent.name
BRIGHT_PE = 30.0
"""Charge of a pixel from which a calibration's scale is told."""
ALIKE = 0.1
"""How far the scale of Cat-B may be from that of Cat-A in a simulated camera, whose gains do not change."""
SAME_PIXELS = 0.999
"""lstchain selects gains by another threshold when it makes DL1 than when it makes R0G: only few pixels are between the two."""


@dataclass(frozen=True)
class Check:
    """Something that must be true of the products, and what was found."""

    what: str
    good: bool
    found: str


@dataclass(frozen=True)
class Products:
    """A finished production of a night."""

    production: Production
    receipts: Mapping[str, Receipt]

    def of(self, step: str) -> list[Receipt]:
        """All receipts of a step, by unit."""
        return [receipt for _, receipt in sorted(self.receipts.items()) if receipt.step == step]

    def path(self, receipt: Receipt, role: str) -> Path:
        """A product's file."""
        made = receipt.made(role)
        assert made is not None, f"{receipt.name} has no {role}"
        return self.production.root / made.path

    def paths(self, step: str, role: str) -> list[Path]:
        """The files of a role, by unit."""
        return [self.path(receipt, role) for receipt in self.of(step)]


def finished(products: Products) -> Check:
    """The night is closed and has events with energies."""
    marker = (products.production.root / MARKER).is_file()
    energies = np.concatenate([_column(path, DL2_PARAMETERS, "reco_energy") for path in products.paths("dl2", "dl2")])
    good = marker and len(energies) > 0 and bool(np.isfinite(energies).all())
    return Check("the night is closed, with energies in DL2", good, f"{len(energies)} events")


def time_calibration_was_used(products: Products) -> Check:
    """The PEDCALIB run's time calibration, which no earlier file gives, went into charges and DL1a."""
    (made,) = products.of("time_calibration")
    path = products.path(made, "time_calibration")
    with tables.open_file(path) as file:
        events = int(file.root._v_attrs["n_events"])
        amplitude = float(np.abs(file.root.fan[..., 1:]).max())
    users = [*products.of("charge_calibration"), *products.of("r0_to_dl1")]
    used = [one for one in users if [key for _, key in _inputs(one, "time_calibration")] == [made.key]]
    return Check(
        "the time calibration of the PEDCALIB run was used",
        events > 0 and amplitude > 0 and len(used) == len(users),
        f"{events} flat-field events, largest coefficient {amplitude:.2f} samples; used by {len(used)} of {len(users)} steps",
    )


def gains(products: Products, *, selected: bool) -> Check:
    """DL1a was made of R0G where gains were to be selected, else of R0; showers in R0G have one gain, all else has both."""
    keys = {made.path.name: receipt.key for receipt in products.of("gain_selection") for made in receipt.outputs}
    raw: list[Path] = []
    right = selected == bool(keys)
    for receipt in products.of("r0_to_dl1"):
        inputs = _inputs(receipt, "raw")
        right &= all(key == keys.get(path.name, "") for path, key in inputs)
        raw += [path for path, _ in inputs]
    right &= all((path.parent.name == R0G) is selected for path in raw)
    counted = _gains(raw)
    calibration = {FLATFIELD, SKY_PEDESTAL}
    right &= all(stored == (ONE if selected and kind not in calibration else BOTH) for kind, stored in counted)
    both = sum(count for (_, stored), count in counted.items() if stored == BOTH)
    one = counted.total() - both
    what = "DL1a was made of R0G, whose showers have one gain" if selected else "DL1a was made of R0, with both gains"
    return Check(what, right and counted.total() > 0, f"{one} events with one gain, {both} with both")


def images(products: Products, *, cat_b: bool) -> Check:
    """The charges of DL1b are those of DL1a, recalibrated where a Cat-B calibration was to be applied."""
    changed, scales, events, applied = 0, [], 0, 0
    for dl1a, dl1b in zip(products.paths("r0_to_dl1", "dl1"), products.paths("dl1ab", "dl1"), strict=True):
        before, after = _column(dl1a, IMAGES, "image"), _column(dl1b, IMAGES, "image")
        changed += int(np.count_nonzero((before != after).any(axis=1)))
        events += len(after)
        bright = (before > BRIGHT_PE) & (after > 0)
        scales.append(after[bright] / before[bright])
        applied += _rows(dl1b, CAT_B[0])
    scale = float(np.median(np.concatenate(scales)))
    found = (
        f"{changed} of {events} images differ from DL1a; bright pixels by a factor of {scale:.3f}; {applied} intervals"
    )
    if not cat_b:
        return Check("charges of DL1b are those of DL1a", changed == 0 and applied == 0, found)
    good = changed == events > 0 and applied > 0 and abs(scale - 1) < ALIKE
    return Check("charges of DL1b were calibrated by Cat-B", good, found)


def cleaning(products: Products, *, per_run: bool, asked: Mapping[str, Any]) -> Check:
    """DL1b was cleaned with the levels found for the run, or else with the procedure's: by its configuration and its faintest pixel."""
    levels = [asked[CLEANING]]
    if per_run:
        levels = [json.loads(path.read_text())[CLEANING] for path in products.paths("tailcuts", "tailcuts")]
    (wanted,) = {(level["picture_thresh"], level["boundary_thresh"]) for level in levels}
    written, faintest = set(), np.inf
    for path in products.paths("dl1ab", "dl1"):
        with tables.open_file(path) as file:
            table = file.get_node(IMAGES)
            applied = json.loads(str(table.attrs["config"]))[CLEANING]
            written.add((applied["picture_thresh"], applied["boundary_thresh"]))
            faintest = min(faintest, float(table.col("image")[table.col("image_mask")].min()))
    good = written == {wanted} and wanted[1] <= faintest < wanted[1] + 1
    whose = "found for the run" if per_run else "of the procedure"
    return Check(
        f"DL1b was cleaned with the levels {whose}",
        good,
        f"{wanted[0]} and {wanted[1]} p.e. wanted, {written} in DL1b, its faintest pixel has {faintest:.2f} p.e.",
    )


def same_charges(products: Products, others: Products) -> Check:
    """Gains selected before DL1, or in the making of it: the same charges but for few pixels."""
    same = total = 0
    for path, other in zip(products.paths("r0_to_dl1", "dl1"), others.paths("r0_to_dl1", "dl1"), strict=True):
        one, two = (_column(file, IMAGES, "image") for file in (path, other))
        same += int(np.count_nonzero(np.isclose(one, two, rtol=1e-3, atol=1e-3)))
        total += one.size
    share = same / total
    return Check(
        "charges are those of gain selection before DL1", share > SAME_PIXELS, f"{total - same} of {total} differ"
    )


def _inputs(receipt: Receipt, role: str) -> list[tuple[Path, str]]:
    """The files that went into an attempt, each with its step key."""
    return [(Path(str(item["path"])), str(item["key"])) for item in receipt.inputs if item["role"] == role]


def _gains(paths: Iterable[Path]) -> Counter[tuple[int, int]]:
    """(event type, stored gains) → events of raw files."""
    from protozfits import File

    counted: Counter[tuple[int, int]] = Counter()
    for path in paths:
        with File(str(path), pure_protobuf=True) as file:
            counted.update((int(event.event_type), int(event.num_channels)) for event in file.Events)
    return counted


def _column(path: Path, node: str, name: str) -> NDArray[Any]:
    with tables.open_file(path) as file:
        column: NDArray[Any] = file.get_node(node).col(name)
        return column


def _rows(path: Path, node: str) -> int:
    with tables.open_file(path) as file:
        return int(file.get_node(node).nrows) if node in file else 0
