from __future__ import annotations

import os
import shlex
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from fakes import fake_call
from hypothesis import given
from hypothesis import strategies as st

from osa_luigi.errors import StepError, VerificationError
from osa_luigi.steps.behaviour import behaviour
from osa_luigi.steps.catalogue import STEPS
from osa_luigi.steps.fake import FakeStep, check, content, main

keys = st.text("0123456789abcdef", min_size=1, max_size=40)


@given(keys, st.integers(0, 5))
def test_what_a_fake_leaves_is_verified(tmp_path_factory, key, size_kb):
    path = tmp_path_factory.getbasetemp() / "fake.h5"
    path.write_text(content(key, size_kb))
    check(path, key)
    assert path.stat().st_size == len(content(key, 0)) + size_kb * 1024


@given(keys, keys, st.integers(0, 3))
def test_a_fake_of_another_key_is_refused(tmp_path_factory, key, other, size_kb):
    path = tmp_path_factory.getbasetemp() / "fake.h5"
    path.write_text(content(key, size_kb))
    if key != other:
        with pytest.raises(VerificationError, match="not the whole fake product of step key"):
            check(path, other)


@given(st.data())
def test_a_fake_cut_short_or_changed_anywhere_is_refused(tmp_path_factory, data):
    whole = content("abc", 1).encode()
    path = tmp_path_factory.getbasetemp() / "fake.h5"
    position = data.draw(st.integers(0, len(whole) - 1))
    changed = bytearray(whole)
    changed[position] ^= data.draw(st.integers(1, 255))
    for damaged in (whole[:position], bytes(changed)):
        path.write_bytes(damaged)
        with pytest.raises(VerificationError, match=r"fake\.h5: not the whole"):
            check(path, "abc")


@pytest.mark.parametrize("text", ["", "\n", "[]\n", "null\n", '"fake"\n', "3\n", '{"fake": "abc"}\n'])
def test_what_is_no_fake_at_all_is_refused(tmp_path, text):
    (tmp_path / "x").write_text(text)
    with pytest.raises(VerificationError):
        check(tmp_path / "x", "abc")


def run_tool(call, folder: Path, monkeypatch) -> None:
    """The tool as an attempt runs it."""
    command = FakeStep().command(call)
    monkeypatch.chdir(folder)
    for made in command.folders:
        made.mkdir(parents=True, exist_ok=True)
    monkeypatch.setattr(sys, "argv", [command.tool.command, *command.arguments])
    main()


def test_the_tool_leaves_every_declared_output_and_they_are_verified(tmp_path, monkeypatch):
    call = fake_call()
    run_tool(call, tmp_path, monkeypatch)
    found = {role: tmp_path / place for role, place in FakeStep().produced(call).items()}
    assert all(path.is_file() for path in found.values())
    assert FakeStep().verify(call, found) == {"files": 2}


def test_the_command_can_be_printed_and_repeated(tmp_path, monkeypatch):
    shell = FakeStep().command(fake_call()).shell().splitlines()
    assert shell[0] == "mkdir -p muons"
    words = shlex.split(shell[1])
    assert words[:3] == ["python", "-m", "osa_luigi.steps.fake"]
    assert words[-2:] == ["r0_to_dl1.Run02008.0003.h5", "muons/r0_to_dl1.Run02008.0003.fits"]


@pytest.mark.parametrize(
    ("patterns", "asked"),
    [
        ([], False),
        (["r0_to_dl1:Run02008.0003"], True),
        (["r0_to_dl1:*"], True),
        (["*:Run02008.*"], True),
        (["*:*.000[0-3]"], True),
        (["dl1ab:*"], False),
        (["r0_to_dl1:Run02008"], False),
        (["R0_TO_DL1:*"], False),
        (["dl1ab:*", "*"], True),
    ],
)
@pytest.mark.parametrize("kind", ["fail", "die", "corrupt", "hang"])
def test_patterns_say_which_units_behave_badly(kind, patterns, asked):
    arguments = FakeStep().command(fake_call(**{kind: patterns})).arguments
    assert (f"--{kind}" in arguments) == asked


def test_told_to_fail_it_says_so(tmp_path, monkeypatch):
    with pytest.raises(StepError, match="told to fail"):
        run_tool(fake_call(fail=["*"]), tmp_path, monkeypatch)


def test_told_to_corrupt_it_ends_well_and_is_found_out(tmp_path, monkeypatch):
    call = fake_call(corrupt=["*"])
    run_tool(call, tmp_path, monkeypatch)
    found = {role: tmp_path / place for role, place in FakeStep().produced(call).items()}
    with pytest.raises(VerificationError):
        FakeStep().verify(call, found)


def test_told_to_die_or_hang_it_does(tmp_path, monkeypatch):
    done: list[tuple] = []
    monkeypatch.setattr(os, "kill", lambda *arguments: done.append(("kill", *arguments)))
    monkeypatch.setattr(time, "sleep", lambda seconds: done.append(("sleep", seconds)))
    run_tool(fake_call(die=["*"], duration_s=0.25), tmp_path, monkeypatch)
    run_tool(fake_call(hang=["*"]), tmp_path, monkeypatch)
    assert done == [("sleep", 0.25), ("kill", os.getpid(), 9), ("sleep", 1e9)]


def test_a_fake_stands_in_for_every_step_but_those_that_close():
    for name, step in STEPS.items():
        real = replace(fake_call(name), fake=None)
        assert behaviour(real) is step
        for fake in ({}, {"duration_s": 1}):
            stand_in = behaviour(replace(real, fake=fake))
            assert isinstance(stand_in, FakeStep) == (name not in ("close", "publish"))
