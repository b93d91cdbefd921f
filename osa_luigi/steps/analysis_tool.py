"""Runs a user's class, in a process that can write nothing but its own folder: ``python -m osa_luigi.steps.analysis_tool``."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import traceback
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from osa_luigi.analysis.confine import confine
from osa_luigi.analysis.data import Data
from osa_luigi.analysis.loading import ClassSpec, load_class, source_hashes
from osa_luigi.analysis.outputs import declared_outputs
from osa_luigi.analysis.trouble import in_words
from osa_luigi.errors import StepError
from osa_luigi.steps.analysis import FOLDER, RETURNED

CACHES = ("NUMBA_CACHE_DIR", "MPLCONFIGDIR")
"""Variables that name folders which libraries write to."""


def main() -> None:
    """In the attempt's working folder: import the class, give it its data, and see that it kept to what it declared."""
    parser = argparse.ArgumentParser(description="Run a user's analysis")
    parser.add_argument("--request", type=Path, required=True, help="JSON: the class, its parameters, its data")
    asked = parser.parse_args()
    request = json.loads(asked.request.read_text())
    FOLDER.mkdir(exist_ok=True)
    data = Data.from_json(request["data"])
    _use_own_temporary_folder()
    confined = confine(_writable())
    before = {} if confined else _states(file.path for file in data.files)
    if not confined:
        print("# this kernel has no Landlock: the class is not kept from writing elsewhere, only found out")  # noqa: T201
    run_class(request, data, FOLDER.absolute())
    if changed := [str(path) for path, state in before.items() if _state(path) != state]:
        raise StepError(
            f"{request['spec']['name']} changed what it should only read: {', '.join(changed)}. `osa verify` mends it."
        )
    Path(RETURNED).touch()


def run_class(request: Mapping[str, Any], data: Data, output_dir: Path) -> None:
    """Make one of the class, and run it.

    Raises
    ------
    StepError
        Its code failed (file and line), it is another than was planned with, or it left what it did not declare.
    """
    spec = ClassSpec.from_json(request["spec"])
    try:
        found = load_class(spec)
        if source_hashes(found, spec) != request["sources"]:
            raise StepError(f"{spec.name}: its source was changed since this was planned. Run the analysis again.")
        analysis = found(request["parameters"])
        said = declared_outputs(analysis.output(), spec.name)
        if said != request["outputs"]:
            raise StepError(
                f"{spec.name}.output() names other files than when it was planned: it must depend on the parameters alone."
            )
        analysis.run(data, output_dir)
    except StepError:
        raise
    except BaseException as error:  # also SystemExit: an analysis ends by returning
        traceback.print_exc()
        raise StepError(f"{in_words(spec.name, error)}. The whole traceback: {_log()}") from error
    _note_undeclared(output_dir, said)


def _log() -> str:
    """Where what this process prints goes to."""
    return str(Path("/proc/self/fd/1").readlink())


def _note_undeclared(folder: Path, declared: Mapping[str, str]) -> None:
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    if more := sorted(found - set(declared.values())):
        print(f"# not declared by output(), so not kept: {', '.join(more)}", file=sys.stderr)  # noqa: T201


def _use_own_temporary_folder() -> None:
    folder = Path("tmp").absolute()
    folder.mkdir(exist_ok=True)
    os.environ["TMPDIR"] = tempfile.tempdir = str(folder)


def _writable() -> list[Path]:
    """The attempt's own folder, caches that libraries keep, and what is no disk."""
    caches = [Path(os.environ[name]) for name in CACHES if os.environ.get(name)]
    return [Path.cwd().parent, *caches, Path("/dev")]


def _states(paths: Iterable[Path]) -> dict[Path, tuple[int, int]]:
    return {path: _state(path) for path in paths}


def _state(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
        return status.st_size, status.st_mtime_ns
    except OSError:
        return 0, 0


if __name__ == "__main__":
    main()
