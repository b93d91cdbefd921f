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
