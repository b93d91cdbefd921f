"""The client against commands that lie, hang, babble or are not there; the real ones are in ``tests/slurm``."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from slurm_says import print_queue, queue_record

from osa_luigi.batch.slurm.client import Sighting, SlurmAway, SlurmClient, SlurmRefused
from osa_luigi.errors import ExecutorError, NoAccounting, SlurmAbsent

SINCE = datetime(2024, 11, 15, tzinfo=UTC)
QUESTIONS: dict[str, Callable[[SlurmClient], object]] = {
    "sbatch": lambda client: client.submit(Path("job.sh"), []),
    "squeue": lambda client: client.queue(),
    "sacct": lambda client: client.accounting([1], SINCE),
    "scancel": lambda client: client.cancel(1),
    "scontrol": lambda client: client.limits(),
}


class Commands:
    """A folder of SLURM's commands, each a shell script."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def say(self, name: str, *lines: str) -> None:
        path = self.folder / name
        path.write_text("\n".join(("#!/bin/sh", *lines, "")))
        path.chmod(0o755)

    def client(self, timeout_s: float = 30, **more: str) -> SlurmClient:
        return SlurmClient(timeout_s, {"PATH": f"{self.folder}:/usr/bin:/bin", **more})


@pytest.fixture
def commands(tmp_path: Path) -> Commands:
    return Commands(tmp_path)


@pytest.mark.parametrize("command", QUESTIONS)
def test_a_command_that_is_not_there(tmp_path: Path, command: str) -> None:
    """Waiting does not help; without sacct there is no accounting, as where SLURM keeps none."""
    client = SlurmClient(environment={"PATH": str(tmp_path)})
    with pytest.raises(NoAccounting if command == "sacct" else SlurmAbsent, match=f"{command} cannot be started"):
        QUESTIONS[command](client)
    assert client.calls == {command: 1}
    assert not client.ping()


@pytest.mark.parametrize("command", sorted(set(QUESTIONS) - {"scancel"}))
@pytest.mark.parametrize(
    "answer", ["Have you tried our new portal?", r"12\037", r"1\0370\037FAILED\037\n", r"\377\376"]
)
def test_babble_is_no_answer(commands: Commands, command: str, answer: str) -> None:
    commands.say(command, f"printf '{answer}'")
    with pytest.raises(SlurmAway, match="cannot be read"):
        QUESTIONS[command](commands.client())


@pytest.mark.parametrize("command", QUESTIONS)
def test_a_command_that_fails_without_a_word(commands: Commands, command: str) -> None:
    commands.say(command, "exit 1")
    with pytest.raises(SlurmAway, match="ended with 1: it said nothing"):
        QUESTIONS[command](commands.client())


@pytest.mark.parametrize("command", QUESTIONS)
def test_a_command_that_is_killed(commands: Commands, command: str) -> None:
    commands.say(command, "kill -9 $$")
    with pytest.raises(SlurmAway, match="ended with -9"):
        QUESTIONS[command](commands.client())


def test_an_empty_answer_with_trouble_is_none(commands: Commands) -> None:
    commands.say("squeue", "echo 'slurm_load_jobs error: Unable to contact slurm controller' >&2")
    with pytest.raises(SlurmAway, match="Unable to contact"):
        commands.client().queue()


def test_what_hangs_is_killed_with_all_that_it_started(commands: Commands) -> None:
    witness = commands.folder / "pids"
    commands.say("squeue", "echo working >&2", f"sleep 100 & echo $! $$ > {witness}", "wait")
    with pytest.raises(SlurmAway, match=r"did not end within 0\.3 s \(working\)"):
        commands.client(0.3).queue()
    assert all(gone(int(pid)) for pid in witness.read_text().split())


def test_what_a_command_leaves_behind_is_killed_too(commands: Commands) -> None:
    witness = commands.folder / "pid"
    commands.say("squeue", f"sleep 100 & echo $! > {witness}")  # it keeps the pipe open
    with pytest.raises(SlurmAway, match="did not end"):
        commands.client(0.3).queue()
    assert gone(int(witness.read_text()))


def gone(pid: int) -> bool:
    """Whether a killed process has ended; that takes it a moment."""
    for _ in range(500):
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
            os.kill(pid, 0)
        except (ProcessLookupError, FileNotFoundError):
            return True
        time.sleep(0.01)
    return False


