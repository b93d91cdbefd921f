"""Calls of fake steps, and receipts, for tests of the rooms that handle any step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from osa_luigi.products.identity import canonical_json, step_key
from osa_luigi.products.production import Production
from osa_luigi.products.receipt import Made, Receipt
from osa_luigi.steps.call import FileInput, Input, Needs, Output, StepCall

FAST = {"duration_s": 0.0, "size_kb": 1}
NEEDS = Needs(memory_mb=100, cores=1, time_limit_s=60.0)


def key_of(step: str, version: int, settings: Any, software: Any, inputs: Any) -> str:
    """The step key of values."""
    return step_key(step, version, *map(canonical_json, (settings, software, inputs)))


def fake_call(
    step: str = "r0_to_dl1",
    unit: str = "Run02008.0003",
    *,
    settings: dict[str, Any] | None = None,
    inputs: tuple[Input, ...] = (),
    outputs: tuple[Output, ...] | None = None,
    needs: Needs = NEEDS,
    **fake: Any,
) -> StepCall:
    """A call of a fake with two outputs in two folders, unless told otherwise."""
    settings = settings or {}
    identities = {str(number): item.identity for number, item in enumerate(inputs)}
    return StepCall(
        step=step,
        unit=unit,
        key=key_of(step, 1, settings, {"fake": "yes"}, identities),
        settings=settings,
        inputs=inputs,
        outputs=outputs
        or (Output("dl1", Path(f"{step}.{unit}.h5")), Output("muons", Path("muons") / f"{step}.{unit}.fits")),
        needs=needs,
        fake={**FAST, **fake},
    )


def product(call: StepCall, root: Path, role: str = "dl1") -> Input:
    """An output of a call as another's input."""
    return FileInput(role, str(root / call.output(role).path), {"key": call.key, "role": role}, call.key)


def foreign(path: Path, identity: Any = "a file", role: str = "raw") -> Input:
    """A file that nobody of ours made, as an input."""
    return FileInput(role, str(path), identity)


def staged(
    production: Production,
    contents: dict[str, bytes],
    *,
    step: str = "dl1ab",
    unit: str = "Run02008.0003",
    key: str = "k" * 40,
    generation: int = 1,
    token: str = "a",
) -> tuple[Receipt, Path]:
    """Outputs that wait in a scratch folder, and the receipt that would commit them: place → content."""
    scratch = production.scratch / f"{step}.{unit}.20241115T200000-node-1-{token}"
    (scratch / "work").mkdir(parents=True)
    outputs = []
    for number, (place, content) in enumerate(contents.items()):
        file = scratch / "work" / f"{number}-{Path(place).name}"
        file.write_bytes(content)
        outputs.append(Made(place, place, str(file.relative_to(production.root)), len(content), "", ""))
    receipt = Receipt(step, unit, key, generation, {}, (), tuple(outputs), {}, {})
    return receipt, scratch
