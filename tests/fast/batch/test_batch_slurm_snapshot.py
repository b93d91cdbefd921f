"""One look at SLURM serves all engines of a host; no file, clock or engine in trouble freezes or misleads them."""

from __future__ import annotations

import fcntl
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from slurm_says import print_queue

from osa_luigi.batch.slurm import snapshot
from osa_luigi.batch.slurm.adapter import look_folder
from osa_luigi.batch.slurm.client import Sighting, SlurmAway
from osa_luigi.batch.slurm.snapshot import AWAY_S, SharedSnapshot
from osa_luigi.errors import ExecutorError

NOON = 1_700_000_000.0
SEEN = Sighting("osa\n|", 12, 3, "FAILED", "NonZeroExitCode", 3, 0, "", "node1", None)
WAITING = Sighting("osa", 13, 0, "PENDING", "", 0, 0, "", "", None)


class Slurm:
    """Answers at once, and counts."""

    def __init__(self, *answer: Sighting) -> None:
        self.answer = list(answer)
        self.away = False
        self.asked = 0

    def queue_text(self) -> str:
        self.asked += 1
        if self.away:
            raise SlurmAway(f"trouble {self.asked}")
        return print_queue(self.answer)


@pytest.fixture
def slurm() -> Slurm:
    return Slurm(SEEN, WAITING)


@pytest.fixture
def engine(slurm: Slurm, tmp_path: Path) -> Callable[[], SharedSnapshot]:
    """Makes engines of one host."""
    return lambda: SharedSnapshot(slurm, tmp_path / "shared", 10)


