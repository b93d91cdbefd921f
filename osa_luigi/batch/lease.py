"""One engine per production: a lease with generations, made by exclusive links.

File locks are not to be trusted on a parallel file system, so a lease is a file ``.osa/engine/<generation>.json`` that only one can
link into place. It says who holds it. A holder that ends well leaves ``<generation>.released`` beside it. That one was killed can be
seen on the same machine and in the same PID namespace; elsewhere a person has to say so, by the same file. No lease is ever removed:
generations only grow.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from osa_luigi.errors import ExecutorError
from osa_luigi.process import Process, host
from osa_luigi.products.commit import link_exclusively
from osa_luigi.products.production import Production, write_durably

RELEASED = ".released"
KEPT = ("host", "boot", "pid", "start_ticks", "since")
"""What every lease says; older ones do not say the PID namespace."""


@dataclass(frozen=True, slots=True)
class Engine:
    """The holder of a production's lease. `alive` is `None` where nothing can be known from here: see `Process.alive`."""

    generation: int
    host: str
    pid: int
    since: str
    alive: bool | None


def take_lease(production: Production) -> int:
    """Become the one engine of a production, until this process ends.

    Returns
    -------
    int
        The lease's generation; the same again for the process that holds it.

    Raises
    ------
    ExecutorError
        Another engine holds it: who, since when, and how to take over.
    """
    folder = production.state / "engine"
    for _ in range(10):
        generation, holder = _newest(folder)
        if holder and _is_me(holder):
            return generation
        if holder and Process.from_json(holder).alive() is not False:
            raise ExecutorError(_held(production, folder / f"{generation}.json", holder))
        if _link(folder, generation + 1):
            atexit.register(release_lease, production)
            return generation + 1
    raise ExecutorError(f"{folder}: others took the lease again and again; run the night again in a minute.")


def release_lease(production: Production) -> None:
    """Give the lease back if this process holds it: an engine on another machine cannot see that this one has ended."""
    with contextlib.suppress(OSError, ExecutorError):
        folder = production.state / "engine"
        generation, holder = _newest(folder)
        if holder and _is_me(holder):
            (folder / f"{generation}{RELEASED}").touch()


def holds_lease(production: Production, generation: int) -> bool:
    """Whether this process still holds the lease of a generation: read again from the disk."""
    newest, holder = _newest(production.state / "engine")
    return newest == generation and holder is not None and _is_me(holder)


def engine(production: Production) -> Engine | None:
    """Who works on a production; `None` if the lease was given back, or nobody ever took it."""
    try:
        generation, holder = _newest(production.state / "engine")
    except (OSError, ExecutorError):
        return None
    if holder is None:
        return None
    return Engine(generation, holder["host"], holder["pid"], holder["since"], Process.from_json(holder).alive())


def leases(production: Production) -> list[tuple[int, str, int, str, str]]:
    """All that ever held a production: generation, host, process id, since when, and when it gave it back (empty: it did not).

    What cannot be read is passed over. Times are UTC.
    """
    folder = production.state / "engine"
    found = []
    for path in sorted(folder.glob("*.json"), key=lambda path: path.stem.zfill(9)):
        with contextlib.suppress(OSError, ExecutorError):
            holder = _read(path)
            since = str(holder["since"])
            found.append((int(path.stem), str(holder["host"]), int(holder["pid"]), since, _released(path)))
    return found


def _released(lease: Path) -> str:
    try:
        at = lease.with_suffix(RELEASED).stat().st_mtime
    except FileNotFoundError:
        return ""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")


def _link(folder: Path, generation: int) -> bool:
    draft = folder / f".{host()}-{os.getpid()}-{secrets.token_hex(3)}"
    write_durably(draft, json.dumps(_me(), indent=1) + "\n")
    try:
        return link_exclusively(draft, folder / f"{generation}.json")
    finally:
        draft.unlink()


def _newest(folder: Path) -> tuple[int, dict[str, Any] | None]:
    """The newest generation and who holds it: nobody if it was released, or if there is none yet."""
    try:
        files = {Path(name) for name in os.listdir(folder)}
    except FileNotFoundError:
        return 0, None
    generation = max((int(file.stem) for file in files if file.suffix == ".json" and file.stem.isdecimal()), default=0)
    free = not generation or Path(f"{generation}{RELEASED}") in files
    return generation, None if free else _read(folder / f"{generation}.json")


def _read(lease: Path) -> dict[str, Any]:
    try:
        holder: dict[str, Any] = json.loads(lease.read_text())
        Process.from_json(holder)
        return {**{name: holder[name] for name in KEPT}, "namespace": holder.get("namespace", "")}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ExecutorError(
            f"{lease}: nobody can tell from it which engine works on the night ({error!r}). "
            f"Make sure that none does, then {_take_over(lease)} and run again."
        ) from error


def _me() -> dict[str, Any]:
    import psutil  # whoever only reads who holds a lease is spared it

    return {
        **asdict(Process.me()),
        "process_started": psutil.Process().create_time(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _is_me(holder: Mapping[str, Any]) -> bool:
    return all(holder[name] in (value, "") for name, value in asdict(Process.me()).items())


def _held(production: Production, lease: Path, holder: Mapping[str, Any]) -> str:
    apart = holder["host"] == host() and Process.from_json(holder).alive() is None
    where = f"{holder['host']} (in another PID namespace: a container)" if apart else holder["host"]
    return (
        f"{production.root}: is being worked on by process {holder['pid']} on {where} since {holder['since']}. "
        f"Wait for it, or stop it there and run again. If that machine is gone for good, {_take_over(lease)} to take over."
    )


def _take_over(lease: Path) -> str:
    return f"make an empty file {lease.with_suffix(RELEASED)}"