AWAY = "Batch job submission failed: {}"


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (AWAY.format("Socket timed out on send/recv operation"), SlurmAway),
        (AWAY.format("Unable to contact slurm controller (connect failure)"), SlurmAway),
        (AWAY.format("Zero Bytes were transmitted or received"), SlurmAway),
        (AWAY.format("Resource temporarily unavailable"), SlurmAway),
        (AWAY.format("Slurm backup controller in standby mode"), SlurmAway),
        (AWAY.format("I/O error writing script/environment to file"), SlurmAway),
        (AWAY.format("Protocol authentication error"), SlurmAway),
        (AWAY.format("Invalid account or account/partition combination specified"), SlurmRefused),
        (AWAY.format("Invalid qos specification"), SlurmRefused),
        (
            AWAY.format("Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)"),
            SlurmRefused,
        ),
        (AWAY.format("Access/permission denied"), SlurmRefused),
        (AWAY.format("Required partition not available (inactive or drain)"), SlurmRefused),
        ("Segmentation fault", SlurmAway),
    ],
)
def test_a_no_is_told_from_no_answer(commands: Commands, words: str, error: type[ExecutorError]) -> None:
    commands.say(
        "sbatch", f'echo "sbatch: error: {words}" >&2' if error is SlurmRefused else f'echo "{words}" >&2', "exit 1"
    )
    with pytest.raises(error, match=words.split("(")[0]):
        commands.client().submit(Path("job.sh"), ["--partition=short"])


def test_a_refusal_that_passes_says_what_a_person_can_do(commands: Commands) -> None:
    commands.say("sbatch", f'echo "sbatch: error: {AWAY.format("Required partition not available")}" >&2', "exit 1")
    with pytest.raises(SlurmRefused, match=r"not available\. The partition takes no jobs for now: ask .*\.$"):
        commands.client().submit(Path("job.sh"), ["--partition=short"])


def test_no_setting_of_the_operator_reaches_a_command(commands: Commands) -> None:
    commands.say("sbatch", f"env > {commands.folder}/env", "echo 5")
    client = commands.client(SBATCH_ACCOUNT="mine", SLURM_JOB_ID="3", SLURM_CONF="/etc/slurm.conf", HOME="/")
    assert client.submit(Path("job.sh"), []) == 5
    seen = dict(line.split("=", 1) for line in (commands.folder / "env").read_text().splitlines())
    assert {name for name in seen if name.startswith("S")} == {"SLURM_CONF", "SLURM_TIME_FORMAT", "SLURM_BITSTR_LEN"}
    assert (seen["LC_ALL"], seen["HOME"]) == ("C", "/")


def test_a_time_is_asked_for_in_the_machines_zone(commands: Commands) -> None:
    commands.say("sacct", f'echo "$@" > {commands.folder}/words')
    assert commands.client().accounting([7, 3, 7], SINCE) == []
    words = (commands.folder / "words").read_text().split()
    asked = datetime.strptime(words[words.index("-S") + 1], "%Y-%m-%dT%H:%M:%S").astimezone()
    assert asked == SINCE
    assert words[words.index("-E") + 1] == "now"
    assert "--jobs=3,7" in words


def test_other_accounts_are_asked_for_too(commands: Commands) -> None:
    for command in ("squeue", "sacct"):
        commands.say(command, f'echo "$@" >> {commands.folder}/words')
    environment = {"PATH": f"{commands.folder}:/usr/bin:/bin"}
    SlurmClient(environment=environment).find("osa")
    SlurmClient(environment=environment, others=[8, 7]).find("osa")
    asked = [line.split() for line in (commands.folder / "words").read_text().splitlines()]
    me = str(os.getuid())
    assert [words[words.index("-u") + 1] for words in asked] == [me, me, f"{me},7,8", f"{me},7,8"]


def test_an_account_that_is_not_known_just_now_has_not_no_jobs(commands: Commands) -> None:
    """squeue leaves it out, and ends well."""
    commands.say("squeue", "echo 'squeue: error: Invalid user: 41001' >&2")
    with pytest.raises(SlurmAway, match="Invalid user: 41001"):
        commands.client().queue()


