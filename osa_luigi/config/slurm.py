"""What may stand under ``executor.slurm``: part of the main file's schema, as data."""

from __future__ import annotations

from collections.abc import Iterable

from osa_luigi.config.rules import OPERATIONAL, Schema, leaf, names, section

RETRIES = {
    "tool": (0, "the tool failed, or its products did not pass"),
    "memory": (3, "it took more memory than it had asked for"),
    "time": (2, "it was over its time"),
    "node": (10, "its node failed"),
    "preempted": (100, "another job took its place"),
    "killed": (2, "a signal ended it that nobody explains"),
    "launch": (2, "it never came to run our program"),
    "vanished": (3, "SLURM forgot it"),
}
"""Cause → how often a job is tried again, and what the cause means."""

LONG_OPTION = r"--[a-z][a-z-]*(=.*)?"


def _count(default: int | None, doc: str, minimum: int = 1, unit: str | None = None) -> Schema:
    return leaf(OPERATIONAL, "integer", default, doc, min=minimum, **({"unit": unit} if unit else {}))


def _number(default: float | None, doc: str, minimum: float, unit: str | None = None) -> Schema:
    return leaf(OPERATIONAL, "number", default, doc, min=minimum, **({"unit": unit} if unit else {}))


def _word(default: str | None, doc: str) -> Schema:
    return leaf(OPERATIONAL, "string", default, doc, regex=r"[^\s,;'\"]+", hint="one word, without quotes and commas")


def _step(step: str) -> Schema:
    return section(
        f"What is otherwise for {step}; null: as for all.",
        {
            "partition": _word(None, f"Partition for {step}."),
            "account": _word(None, f"Account for {step}."),
            "qos": _word(None, f"Quality of service for {step}."),
            "nice": leaf(OPERATIONAL, "integer", None, f"How far {step} steps back behind other jobs."),
            "throttle": _count(None, f"Elements of one array of {step} at a time."),
            "extra": names(OPERATIONAL, [], f"Options of sbatch for {step}, after those for all."),
        },
        optional=True,
    )


_GROWTH: Schema = {
    "memory_factor": _number(1.5, "After a job ran out of memory it asks for so much more.", 1),
    "memory_cap_mb": _count(None, "But never for more than this (null: no limit).", unit="MB"),
    "time_factor": _number(1.5, "After a job ran out of time it asks for so much more.", 1),
    "time_cap_minutes": _number(None, "But never for more than this (null: no limit).", 0.01, "minutes"),
}

_FILE_PATH = "this file's folder"

_ENVIRONMENT: Schema = {
    "prologue": names(OPERATIONAL, [], "Lines of bash that a job runs first, such as `module load`."),
    "python": leaf(
        OPERATIONAL,
        "string",
        None,
        "The interpreter on the nodes (null: the one that runs the engine; in an image: python3).",
        minlength=1,
        path=_FILE_PATH,
    ),
    "image": leaf(
        OPERATIONAL,
        "string",
        None,
        "An Apptainer image in which jobs run (null: none).",
        minlength=1,
        path=_FILE_PATH,
    ),
    "archive": leaf(
        OPERATIONAL,
        "string",
        None,
        "An environment packed by `osa environment pack`, unpacked once on each node (null: none).",
        minlength=1,
        path=_FILE_PATH,
    ),
    "local_folder": leaf(
        OPERATIONAL,
        "string",
        "/tmp",
        "A folder on each node's own disk, where the archive is unpacked.",
        regex=r"/[A-Za-z0-9._/+-]*",
        hint="an absolute path of letters, digits and . _ + - /",
    ),
}


def slurm_section(steps: Iterable[str]) -> Schema:
    """The section, given the steps that there are."""
    return section(
        "The SLURM cluster.",
        {
            "partition": _word(None, "Partition of the jobs (null: the cluster's default)."),
            "account": _word(None, "Account that the jobs are charged to (null: the user's default)."),
            "qos": _word(None, "Quality of service of the jobs (null: the default)."),
            "nice": leaf(OPERATIONAL, "integer", 0, "How far the jobs step back behind other jobs."),
            "extra": names(OPERATIONAL, [], "Further options of sbatch, in their long form (--constraint=avx2)."),
            "throttle": _count(None, "Elements of one array at a time (null: no limit)."),
            "array_size": _count(1_000, "Elements in an array, at most."),
            "subruns_per_job": _count(1, "Subruns that one element of an array works off, one after the other."),
            "runs_per_job": _count(
                1,
                "Runs whose merges (or DL2, checks, plots, own calibrations), ready at the same look, share one allocation.",
            ),
            "poll_seconds": _number(30, "Time between two looks at the queue.", 0.1, "s"),
            "client_timeout_seconds": _number(30, "Time that one of SLURM's commands may take.", 1, "s"),
            "grace_seconds": _number(
                60,
                "How long a job's record or products may stay invisible after SLURM says that it ended.",
                0,
                "s",
            ),
            "in_flight": _count(20_000, "Jobs that are with SLURM at a time, at most."),
            "time_margin_minutes": _number(5, "Added to the time limit of an array's elements.", 0, "minutes"),
            "steps": section("What is otherwise for single steps.", {step: _step(step) for step in steps}),
            "retries": section(
                "How often a job is tried again, by the cause of its failure.",
                {cause: _count(number, f"If {meaning}.", 0) for cause, (number, meaning) in RETRIES.items()},
            ),
            "growth": section("What a job asks for when it is tried again.", _GROWTH),
            "give_up_after": _count(
                20,
                "Jobs of a step that are given up for the same, with no success between, after which the rest is not tried.",
            ),
            "environment": section("What a job finds on its node.", _ENVIRONMENT),
        },
    )