@pytest.fixture
def uptime(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The machine's own clock, held still."""
    clock = [1000.0]
    monkeypatch.setattr(snapshot, "_uptime", lambda: clock[0])
    return clock


def test_a_look_serves_all_until_it_is_too_old(slurm: Slurm, engine: Callable[[], SharedSnapshot]) -> None:
    first = engine().get(NOON)
    assert first.sightings == (SEEN, WAITING)
    assert first.taken_at == NOON
    slurm.answer = []
    assert engine().get(NOON + 9) == first
    assert slurm.asked == 1
    later = engine().get(NOON + 11)
    assert (later.taken_at, later.sightings) == (pytest.approx(NOON + 11, abs=1), ())


@pytest.mark.parametrize("jump", [-3600, 3600])
def test_a_jump_of_the_clock_freezes_nothing(slurm: Slurm, engine: Callable[[], SharedSnapshot], jump: float) -> None:
    engine().get(NOON)
    assert engine().get(NOON + jump).taken_at == pytest.approx(NOON + jump, abs=1)
    assert engine().get(NOON + jump + 1).taken_at == pytest.approx(NOON + jump, abs=1)
    assert slurm.asked == 2


def test_a_clock_set_back_does_not_make_an_old_look_young(
    slurm: Slurm, engine: Callable[[], SharedSnapshot], uptime: list[float]
) -> None:
    engine().get(NOON)
    uptime[0] += 600
    engine().get(NOON + 1)
    assert slurm.asked == 2


def test_trouble_is_shared_and_passes(slurm: Slurm, engine: Callable[[], SharedSnapshot], uptime: list[float]) -> None:
    slurm.away = True
    for _ in range(3):
        with pytest.raises(SlurmAway, match="trouble 1"):
            engine().get(NOON)
    assert slurm.asked == 1
    slurm.away = False
    uptime[0] += AWAY_S + 1
    assert engine().get(NOON + AWAY_S + 1).sightings == (SEEN, WAITING)


def test_only_slurm_being_away_is_shared(slurm: Slurm, engine: Callable[[], SharedSnapshot]) -> None:
    def defect() -> str:
        raise ZeroDivisionError

    queue, slurm.queue_text = slurm.queue_text, defect  # type: ignore[method-assign]
    with pytest.raises(ZeroDivisionError):
        engine().get(NOON)
    slurm.queue_text = queue  # type: ignore[method-assign]
    assert engine().get(NOON).sightings == (SEEN, WAITING)


def test_no_file_is_believed_that_is_not_whole_and_ours(
    slurm: Slurm, engine: Callable[[], SharedSnapshot], tmp_path: Path
) -> None:
    engine().get(NOON)
    file = tmp_path / "shared" / "queue"
    good = file.read_text()
    line, rows = good.split("\n", 1)
    head = json.loads(line)
    others = [
        ({**head, "version": 2}, rows),
        ({**head, "boot": "another"}, rows),
        ({**head, "taken_at": None}, rows),
        (head, rows.replace("FAILED", "F4ILED")),
        (head, rows[: rows.index("\n13") + 1]),
        (head, rows * 2),
        (head, ""),
        ({name: value for name, value in head.items() if name != "trouble"}, rows),
        ([1], rows),
        (None, rows),
    ]
    torn = (good[:cut] for cut in range(1, len(good), 7))
    bad = ["", "\0" * len(good), *torn, *(f"{json.dumps(first)}\n{rest}" for first, rest in others)]
    for number, text in enumerate(bad, start=2):
        file.write_text(text)
        assert engine().get(NOON).sightings == (SEEN, WAITING), text
        assert slurm.asked == number, text
    file.write_bytes(b"\xff\xfe")
    engine().get(NOON)
    assert slurm.asked == len(bad) + 2


def test_of_a_look_that_is_too_old_only_the_first_line_is_read(
    slurm: Slurm, engine: Callable[[], SharedSnapshot], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine().get(NOON)
    slurm.answer = []
    monkeypatch.setattr(
        snapshot, "read_queue", lambda text: pytest.fail("what SLURM said long ago was read") if text else []
    )
    assert engine().get(NOON + 60).sightings == ()
    assert slurm.asked == 2


def test_an_answer_that_cannot_be_read_is_trouble_for_all(
    slurm: Slurm, engine: Callable[[], SharedSnapshot], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slurm, "queue_text", lambda: print_queue([SEEN])[:-3])
    for _ in range(2):
        with pytest.raises(SlurmAway, match="squeue: its answer cannot be read"):
            engine().get(NOON)
    monkeypatch.undo()
    with pytest.raises(SlurmAway, match="squeue: its answer cannot be read"):
        engine().get(NOON)
    assert slurm.asked == 0


def test_an_engine_stopped_in_its_midst_holds_nobody_up(
    slurm: Slurm, engine: Callable[[], SharedSnapshot], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot, "LOCK_S", 0.2)
    engine().get(NOON)
    with (tmp_path / "shared" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        engine().get(NOON + 60)
    assert slurm.asked == 2


def test_what_killed_writers_left_is_swept(
    engine: Callable[[], SharedSnapshot], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine().get(NOON)
    left = tmp_path / "shared" / ".queue.12-ab"
    left.touch()
    engine().get(NOON + 60)
    assert left.exists(), "it may be another's, who is still at it"
    monkeypatch.setattr(snapshot, "LOCK_S", -1)
    engine().get(NOON + 120)
    assert sorted(file.name for file in left.parent.iterdir()) == ["lock", "queue"]


def test_a_folder_that_others_can_write_to_is_refused(engine: Callable[[], SharedSnapshot], tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(0o777)
    with pytest.raises(ExecutorError, match="other users can write there"):
        engine().get(NOON)


def test_what_others_could_have_written_is_not_believed_however_fresh_it_is(
    engine: Callable[[], SharedSnapshot], slurm: Slurm, tmp_path: Path
) -> None:
    engine().get(NOON)
    (tmp_path / "shared").chmod(0o777)
    with pytest.raises(ExecutorError, match="other users can write there"):
        engine().get(NOON + 1)
    assert slurm.asked == 1


def test_without_a_folder_to_share_each_engine_asks_for_itself(
    engine: Callable[[], SharedSnapshot], slurm: Slurm, tmp_path: Path
) -> None:
    (tmp_path / "shared").touch()  # as on a full disk: no folder, no lock, no file
    assert engine().get(NOON).sightings == (SEEN, WAITING)
    assert engine().get(NOON + 1).sightings == (SEEN, WAITING)
    assert slurm.asked == 2


READER = """
import sys, time
from pathlib import Path
from osa_luigi.batch.slurm.client import SlurmClient
from osa_luigi.batch.slurm.snapshot import SharedSnapshot
client = SlurmClient(environment={"PATH": sys.argv[1]})
shared = SharedSnapshot(client, Path(sys.argv[2]), float(sys.argv[3]))
sys.stdin.readline()
taken = set()
for _ in range(40):
    taken.add(shared.get(time.time()).taken_at)
    time.sleep(0.05)
print(client.calls["squeue"], *taken)
"""


def test_several_engines_at_once_ask_once_per_interval(tmp_path: Path) -> None:
    squeue = tmp_path / "squeue"
    squeue.write_text(f"#!/bin/sh\n/bin/sleep 0.1\necho asked >> {tmp_path}/calls\n")
    squeue.chmod(0o755)
    interval = 0.8
    command = [sys.executable, "-c", READER, str(tmp_path), str(tmp_path / "shared"), str(interval)]
    engines = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(6)]
    began = time.monotonic()
    for engine in engines:
        assert engine.stdin is not None
        engine.stdin.write("go\n")
        engine.stdin.flush()
    printed = [engine.communicate(timeout=60)[0].split() for engine in engines]
    took = time.monotonic() - began
    asked = (tmp_path / "calls").read_text().count("asked")
    assert sum(int(words[0]) for words in printed) == asked
    assert len({moment for words in printed for moment in words[1:]}) == asked, "every look was everybody's"
    assert 2 <= asked <= took / interval + 1


def test_clusters_are_looked_at_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("SLURM_CONF", "/etc/one.conf")
    one = look_folder()
    assert look_folder() == one
    monkeypatch.setenv("SLURM_CONF", "/etc/other.conf")
    other = look_folder()
    assert one != other
    SharedSnapshot(Slurm(SEEN), one, 10).get(NOON)
    assert SharedSnapshot(Slurm(WAITING), other, 10).get(NOON).sightings == (WAITING,)
