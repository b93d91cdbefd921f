"""Productions written by hand: products of a few bytes with receipts that tell what they were made from."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from osa_luigi.products.commit import receipt_path
from osa_luigi.products.identity import digest
from osa_luigi.products.production import Production
from osa_luigi.products.receipt import Made, Receipt

SOFTWARE = {"lstchain": "0.12.3", "osa_luigi": "0.1.0"}


def key_of(text: str) -> str:
    """A step key for a test."""
    return digest(text)[:40]


def raw(folder: Path, name: str, content: bytes = b"raw") -> dict[str, Any]:
    """A raw file, and how a receipt names it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)
    return {"role": "raw", "path": str(folder / name), "identity": {"name": name, "size": len(content)}, "key": ""}


def product(production: Production, receipt: Receipt, role: str) -> dict[str, Any]:
    """A product, as the receipt of its reader names it."""
    made = receipt.made(role)
    assert made is not None
    identity = {"key": receipt.key, "role": role}
    return {"role": role, "path": str(production.root / made.path), "identity": identity, "key": receipt.key}


def write(
    production: Production,
    step: str,
    unit: str,
    outputs: Mapping[str, str],
    inputs: Iterable[Mapping[str, Any]] = (),
    *,
    key: str = "",
    generation: int = 1,
    hour: int = 1,
    settings: Mapping[str, Any] | None = None,
    linked_from: str = "",
    content: bytes = b"",
    counts: Mapping[str, Any] | None = None,
) -> Receipt:
    """Make products and commit them: role → place. Each attempt takes half of the hour in which it begins."""
    made = []
    for role, place in outputs.items():
        path = production.root / place
        path.parent.mkdir(parents=True, exist_ok=True)
        data = content or f"{step} {unit} {role} {generation} ".encode() * 50
        path.unlink(missing_ok=True)
        path.write_bytes(data)
        sha256 = hashlib.sha256(data).hexdigest()
        scratch = Path(".osa/scratch", f"{step}.{unit}", path.name)
        made.append(Made(role, str(place), str(scratch), len(data), sha256, digest(place)))
    attempt = {
        "id": f"20241116T{hour:02d}0000-node{hour % 3}-1-{generation}",
        "started": f"2024-11-16T{hour:02d}:00:00.000+00:00",
        "ended": f"2024-11-16T{hour:02d}:30:00.000+00:00",
        "host": f"node{hour % 3}",
        "exit_code": 0,
        "cpu_s": 12.5,
    }
    receipt = Receipt(
        step,
        unit,
        key or key_of(f"{step} {unit}"),
        generation,
        settings or {},
        tuple(inputs),
        tuple(made),
        counts or {},
        SOFTWARE,
        attempt,
        linked_from,
    )
    target = receipt_path(production, receipt)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(receipt.text())
    return receipt


def run(production: Production, r0: Path, subruns: int = 3, merged_hour: int = 3) -> Receipt:
    """A run from raw files to DL2; its calibration is another run's."""
    drs4 = write(
        production,
        "drs4_baseline",
        "Run02001",
        {"pedestal": "calibration/drs4_pedestal.Run02001.0000.h5"},
        [raw(r0, "LST-1.1.Run02001.0000.fits.fz")],
        hour=0,
    )
    cleaned = []
    for number in range(subruns):
        unit = f"Run02003.{number:04d}"
        streams = [raw(r0, f"LST-1.{stream}.{unit}.fits.fz") for stream in (1, 2, 3, 4)]
        dl1 = write(
            production,
            "r0_to_dl1",
            unit,
            {"dl1": f"dl1_LST-1.{unit}.h5", "muons": f"muons_LST-1.{unit}.fits"},
            [*streams, product(production, drs4, "pedestal")],
            hour=1,
        )
        cleaned.append(
            write(
                production,
                "dl1ab",
                unit,
                {"dl1": f"tailcut84/dl1_LST-1.{unit}.h5"},
                [product(production, dl1, "dl1")],
                hour=2,
                settings={"images": True, "config": "a" * 64},
            )
        )
    merged = write(
        production,
        "merge_dl1",
        "Run02003",
        {"dl1": "tailcut84/dl1_LST-1.Run02003.h5"},
        [product(production, one, "dl1") for one in cleaned],
        hour=merged_hour,
    )
    return write(
        production,
        "dl2",
        "Run02003",
        {"dl2": "tailcut84/dl2_LST-1.Run02003.h5"},
        [product(production, merged, "dl1")],
        hour=merged_hour + 1,
    )
