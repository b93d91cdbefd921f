"""Work for processes that are to die, or to meet a failing disk, at a chosen operation on files."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fakes

from osa_luigi.products.commit import commit, finish_move
from osa_luigi.products.decisions import DecisionKind, decide
from osa_luigi.products.production import Production
from osa_luigi.products.receipt import Receipt, current_receipt, presence
from osa_luigi.runner.attempt import attempt
from osa_luigi.steps.call import StepCall

OPERATIONS = ("mkdir", "link", "replace", "fsync", "unlink", "rmdir")
"""What changes the disk, besides opening and writing files."""


class _Trap:
    """The n-th of these operations is the last (dead before it, or dead after it), or it fails."""

    def __init__(self, number: int, how: str) -> None:
        self.left = number
        self._how = how
        for name in OPERATIONS:
            setattr(os, name, self._trapped(getattr(os, name)))

    def _trapped(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def operation(*arguments: Any, **options: Any) -> Any:
            self.left -= 1
            now = self._how if self.left == 0 else ""
            if now == "before":
                os._exit(1)
            if now == "fails":
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            try:
                return real(*arguments, **options)
            finally:
                if now == "after":
                    os._exit(1)

        return operation


def commit_until(number: int, how: str, root: Path, contents: dict[str, bytes]) -> bool:
    """Stage and commit; the trap counts from the commit on. Returns whether it was reached."""
    production = Production(root)
    receipt, scratch = fakes.staged(production, contents)
    trap = _Trap(number, how)
    with contextlib.suppress(OSError):
        commit(production, receipt, scratch)
    return trap.left <= 0


def decide_until(number: int, how: str, root: Path) -> bool:
    """Record a decision; returns whether the trap was reached."""
    trap = _Trap(number, how)
    with contextlib.suppress(OSError):
        decide(Production(root), DecisionKind.VETO, "Run02003", "a test")
    return trap.left <= 0


def commit_without_permission() -> tuple[str, dict[str, str]]:
    """What a commit says, and what is known of the product before and after the folder may be written to; as somebody who is not root."""
    me = os.geteuid()
    if me == 0:
        os.seteuid(65534)
    with tempfile.TemporaryDirectory() as folder:
        production = Production(Path(folder) / "v1")
        receipt, scratch = fakes.staged(production, {"dl1.h5": b"x"})
        production.root.chmod(0o555)
        said, known = "", {}
        try:
            commit(production, receipt, scratch)
        except OSError as error:
            said, known["before"] = str(error), presence(production, receipt).value
        finally:
            production.root.chmod(0o755)
        finish_move(production, receipt)
        known["after"] = presence(production, receipt).value
    os.seteuid(me)
    return said, known


def attempt_until(number: int, how: str, root: Path, call: StepCall) -> tuple[bool, str]:
    """One attempt; the trap counts what the attempt's own process does. Returns whether it was reached, and the outcome."""
    trap = _Trap(number, how)
    outcome = attempt(Production(root), call).outcome
    return trap.left <= 0, outcome


def commit_together(root: Path, token: str, go: Path) -> bool:
    """Stage, wait for the others, commit."""
    production = Production(root)
    contents = {"a.h5": token.encode(), "b/c.fits": token.encode() * 2}
    receipt, scratch = fakes.staged(production, contents, token=token)
    _wait_for(go)
    return commit(production, receipt, scratch)


def move_together(root: Path, step: str, unit: str, go: Path) -> None:
    """Wait for the others, then finish a move."""
    production = Production(root)
    receipt = current_receipt(production, step, unit)
    assert isinstance(receipt, Receipt)
    _wait_for(go)
    finish_move(production, receipt)


def attempt_together(root: Path, call: StepCall, go: Path) -> str:
    """Wait for the others, then attempt."""
    _wait_for(go)
    result = attempt(Production(root), call)
    return result.outcome if result.good else result.reason


def _wait_for(go: Path) -> None:
    while not go.exists():
        time.sleep(0.001)
