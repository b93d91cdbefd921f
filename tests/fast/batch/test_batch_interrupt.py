"""Ctrl-C: said in one line, and never lost."""

from __future__ import annotations

import signal
import sys
from typing import Any

import pytest
from luigi.task_register import Register
from worker_work import Hands, Part

from osa_luigi.batch.interrupt import CtrlC, end_quietly, stopped
from osa_luigi.batch.job import Event


@pytest.mark.parametrize("families", [[], ["Part", "Part"]])
def test_ctrl_c_is_one_line_that_says_what_was_stopped(families: list[str]) -> None:
    said = stopped([Part(str(number)) for number, _ in enumerate(families)])
    assert said.startswith(f"stopped by Ctrl-C; under way: {'2 Part' if families else 'nothing'}. ")
    assert "Give the same command again" in said


class Pressed:
    """Ctrl-C is pressed while Python cleans it up, for which it drops what is raised there."""

    def __del__(self) -> None:
        signal.raise_signal(signal.SIGINT)


class Cleaning(Hands):
    """Has such an object; its jobs never end."""

    def poll(self, timeout_s: float) -> list[Event]:
        if not self.told:
            self.told.append("")
            Pressed()
        return []


def test_ctrl_c_that_python_drops_is_not_lost(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    dropped: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: dropped.append(unraisable.exc_type))
    ctrl_c, hands = CtrlC(), Cleaning()
    ctrl_c.listen()
    with pytest.raises(KeyboardInterrupt):
        run(Part("x"), hands, ctrl_c=ctrl_c)
    assert dropped == [KeyboardInterrupt]
    assert hands.closed
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_nor_does_it_wait_until_the_executor_was_listened_to(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: None)
    monkeypatch.setattr(Register, "clear_instance_cache", lambda: Pressed() and None)
    ctrl_c, hands = CtrlC(), Cleaning()
    ctrl_c.listen()
    with pytest.raises(KeyboardInterrupt):
        run(Part("x"), hands, ctrl_c=ctrl_c)
    assert not hands.told


def test_where_ctrl_c_is_ignored_it_stays_so() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        ctrl_c = CtrlC()
        ctrl_c.listen()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        ctrl_c.leave()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_other_errors_keep_their_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    monkeypatch.setattr(sys, "excepthook", lambda kind, error, trace: seen.append(kind.__name__))
    end_quietly()
    for error in (KeyboardInterrupt(), ZeroDivisionError()):
        sys.excepthook(type(error), error, None)
    assert seen == ["ZeroDivisionError"]
