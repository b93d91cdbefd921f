"""A packed environment: really packed, unpacked by the script on a "node", and run from there alone."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner
from fakes import fake_call
from fresh import until

from osa_luigi.batch.job import Job
from osa_luigi.batch.slurm import environment as packing
from osa_luigi.batch.slurm.records import INTENT, RecordReader, write_jobs
from osa_luigi.batch.slurm.script import write_script
from osa_luigi.cli.app import app
from osa_luigi.config import SlurmEnvironment
from osa_luigi.errors import ExecutorError

WHERE = "import sys; print(*{m.__file__ for m in sys.modules.values() if getattr(m, '__file__', None)}, sep='\\n')"


@dataclass
class Small:
    """A small environment that was packed, and is gone."""

    archive: Path
    packed: packing.Packed


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Small:
    folder = tmp_path_factory.mktemp("small")
    site = folder / "site-packages"
    site.mkdir()
    installed = packing.site_packages()[0]
    for name in ("psutil", "ruamel", "orjson"):
        shutil.copytree(installed / name, site / name)
    (site / "__editable___osa_luigi_finder.py").write_text("raise RuntimeError('it points to where we were')")
    archive = folder / "env.tar"
    packed = packing.pack(archive, [site])
    site.rename(folder / "hidden")
    (folder / "hidden").chmod(0)
    return Small(archive, packed)


def array_of(tmp_path: Path, archive: Path, local: Path, production) -> Path:
    array = tmp_path / "array"
    environment = SlurmEnvironment((), None, None, archive, local)
    write_script(array, environment)
    (array / INTENT).write_text(json.dumps({"cache": str(tmp_path / "cache")}))
    jobs = [Job(f"j{n}", production.root, (fake_call(unit=f"Run02008.{n:04}"),)) for n in range(4)]
    write_jobs(array, [(index, 0, job) for index, job in enumerate(jobs)])
    return array


def start(array: Path, index: int) -> subprocess.Popen[str]:
    given = {"SLURM_ARRAY_JOB_ID": "42", "SLURM_ARRAY_TASK_ID": str(index), "PATH": os.environ["PATH"], "HOME": "/"}
    return subprocess.Popen(
        ["/bin/bash", "-p", str(array / "script.sh")], env=given, stderr=subprocess.PIPE, text=True, cwd="/"
    )


def unpacked(local: Path, small: Small) -> Path:
    return local / f"osa-{os.getuid()}" / small.packed.identity


def test_elements_that_start_together_unpack_once_and_run_from_there(small, production, tmp_path) -> None:
    local = tmp_path / "local"
    local.mkdir()
    array = array_of(tmp_path, small.archive, local, production)
    elements = [start(array, index) for index in range(3)]
    said = [element.communicate(timeout=120)[1] for element in elements]
    assert [element.returncode for element in elements] == [0, 0, 0], said
    assert [record.outcome for record in RecordReader(array).new()] == ["done", "ended"] * 3
    place = unpacked(local, small)
    assert sorted(os.listdir(place.parent)) == [small.packed.identity, "lock"]
    modules = subprocess.run(
        [place / "bin" / "python", "-P", "-c", f"import osa_luigi.batch.slurm.element; {WHERE}"],
        env={},
        cwd="/",
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    assert len(modules) > 50
    if Path(sys.base_prefix) != packing.SYSTEM:
        assert [path for path in modules if not path.startswith(f"{place}/")] == []
    assert f"{place}/{packing.LIBRARY}/osa_luigi/batch/slurm/element.py" in modules


def test_a_killed_unpacking_is_done_again(small, production, tmp_path) -> None:
    local = tmp_path / "local"
    local.mkdir()
    array = array_of(tmp_path, small.archive, local, production)
    place = unpacked(local, small)
    part = place.with_name(f"{place.name}.part")
    half = subprocess.Popen(
        ["/bin/bash", "-p", str(array / "script.sh")], env={"PATH": os.environ["PATH"]}, start_new_session=True
    )
    until(part.exists, "it is unpacked")
    os.killpg(half.pid, signal.SIGKILL)
    half.wait()
    assert not place.exists()
    element = start(array, 0)
    element.communicate(timeout=120)
    assert element.returncode == 0
    assert (place / packing.COMPLETE).exists()
    assert not part.exists()


def test_old_ones_are_removed_when_a_new_one_comes(small, production, tmp_path) -> None:
    local = tmp_path / "local"
    folder = local / f"osa-{os.getuid()}"
    days_ago = time.time() - 86400 * (packing.KEPT_DAYS + 2)
    for name in ("old", "used"):
        (folder / name).mkdir(parents=True, mode=0o700)
        (folder / name / packing.COMPLETE).touch()
    os.utime(folder / "old" / packing.COMPLETE, (days_ago, days_ago))
    array = array_of(tmp_path, small.archive, local, production)
    element = start(array, 0)
    element.communicate(timeout=120)
    assert sorted(os.listdir(folder)) == sorted([small.packed.identity, "lock", "used"])
    complete = folder / small.packed.identity / packing.COMPLETE
    os.utime(complete, (days_ago, days_ago))
    element = start(array, 1)
    element.communicate(timeout=120)
    assert complete.stat().st_mtime > days_ago + 86400


def test_where_it_cannot_be_unpacked_it_says_so(small, production, tmp_path) -> None:
    array = array_of(tmp_path, small.archive, tmp_path / "file", production)
    (tmp_path / "file").write_text("no folder")
    element = start(array, 0)
    said = element.communicate(timeout=60)[1]
    assert element.returncode == 1
    assert "executor.slurm.environment.local_folder" in said
    assert RecordReader(array).new() == []


# ---- another archive at the same place ---------------------------------------------------------------------------------


@pytest.fixture
def packs(tmp_path, monkeypatch):
    """Packs a package of some version to some place."""
    monkeypatch.setattr(packing, "_interpreter", lambda prefix: {})
    monkeypatch.setattr(packing, "_editable", lambda folders: [])
    site = tmp_path / "site-packages"
    site.mkdir()

    def pack(archive: Path, version: str) -> packing.Packed:
        (site / "pack.py").write_text(f"VERSION = '{version}'\n")
        (site / "large.bin").write_bytes(version.encode() * 500_000)
        return packing.pack(archive, [site])

    return pack


PLACES = ["env.tar", "env.tar.gz", "with 'quotes' and $(touch made) {it}/env.tar"]


@pytest.fixture(params=PLACES)
def place(request, tmp_path) -> Path:
    archive = tmp_path / request.param
    archive.parent.mkdir(exist_ok=True)
    return archive


def bash(archive: Path, local: Path, before: str = "") -> list[str]:
    """The script of a job that is submitted now; it prints what it would run with."""
    lines = packing.unpacking(archive, local)
    return ["/bin/bash", "-pc", "\n".join([before, *lines, f'cat "$environment/{packing.LIBRARY}/pack.py"'])]


def ran(command: list[str], cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, env={"PATH": os.environ["PATH"]}, cwd=cwd, capture_output=True, text=True, check=False
    )


def left(local: Path) -> list[str]:
    return sorted(os.listdir(local / f"osa-{os.getuid()}"))


def test_a_job_that_waited_does_not_start_with_what_was_packed_since(packs, place, tmp_path) -> None:
    first = packs(place, "old")
    waiting = [bash(place, tmp_path / f"node {number}") for number in range(2)]
    assert ran(waiting[0], tmp_path).stdout == "VERSION = 'old'\n"
    second = packs(place, "new")
    assert first.identity != second.identity
    refused = ran(waiting[1], tmp_path)
    assert (refused.returncode, refused.stdout) == (1, "")
    last = refused.stderr.splitlines()[-1]
    assert last.startswith(f"{tmp_path}/node 1/osa-{os.getuid()}/{first.identity}: {place} was packed again")
    assert "osa cancel --all --date" in last
    assert left(tmp_path / "node 1") == ["lock"]
    # who has it unpacked goes on, and a new job has its own beside it
    assert ran(waiting[0], tmp_path).stdout == "VERSION = 'old'\n"
    assert ran(bash(place, tmp_path / "node 0"), tmp_path).stdout == "VERSION = 'new'\n"
    assert left(tmp_path / "node 0") == sorted([first.identity, second.identity, "lock"])
    packs(place, "old")
    assert ran(waiting[1], tmp_path).stdout == "VERSION = 'old'\n"
    assert not (tmp_path / "made").exists()


def test_many_that_start_with_another_archive_all_say_so(packs, tmp_path) -> None:
    packs(archive := tmp_path / "env.tar", "old")
    waiting = bash(archive, tmp_path / "local")
    packs(archive, "new")
    os.truncate(archive, 20_480)  # it is enough to see how it begins
    started = [subprocess.Popen(waiting, stderr=subprocess.PIPE, text=True) for _ in range(5)]
    assert ["was packed again" in element.communicate(timeout=60)[1] for element in started] == [True] * 5
    assert {element.returncode for element in started} == {1}
    assert left(tmp_path / "local") == ["lock"]


WHILE_IT_IS_READ = """tar() {{
  case $1 in -xOf) command tar "$@" ;; *) {then}; command tar "$@" ;; esac
}}
"""


def test_an_archive_that_is_replaced_between_the_looks_is_found_out(packs, tmp_path) -> None:
    packs(archive := tmp_path / "env.tar", "old")
    packs(new := tmp_path / "new.tar", "new")
    refused = ran(bash(archive, tmp_path / "local", WHILE_IT_IS_READ.format(then=f"cp '{new}' '{archive}'")), tmp_path)
    assert refused.returncode == 1
    assert "was packed again" in refused.stderr.splitlines()[-1]
    assert left(tmp_path / "local") == ["lock"]


def end_of_members(archive: Path) -> int:
    with tarfile.open(archive) as tar:
        return tar.getmember(packing.END).offset


@pytest.mark.parametrize(
    ("archive", "keep", "words"),
    [
        ("env.tar", lambda path: end_of_members(path), "is cut short"),
        ("env.tar", lambda path: end_of_members(path) - 5000, "cannot be unpacked there. Look for room and rights"),
        ("env.tar", lambda path: 100, "cannot be read on this node"),
        ("env.tar.gz", lambda path: path.stat().st_size - 100, "(gzip: stdin: unexpected end of file)"),
    ],
)
def test_a_torn_archive_is_not_used(packs, tmp_path, archive, keep, words) -> None:
    packs(place := tmp_path / archive, "old")
    waiting = bash(place, tmp_path / "local")
    os.truncate(place, keep(place))
    refused = ran(waiting, tmp_path)
    assert refused.returncode == 1
    assert words in refused.stderr.splitlines()[-1]
    assert left(tmp_path / "local") == ["lock"]


def test_a_node_without_room_says_so_and_keeps_nothing(packs, tmp_path) -> None:
    packs(archive := tmp_path / "env.tar", "old")
    refused = ran(bash(archive, tmp_path / "local", "ulimit -f 1000; trap '' XFSZ"), tmp_path)
    assert refused.returncode == 1
    last = refused.stderr.splitlines()[-1]
    assert "Look for room and rights" in last
    assert "(tar: " in last
    assert left(tmp_path / "local") == ["lock"]


def test_an_archive_of_an_earlier_version_is_to_be_packed_again(packs, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(packing, "FORMAT", 1)
    packs(archive := tmp_path / "env.tar", "old")
    monkeypatch.undo()
    with pytest.raises(ExecutorError, match="Make it with `osa environment pack`"):
        packing.unpacking(archive, tmp_path)


# ---- packing -----------------------------------------------------------------------------------------------------------


def test_the_same_content_is_the_same_environment(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(packing, "_interpreter", lambda prefix: {})
    site = tmp_path / "site-packages"
    (site / "pack").mkdir(parents=True)
    (site / "pack" / "__init__.py").write_text("A = 1")
    first = packing.pack(tmp_path / "a.tar", [site])
    again = packing.pack(tmp_path / "b.tar.gz", [site])
    assert first.identity == again.identity == packing.identity_of(tmp_path / "b.tar.gz")
    assert again.size < first.size
    (site / "pack" / "__init__.py").write_text("A = 2")
    assert packing.pack(tmp_path / "a.tar", [site]).identity != first.identity
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tar", "b.tar.gz", "site-packages"]


def test_packages_in_editable_mode_come_from_where_they_lie(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(packing, "_interpreter", lambda prefix: {})
    monkeypatch.syspath_prepend(tmp_path / "work")
    (tmp_path / "work" / "my_tool").mkdir(parents=True)
    (tmp_path / "work" / "my_tool" / "__init__.py").touch()
    site = tmp_path / "site-packages"
    info = site / "my_tool-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-tool\nVersion: 1.0\n")
    (info / "direct_url.json").write_text(json.dumps({"url": "file:///x", "dir_info": {"editable": True}}))
    (site / "__editable__.my_tool-1.0.pth").write_text(str(tmp_path / "work"))
    packing.pack(tmp_path / "a.tar", [site])
    with tarfile.open(tmp_path / "a.tar") as tar:
        names = [name.removeprefix(f"{packing.LIBRARY}/") for name in tar.getnames()]
    assert names[0] == packing.MANIFEST
    assert "my_tool/__init__.py" in names
    assert "osa_luigi/batch/slurm/element.py" in names
    assert not any(name.startswith("__editable__") for name in names)


def test_where_it_cannot_be_written(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(packing, "_interpreter", lambda prefix: {})
    with pytest.raises(ExecutorError, match="choose another place"):
        packing.pack(tmp_path / "none" / "a.tar", [])


def test_the_command(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(packing, "_interpreter", lambda prefix: {})
    monkeypatch.setattr(packing, "site_packages", list)
    archive = tmp_path / "a.tar"
    said = CliRunner().invoke(app, ["environment", "pack", str(archive), "--json"])
    assert said.exit_code == 0, said.output
    assert json.loads(said.output)["identity"] == packing.identity_of(archive)
    assert " files of " in CliRunner().invoke(app, ["environment", "pack", str(archive)]).output
    bad = CliRunner().invoke(app, ["environment", "pack", str(tmp_path / "none" / "a.tar")])
    assert bad.exit_code == 3