def test_what_is_another_users_is_not_released(commands: Commands) -> None:
    commands.say("scontrol", "echo 'slurm_suspend error: Invalid user id' >&2", "exit 1")
    with pytest.raises(SlurmRefused, match="refuses to release 1"):
        commands.client().release(1, [2])


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ("Kill job error on job id 1: Invalid job id specified", None),
        ("Kill job error on job id 1: Job/step already completing or completed", None),
        ("Kill job error on job id 1: Access/permission denied", SlurmRefused),
        ("Kill job error on job id 1: Unable to contact slurm controller (connect failure)", SlurmAway),
    ],
)
def test_to_cancel_what_is_over_is_no_error(commands: Commands, words: str, error: type[ExecutorError] | None) -> None:
    commands.say("scancel", f'echo "$@" > {commands.folder}/words', f"echo 'scancel: error: {words}' >&2", "exit 1")
    client = commands.client()
    if error is None:
        client.cancel(1, [3, 1, 2, 9])
        assert (commands.folder / "words").read_text() == "1_[1-3,9]\n"
    else:
        with pytest.raises(error, match="Kill job error"):
            client.cancel(1)


@pytest.mark.parametrize("name", ["", "a,b"])
def test_a_name_that_slurm_cannot_look_for(commands: Commands, name: str) -> None:
    with pytest.raises(ExecutorError, match="give jobs names without commas"):
        commands.client().find(name)


def test_jobs_of_before_midnight_are_still_looked_for(commands: Commands) -> None:
    """sacct by itself begins today at 0:00: what was submitted yesterday would not be there."""
    commands.say("squeue", "exit 0")
    commands.say("sacct", f'echo "$@" >> {commands.folder}/words')
    assert commands.client().find("osa.20241115.v1.1") == []
    commands.client().accounting([7], datetime.now(UTC) - timedelta(days=14))
    for line, days in zip((commands.folder / "words").read_text().splitlines(), (30, 14), strict=True):
        words = line.split()
        begin = datetime.fromisoformat(words[words.index("-S") + 1]).astimezone()
        assert abs(datetime.now(UTC) - begin - timedelta(days=days)) < timedelta(
            hours=2
        )  # summer time may begin between
        assert words[words.index("-E") + 1] == "now"


def test_what_the_cluster_has(commands: Commands) -> None:
    commands.say("sinfo", 'case "$*" in *%N*) echo node1; echo node1; echo node2 ;; *) echo short; echo long ;; esac')
    commands.say("sacctmgr", "echo lst; echo cta; echo lst")
    client = commands.client()
    assert client.partitions() == {"short", "long"}
    assert client.nodes() == {"node1", "node2"}
    assert client.accounts() == {"lst", "cta"}
    commands.say("sinfo", "echo slurm_load_partitions: Unable to contact slurm controller >&2", "exit 1")
    with pytest.raises(SlurmAway):
        client.partitions()


@pytest.mark.parametrize(
    ("reason", "asked", "reasons"),
    [
        ("Priority", 1, {1: "Priority", 2: "Priority", 3: "Priority"}),
        ("Priority,JobHeldUser", 2, {1: "Priority", 2: "JobHeldUser", 3: ""}),
    ],
)
def test_where_squeue_tells_several_reasons_in_one_line_it_is_asked_again(
    commands: Commands, reason: str, asked: int, reasons: dict[int, str]
) -> None:
    waiting = Sighting("osa", 7, 1, "PENDING", reason, 0, 0, "", "", None)
    apart = [
        replace(waiting, reason="Priority"),
        replace(waiting, index=2, reason="JobHeldUser"),
        replace(waiting, index=3, reason="", state="RUNNING", node="node1"),  # it started in between
    ]
    (commands.folder / "first").write_text(queue_record(waiting, "1-3"))
    (commands.folder / "again").write_text(print_queue(apart))
    commands.say(
        "squeue", f'case "$*" in *" -r --jobs=7") cat {commands.folder}/again;; *) cat {commands.folder}/first;; esac'
    )
    client = commands.client()
    assert {seen.index: seen.reason for seen in client.queue()} == reasons
    assert client.calls == {"squeue": asked}


@pytest.mark.parametrize("again", ["echo slurm_load_jobs error: Invalid job id specified >&2; exit 1", "exec sleep 60"])
def test_where_the_second_question_is_not_answered_the_first_answer_stands(commands: Commands, again: str) -> None:
    waiting = Sighting("osa", 7, 1, "PENDING", "Priority,JobHeldUser", 0, 0, "", "", None)
    running = replace(waiting, job=8, state="RUNNING", reason="", node="node1")
    (commands.folder / "first").write_text(queue_record(waiting, "1-3") + queue_record(running))
    commands.say("squeue", f'case "$*" in *" -r "*) {again};; *) cat {commands.folder}/first;; esac')
    client = commands.client(timeout_s=1)
    assert [(seen.job, seen.index) for seen in client.queue()] == [(7, 1), (7, 2), (7, 3), (8, 1)]
    assert client.calls == {"squeue": 2}
