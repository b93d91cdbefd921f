"""Thousands of spoilt configurations: each loads, or is refused by a ConfigurationError; nothing else may come out.

``python -m tests.drills.config --number 10000 --seed 0 --json``. A case is a main file and its library: the stock files,
or a small library with libraries in it, heirs and workflows. One of its files is spoilt. The number of a case spoils it alike
again: ``--first N --keep DIR`` leaves its files in a folder.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from osa_luigi.config import expanded, load, load_main, load_workflow, procedure_names, show, validate, workflows
from osa_luigi.config.browsing import catalog, resolved
from osa_luigi.config.kinds import SCHEMAS
from osa_luigi.config.yamlfile import load_yaml
from osa_luigi.errors import ConfigurationError
from tests.drills.mutations import spoilt_content, spoilt_text

ROOT = Path(__file__).parents[2]
SLOW_S = 10.0
CHUNK = 100

LIBRARY = """\
libraries: [p1.yaml]
procedures:
- {name: p0, dl2: {enabled: false}, dl1ab: {tailcuts: {picture_thresh: 9}, overrides: {write_pe_image: true}}}
- name: heir
  extends: p0
  dl1ab: {tailcuts: null}
  fake: {fail: ["r0_to_dl1:Run02003.0001"]}
workflows:
- {name: w0, tasks: [p0, heir, w1]}
"""
DEEPER = """\
procedures:
- {name: p1, extends: heir, type: reconstruction, production_id: p1}
workflows:
- {name: w1, tasks: [p1]}
"""
MAIN = """\
site: {name: test, base: .}
libraries: [p0.yaml]
default_procedure: p1
workflows:
- {name: all, tasks: [w0, p1]}
"""


def sets_of_files() -> Iterator[dict[str, str]]:
    """What is spoilt: name → text; `main.yaml` is read first."""
    yield {"main.yaml": MAIN, "p0.yaml": LIBRARY, "p1.yaml": DEEPER}
    procedures = sorted((ROOT / "procedures").rglob("*.yaml"))
    texts = {f"p{number}.yaml": file.read_text() for number, file in enumerate(procedures)}
    for stock in sorted((ROOT / "configs").glob("*.yaml")):
        main = load_yaml(stock).value
        listed = json.dumps({**main, "procedures": list(texts), "libraries": []}, indent=1)
        yield {"main.yaml": listed, **texts}


SETS = list(sets_of_files())


def spoil(number: int, seed: int, folder: Path) -> None:
    """Write the files of a case."""
    draw = random.Random(f"{seed}/{number}")
    files = draw.choice(SETS)
    victim = draw.choice(list(files))
    for name, text in files.items():
        data = text.encode()
        if name == victim and draw.random() < 0.6:
            whole = folder / name
            whole.write_bytes(data)
            data = spoilt_content(load_yaml(whole).value, draw).encode("utf-8", "surrogatepass")
        elif name == victim:
            data = spoilt_text(text, draw)
        (folder / name).write_bytes(data)


def attempt(main: Path) -> str:
    """All that reads a configuration, on one: ``good``, ``refused``, or what went wrong."""
    outcomes = [_outcome(action, main) for action in (_validated, _looked, _loaded, _browsed, _worked)]
    return next((one for one in outcomes if one not in ("good", "refused")), max(outcomes))


def _outcome(action: Any, main: Path) -> str:
    started = time.process_time()  # a busy machine makes nothing slow
    try:
        action(main)
    except ConfigurationError as error:
        return _fit(error.problems)
    except Exception as error:
        return f"{action.__name__}: {type(error).__name__}: {str(error)[:200]}"
    took = time.process_time() - started
    return "good" if took < SLOW_S else f"{action.__name__}: slow, {took:.0f} s"


def _fit(problems: tuple[str, ...]) -> str:
    """Whether problems can be read: at least one, each a line that names a file first."""
    bad = [line for line in problems if not line.startswith("/") or "\n" in line]
    return "refused" if problems and not bad else f"cannot be read: {bad[:1]!r}"


def _validated(main: Path) -> None:
    _, problems = validate(main, check_files=False)
    if problems:
        raise ConfigurationError(problems)


def _looked(main: Path) -> None:
    validate(main)


def _loaded(main: Path) -> None:
    configuration = load(main, check_files=False)
    assert json.dumps(expanded(configuration))
    assert show(configuration)


def _browsed(main: Path) -> None:
    found = catalog(main)
    assert json.dumps(found.as_json())
    for one in found.procedures[-1:]:
        assert resolved(main, one.name).text()


def _worked(main: Path) -> None:
    site = load_main(main, check_files=False)
    for kind in SCHEMAS:
        procedure_names(site, kind)
    if any(one.name == "all" for one in workflows(site)):
        load_workflow(site, "all")


def play(first: int, count: int, seed: int) -> Counter[tuple[str, int]]:
    """Some cases: how each came out."""
    outcomes: Counter[tuple[str, int]] = Counter()
    with tempfile.TemporaryDirectory(prefix="osa-config-") as name:
        for number in range(first, first + count):
            spoil(number, seed, Path(name))
            outcome = attempt(Path(name) / "main.yaml").replace(name, "…")
            outcomes[outcome, 0 if outcome in ("good", "refused") else number] += 1
    return outcomes


def played(first: int, number: int, seed: int, workers: int) -> dict[str, Any]:
    """Cases on several cores: how many were good, refused, and what went wrong with which."""
    starts = range(first, first + number, CHUNK)
    total: Counter[tuple[str, int]] = Counter()
    with ProcessPoolExecutor(workers) as pool:
        sizes = [min(CHUNK, first + number - start) for start in starts]
        for done, part in enumerate(pool.map(play, starts, sizes, [seed] * len(sizes)), 1):
            total += part
            wrong = [outcome for outcome, _ in part if outcome not in ("good", "refused")]
            print(f"{sum(sizes[:done])} of {number} {wrong or ''}", file=sys.stderr, flush=True)
    trouble = {str(case): outcome for outcome, case in total if outcome not in ("good", "refused")}
    counts = {name: total[name, 0] for name in ("good", "refused")}
    return {
        "configurations": number,
        "first": first,
        "seed": seed,
        **counts,
        "in_trouble": len(trouble),
        "trouble": trouble,
    }


def main() -> int:
    """The command; exit code 1 if something else than a ConfigurationError came out."""
    parser = argparse.ArgumentParser(prog="python -m tests.drills.config", description=__doc__)
    parser.add_argument("--number", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0, help="the first case; with --number 1 it is played alone")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument(
        "--keep", type=Path, help="write the files of the first case into this folder, and play nothing"
    )
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    if asked.keep:
        asked.keep.mkdir(parents=True, exist_ok=True)
        spoil(asked.first, asked.seed, asked.keep)
        return 0
    started = time.monotonic()
    result = {**played(asked.first, asked.number, asked.seed, asked.workers), "seconds": 0.0}
    result["seconds"] = round(time.monotonic() - started, 1)
    if asked.json:
        print(json.dumps(result, indent=1))
    else:
        print(", ".join(f"{name} {value}" for name, value in result.items()))
    return 1 if result["in_trouble"] else 0


if __name__ == "__main__":
    sys.exit(main())
