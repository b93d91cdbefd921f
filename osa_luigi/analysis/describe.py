"""What a user's class says of itself, asked in a process of its own: importing it may do anything."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from osa_luigi.analysis.confine import confine
from osa_luigi.analysis.loading import ClassSpec, load_class, source_file, source_hashes
from osa_luigi.analysis.outputs import declared_outputs
from osa_luigi.analysis.trouble import in_words
from osa_luigi.errors import StepError

LIMIT_S = 120.0
"""Importing ctapipe from a slow disk takes half a minute."""


@dataclass(frozen=True, slots=True)
class Described:
    """A class as it is now.

    Parameters
    ----------
    outputs
        Role → file, relative to its output folder.
    sources
        File name → hash, of its file and its helpers.
    file
        Where it is written.
    doc
        First line of its docstring.
    """

    outputs: Mapping[str, str]
    sources: Mapping[str, str]
    file: str
    doc: str


def describe(spec: ClassSpec, parameters: Mapping[str, Any]) -> Described:
    """Import, make one, and ask; in this very process.

    Raises
    ------
    StepError
        It is no analysis, or its code failed: file and line.
    """
    try:
        found = load_class(spec)
        said = found(parameters).output()
    except StepError:
        raise
    except BaseException as error:
        raise StepError(in_words(spec.name, error)) from error
    doc = (found.__doc__ or "").strip().partition("\n")[0]
    return Described(declared_outputs(said, spec.name), source_hashes(found, spec), str(source_file(found)), doc)


def ask(spec: ClassSpec, parameters: Mapping[str, Any]) -> Described:
    """The same of a process of its own, once for each state of the file.

    Raises
    ------
    StepError
        As `describe`; or the process died, or took too long.
    """
    paths = [path for path in (spec.path, *spec.helpers) if path]
    states = tuple((status.st_mtime_ns, status.st_size) for path in paths if (status := _status(path)))
    return _ask(json.dumps({"spec": spec.as_json(), "parameters": parameters}), states)


def _status(path: Path) -> Any:
    try:
        return path.stat()
    except OSError as error:
        raise StepError(f"{path}: {error.strerror}: `path` and `helpers` must name files that are there") from error


@lru_cache(maxsize=256)
def _ask(question: str, _states: tuple[tuple[int, int], ...]) -> Described:
    command = [sys.executable, "-P", "-m", "osa_luigi.analysis.describe"]
    name = json.loads(question)["spec"]["name"]
    try:
        with tempfile.TemporaryDirectory(prefix="osa-describe-") as folder:
            asked = [*command, f"--question={question}", f"--answer={folder}/answer.json"]
            done = subprocess.run(asked, capture_output=True, text=True, timeout=LIMIT_S, stdin=subprocess.DEVNULL)
            answer = _answer(Path(folder, "answer.json"))
    except subprocess.TimeoutExpired as error:
        raise StepError(f"{name}: its import, __init__ or output() takes longer than {LIMIT_S:.0f} s") from error
    if "refused" in answer:
        raise StepError(answer["refused"])
    if not answer:
        last = (done.stderr or done.stdout).strip().splitlines()[-1:]
        raise StepError(
            f"{name}: its process ended with {done.returncode} while it was imported or asked for its outputs"
            + (f" ({last[0]})" if last else "")
        )
    return Described(**answer)


def _answer(path: Path) -> dict[str, Any]:
    try:
        answer: dict[str, Any] = json.loads(path.read_text())
        return answer
    except (OSError, ValueError):
        return {}


def main() -> None:
    """``python -m osa_luigi.analysis.describe``: for `ask`, not for people."""
    parser = argparse.ArgumentParser(description="Ask an analysis for its outputs")
    parser.add_argument("--question", required=True)
    parser.add_argument("--answer", type=Path, required=True)
    asked = parser.parse_args()
    question = json.loads(asked.question)
    confine([asked.answer.parent, Path("/dev")])
    try:
        described = describe(ClassSpec.from_json(question["spec"]), question["parameters"])
        answer = {name: getattr(described, name) for name in Described.__slots__}
    except StepError as error:
        traceback.print_exc()
        answer = {"refused": str(error)}
    asked.answer.write_text(json.dumps(answer))


if __name__ == "__main__":
    main()
