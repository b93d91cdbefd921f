"""One engine per production: a lease with generations, made by exclusive links.

File locks are not to be trusted on a parallel file system, so a lease is a file ``.osa/engine/<generation>.json`` that only one can
link into place. It says who holds it; a holder that is gone is followed by the next generation.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from osa_luigi.errors import ExecutorError
from osa_luigi.products.commit import link_exclusively
from osa_luigi.products.production import Production, write_durably
from osa_luigi.runner.environment import host


def take_lease(production: Production) -> int:
    """Become the one engine of a production.

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
        if holder and not _is_gone(holder):
            raise ExecutorError(_held(production, folder / f"{generation}.json", holder))
        if _link(folder, generation + 1):
            return generation + 1
    raise ExecutorError(f"{folder}: others took the lease again and again; run the night again in a minute.")


def _link(folder: Path, generation: int) -> bool:
    draft = folder / f".{host()}-{os.getpid()}-{secrets.token_hex(3)}"
    write_durably(draft, json.dumps(_me(), indent=1) + "\n")
    try:
        return link_exclusively(draft, folder / f"{generation}.json")
    finally:
        draft.unlink()


def _newest(folder: Path) -> tuple[int, dict[str, Any] | None]:
    try:
        generations = [int(name.removesuffix(".json")) for name in os.listdir(folder) if not name.startswith(".")]
    except FileNotFoundError:
        return 0, None
    newest = max(generations, default=0)
    return newest, json.loads((folder / f"{newest}.json").read_text()) if newest else None


def _me() -> dict[str, Any]:
    return {
        "host": host(),
        "boot": Path("/proc/sys/kernel/random/boot_id").read_text().strip(),
        "pid": os.getpid(),
        "process_started": psutil.Process().create_time(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _is_me(holder: Mapping[str, Any]) -> bool:
    me = _me()
    return all(holder.get(name) == me[name] for name in ("host", "boot", "pid", "process_started"))


def _is_gone(holder: Mapping[str, Any]) -> bool:
    """Whether the holder surely ended; of another machine nothing can be known from here."""
    me = _me()
    if holder["host"] != me["host"]:
        return False
    if holder["boot"] != me["boot"]:
        return True
    try:
        process = psutil.Process(holder["pid"])
        return bool(
            process.status() == psutil.STATUS_ZOMBIE or abs(process.create_time() - holder["process_started"]) > 1
        )
    except psutil.NoSuchProcess:
        return True


def _held(production: Production, lease: Path, holder: Mapping[str, Any]) -> str:
    return (
        f"{production.root}: is being worked on by process {holder['pid']} on {holder['host']} since {holder['since']}. "
        "Wait for it, or stop it there and run again. If that machine is gone for good, "
        f"remove {lease} to take over."
    )
