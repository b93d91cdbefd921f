"""``executor.slurm``: its defaults, what steps inherit, and what is refused."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from osa_luigi.config import SlurmPlace


def put(site, text: str) -> None:
    """Choose SLURM, with lines of its section; the first one of them is line 8 of the file."""
    lines = "".join(f"    {line}\n" for line in text.splitlines()) or "    {}\n"
    site.edit("executor:\n", f"executor:\n  type: slurm\n  slurm:\n{lines}")


def test_defaults(site) -> None:
    put(site, "")
    executor = site.load().main.executor
    slurm = executor.slurm
    assert executor.type == "slurm"
    assert slurm.place == slurm.place_of("dl1ab") == SlurmPlace(None, None, None, 0, None, ())
    assert (slurm.array_size, slurm.subruns_per_job, slurm.in_flight, slurm.give_up_after) == (1000, 1, 20_000, 20)
    assert (slurm.poll_seconds, slurm.client_timeout_seconds, slurm.grace_seconds) == (30, 30, 60)
    assert slurm.time_margin_minutes == 5
    assert dict(slurm.retries) == {
        "tool": 0,
        "memory": 3,
        "time": 2,
        "node": 10,
        "preempted": 100,
        "killed": 2,
        "launch": 2,
        "vanished": 3,
    }
    assert (slurm.growth.memory_factor, slurm.growth.time_factor) == (1.5, 1.5)
    assert (slurm.growth.memory_cap_mb, slurm.growth.time_cap_minutes) == (None, None)
    environment = slurm.environment
    assert (environment.python, environment.image, environment.archive) == (None, None, None)
    assert environment.local_folder == Path("/tmp")


def test_a_step_has_what_is_for_all_unless_it_says_otherwise(site) -> None:
    put(
        site,
        "partition: short\nthrottle: 50\nextra: [--constraint=avx2]\n"
        "steps:\n  dl2: {partition: long, nice: 7, extra: [--exclusive]}",
    )
    slurm = site.load().main.executor.slurm
    assert slurm.place_of("dl1ab") == SlurmPlace("short", None, None, 0, 50, ("--constraint=avx2",))
    assert slurm.place_of("dl2") == SlurmPlace("long", None, None, 7, 50, ("--constraint=avx2", "--exclusive"))


def test_this_machine_is_no_measure_for_a_cluster(site) -> None:
    site.edit("memory_mb: 3000", "memory_mb: 2000000000")
    assert "the executor has only" in site.problem()
    put(site, "")
    assert site.load().main.resources_for("r0_to_dl1").memory_mb == 2_000_000_000


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("--array=1-9", "the engine sets this itself"),
        ("--arr=1-9", "the engine sets this itself"),
        ("--job-name=x", "the engine sets this itself"),
        ("--wait", "the engine sets this itself"),
        ("--mem=4G", "set resources.<step>.memory_mb instead"),
        ("--time=10", "set resources.<step>.time_limit_minutes instead"),
        ("--partition=long", "set executor.slurm.partition instead"),
        ("-p long", "write options in their long form"),
        ("--constraint avx2", "write options in their long form"),
        ("avx2", "write options in their long form"),
    ],
)
def test_options_that_are_the_engines(site, option: str, words: str) -> None:
    put(site, f'extra: [--reservation=osa, "{option}"]')
    problem = site.problem()
    assert problem.startswith("main.yaml:8:32: executor.slurm.extra[1]: ")
    assert repr(option) in problem
    assert words in problem


def test_options_of_a_step_are_looked_at_too(site) -> None:
    put(site, "steps:\n  dl2: {extra: [--output=x]}")
    assert "executor.slurm.steps.dl2.extra[0]: '--output=x': the engine sets" in site.problem()


def test_options_that_only_look_alike(site) -> None:
    put(site, "extra: [--mem-bind=local, --exclusive, --comment=a=b, --gres=gpu:1]")
    assert len(site.load().main.executor.slurm.place.extra) == 4


def test_caps_below_what_a_step_asks_for(site) -> None:
    site.add("  dl2: {memory_mb: 3000, time_limit_minutes: 60}\n", "main.yaml")
    put(site, "growth: {memory_cap_mb: 5999, time_cap_minutes: 150}")
    problems = site.problems()
    assert any("growth.memory_cap_mb: 5999 MB is less than dl1ab asks for at first (6000 MB" in p for p in problems)
    assert any("growth.time_cap_minutes: 150 minutes is less than drs4_baseline" in p for p in problems)
    assert not any("r0_to_dl1" in p for p in problems)


def test_paths_of_the_environment(site) -> None:
    for name in ("env.tar", "python"):
        (site.folder / name).touch(mode=0o755)
    put(site, "environment: {archive: env.tar, local_folder: /scratch, prologue: [module load x]}")
    environment = site.load().main.executor.slurm.environment
    assert environment.archive == site.folder / "env.tar"
    assert (environment.local_folder, environment.prologue) == (Path("/scratch"), ("module load x",))


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ("{image: a.sif}", "image: no such file, or it may not be read: "),
        ("{archive: a.tar}", "archive: no such file, or it may not be read: "),
        ("{python: a/python}", "python: no such program, or it may not be run: "),
        ("{local_folder: scratch}", "local_folder: 'scratch' will not do: an absolute path"),
        (
            f"{{image: {sys.executable}, archive: {sys.executable}}}",
            "archive: cannot be had together with image: leave one of them out",
        ),
        (
            f"{{python: {sys.executable}, archive: {sys.executable}}}",
            "python: cannot be had together with archive: leave one of them out",
        ),
    ],
)
def test_environments_that_cannot_be(site, environment: str, words: str) -> None:
    put(site, f"environment: {environment}")
    assert f"executor.slurm.environment.{words}" in site.problem()


def test_an_interpreter_in_an_image_is_not_looked_for_here(site) -> None:
    (site.folder / "a.sif").touch()
    put(site, "environment: {image: a.sif, python: python3.11}")
    assert site.load().main.executor.slurm.environment.python == Path("python3.11")
    site.edit("python: python3.11", "python: /opt/env/bin/python")
    assert site.load().main.executor.slurm.environment.python == Path("/opt/env/bin/python")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("array_size: 0", "must be at least 1"),
        ("growth: {memory_factor: 0.5}", "must be at least 1"),
        ("retries: {tol: 1}", "unknown key (did you mean 'tool'?)"),
        ('partition: "a b"', "one word, without quotes and commas"),
        ("steps: {dl1a: {}}", "unknown key (did you mean"),
    ],
)
def test_what_the_schema_refuses(site, line: str, words: str) -> None:
    put(site, line)
    assert words in site.problem()
