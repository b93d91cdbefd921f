"""Fake steps: the same seam, no lstchain, so that a graph of any size can be run, tested and demonstrated.

A fake takes its time, leaves every declared output as a small file that is verified like a real one, and fails where it is told to.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import signal
import time
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from osa_luigi.errors import StepError, VerificationError
from osa_luigi.products.receipt import Receipt
from osa_luigi.steps.call import StepCall
from osa_luigi.steps.step import Command, Step, Tool

PATTERNS = ("fail", "die", "corrupt", "hang")


class FakeStep(Step):
    """Stands in for any step.

    Its behaviour comes with the call, as the procedure's section ``fake`` holds it: ``duration_s``, ``size_kb``, and lists of
    patterns ``step:unit`` under ``fail`` (exit code 1), ``die`` (kills itself), ``corrupt`` (half an output, exit code 0)
    and ``hang`` (until its time limit), or ``empty`` (counts no events).
    """

    name = "fake"

    def command(self, call: StepCall) -> Command:
        fake = call.fake or {}
        asked = [f"--{kind}" for kind in PATTERNS if _matches(fake.get(kind, ()), call)]
        arguments = [
            f"--duration={fake.get('duration_s', 0.05)}",
            f"--size-kb={fake.get('size_kb', 1)}",
            f"--key={call.key}",
        ]
        places = self.produced(call)
        return Command(
            tool=Tool("python -m osa_luigi.steps.fake", "osa_luigi.steps.fake:main"),
            arguments=(*arguments, *asked, *(str(place) for place in places.values())),
            folders=tuple(sorted({place.parent for place in places.values()})),
        )

    def produced(self, call: StepCall) -> Mapping[str, Path]:
        return {output.role: output.path for output in call.outputs}

    def verify(self, call: StepCall, files: Mapping[str, Path]) -> Mapping[str, Any]:
        for path in files.values():
            check(path, call.key)
        empty = _matches((call.fake or {}).get("empty", ()), call)
        return {"files": len(files), **({"events": 0, "interleaved": 0} if empty else {})}


def pretended(receipt: Receipt) -> bool:
    """Whether a fake step made this; receipts of older versions do not say so, but count as only fakes do."""
    return receipt.fake or ("files" in receipt.counts and "rows" not in receipt.counts)


def content(key: str, size_kb: int) -> str:
    """A fake product: a line that says what it is and how the rest hashes, then the rest."""
    body = (key * (size_kb * 1024 // max(1, len(key)) + 1))[: size_kb * 1024]
    head = json.dumps({"fake": key, "sha256": hashlib.sha256(body.encode()).hexdigest()})
    return f"{head}\n{body}"


def check(path: Path, key: str) -> None:
    """Read a fake product to its end.

    Raises
    ------
    VerificationError
        If it is cut short, changed, or of another step key.
    """
    head, _, body = path.read_bytes().partition(b"\n")
    try:
        said = json.loads(head)
    except ValueError:
        said = None
    if said != {"fake": key, "sha256": hashlib.sha256(body).hexdigest()}:
        raise VerificationError(f"{path.name}: not the whole fake product of step key {key[:12]}. Run the step again.")


def main() -> None:
    """The fake tool: ``python -m osa_luigi.steps.fake``."""
    parser = argparse.ArgumentParser(description="Pretend to be a step")
    parser.add_argument("--duration", type=float, default=0.0, help="seconds to take")
    parser.add_argument("--size-kb", type=int, default=1, help="size of each output")
    parser.add_argument("--key", required=True, help="the step key")
    for kind in PATTERNS:
        parser.add_argument(f"--{kind}", action="store_true")
    parser.add_argument("outputs", nargs="*", type=Path)
    asked = parser.parse_args()
    time.sleep(1e9 if asked.hang else asked.duration)
    if asked.die:
        os.kill(os.getpid(), signal.SIGKILL)
    if asked.fail:
        raise StepError("this fake step was told to fail (section `fake` of the procedure)")
    text = content(asked.key, asked.size_kb)
    for path in asked.outputs:
        path.write_text(text[: len(text) // 2] if asked.corrupt else text)


def _matches(patterns: Any, call: StepCall) -> bool:
    return any(fnmatchcase(f"{call.step}:{call.unit}", pattern) for pattern in patterns)


if __name__ == "__main__":
    main()
