"""``osa adopt``: products of the same names, made by something else, become products of a production."""

from __future__ import annotations

import getpass
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from fake_nights import FakeSite
from fresh import server

from osa_luigi.products.digest import sha256
from osa_luigi.products.receipt import current_receipt

DATE = ("--date", "2024-11-15", "--production", "fake")
DECIDED = ("--as-production-settings", "--reason", "same lstchain and configuration")


def osa(config: Path, arguments: tuple[str, ...]) -> tuple[int, str, str]:
    """``osa adopt`` in a process of one thread, since verifying forks."""
    from osa_luigi.cli.app import app

    os.environ["OSA_CONFIG"] = str(config)
    done = CliRunner().invoke(app, ["adopt", "--json", *arguments, *DATE])
    return done.exit_code, done.stdout, done.stderr


def adopt(site: FakeSite, *arguments: str, code: int = 0) -> dict[str, Any]:
    done, out, err = server("osa_luigi.cli.adopt").call(osa, site.config, arguments)
    assert done == code, (out, err)
    return json.loads(out) if out else {"said": err}


@pytest.fixture
def theirs(finished: FakeSite, tmp_path: Path) -> Path:
    """What something else made of the same night: products without receipts; ours has none yet."""
    folder = tmp_path / "theirs"
    shutil.copytree(finished.production().root, folder, ignore=shutil.ignore_patterns(".osa", "NightFinished*"))
    shutil.rmtree(finished.data / "running_analysis")
    return folder


def outcomes(said: dict[str, Any]) -> dict[str, str]:
    return {f"{one['step']}.{one['unit']}": one["outcome"] for one in said["steps"]}


def test_nothing_is_taken_over_without_a_decision(finished: FakeSite, theirs: Path) -> None:
    said = adopt(finished, str(theirs))
    assert set(outcomes(said)) == {
        "drs4_baseline.Run02001",
        "charge_calibration.Run02002",
        *(
            f"{step}.{unit}"
            for step in ("r0_to_dl1", "dl1ab")
            for unit in ("Run02003.0000", "Run02003.0001", "Run02004.0000")
        ),
    }
    assert "settings of procedure fake" in said["assumed"]
    assert not finished.production().root.exists()
    assert "needs a --reason" in adopt(finished, str(theirs), "--as-production-settings", code=2)["said"]


def test_what_is_adopted_counts_and_says_so(finished: FakeSite, theirs: Path) -> None:
    before = {path: (path.stat().st_ino, path.stat().st_mode) for path in theirs.rglob("*") if path.is_file()}
    said = adopt(finished, str(theirs), *DECIDED)
    assert set(outcomes(said).values()) == {"made"}
    assert said["adopted"] == 8
    receipt = current_receipt(finished.production(), "dl1ab", "Run02003.0001")
    assert receipt is not None
    assert receipt.attempt["adopted"]["reason"] == "same lstchain and configuration"
    source = theirs / "tailcut84" / "dl1_LST-1.Run02003.0001.h5"
    assert receipt.attempt["adopted"]["files"] == {"dl1": str(source)}
    assert receipt.outputs[0].sha256 == sha256(source)
    # A file that nobody may write to is linked.
    assert source.samefile(finished.production().root / receipt.outputs[0].path)
    assert {path: (path.stat().st_ino, path.stat().st_mode) for path in before} == before
    again = adopt(finished, str(theirs), *DECIDED, code=1)
    assert {one["trouble"] for one in again["steps"]} == {"the production holds it already"}


def test_a_file_that_others_may_write_to_is_copied(finished: FakeSite, theirs: Path) -> None:
    source = theirs / "calibration" / "drs4_pedestal.Run02001.0000.h5"
    source.chmod(0o664)
    elsewhere = theirs / "Cat-A" / "drs4_baseline" / "20241115" / "pro"
    elsewhere.mkdir(parents=True)
    source.rename(elsewhere / source.name)
    assert outcomes(adopt(finished, str(elsewhere), *DECIDED)) == {"drs4_baseline.Run02001": "made"}
    own = finished.production().root / "calibration" / source.name
    assert not own.samefile(elsewhere / source.name)
    assert (elsewhere / source.name).stat().st_mode & 0o777 == 0o664
    assert not own.stat().st_mode & 0o222


def test_what_is_damaged_or_incomplete_is_refused(finished: FakeSite, theirs: Path) -> None:
    damaged = theirs / "dl1_LST-1.Run02003.0000.h5"
    content = damaged.read_bytes()
    damaged.unlink()
    damaged.write_bytes(content[: len(content) // 2])
    (theirs / "muons_LST-1.Run02004.0000.fits").unlink()
    said = adopt(finished, str(theirs), *DECIDED, code=1)
    assert {name: outcome for name, outcome in outcomes(said).items() if name.startswith("r0_to_dl1")} == {
        "r0_to_dl1.Run02003.0000": "failed",
        "r0_to_dl1.Run02003.0001": "made",
        "r0_to_dl1.Run02004.0000": "",
    }
    troubles = {f"{one['step']}.{one['unit']}": one["trouble"] for one in said["steps"]}
    assert troubles["r0_to_dl1.Run02004.0000"] == "no muons beside it"
    assert "missing input" in troubles["dl1ab.Run02003.0000"]
    assert current_receipt(finished.production(), "r0_to_dl1", "Run02003.0000") is None


def as_lstosa(theirs: Path, root: Path) -> Path:
    """The same files where LSTOSA leaves them: DL1a under running_analysis, all else in the site's tree."""
    night, production = "20241115", "v0.12"
    for file in sorted(path for path in theirs.rglob("*") if path.is_file()):
        tail = file.relative_to(theirs)
        dl1 = root / "DL1" / night / production
        place = {
            "tailcut84": dl1 / ("tailcut84/datacheck" if file.name.startswith("datacheck") else "tailcut84"),
            "interleaved": dl1 / "interleaved",
            "calibration": root
            / "monitoring/PixelCalibration/Cat-A"
            / file.name.partition("_")[0]
            / night
            / production,
        }.get(
            tail.parts[0],
            dl1 / "muons" if file.name.startswith("muons") else root / "running_analysis" / night / production,
        )
        place.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, place / file.name)
    return root


def test_lstosa_s_own_tree_is_adopted_and_provenance_says_by_whom_from_where_and_why(
    finished: FakeSite, theirs: Path, tmp_path: Path
) -> None:
    from osa_luigi.cli.app import app

    tree = as_lstosa(theirs, tmp_path / "site")
    said = adopt(finished, str(tree), *DECIDED)
    assert set(outcomes(said).values()) == {"made"}
    assert len(outcomes(said)) == 8  # DRS4, charge, DL1a and DL1b of three subruns
    production = finished.production()
    file = str(production.root / "tailcut84" / "dl1_LST-1.Run02003.0001.h5")
    asked = ["provenance", file, "--config", str(finished.config)]
    told = CliRunner().invoke(app, asked).output
    origin = tree / "DL1/20241115/v0.12/tailcut84/dl1_LST-1.Run02003.0001.h5"
    assert "adopted, not made here: 2" in told
    assert f"by {getpass.getuser()}, from {origin}: same lstchain and configuration" in told
    steps = json.loads(CliRunner().invoke(app, [*asked, "--json"]).output)["steps"]
    assert [step["made"][0]["adopted"]["reason"] for step in steps if "adopted" in step["made"][0]] == [
        "same lstchain and configuration"
    ] * 4
    document = CliRunner().invoke(app, [*asked, "--prov-json", "-"]).output
    activities = json.loads(document)["activity"].values()
    assert all(one["osa:adoptedBy"] == getpass.getuser() for one in activities if one["osa:step"] == "dl1ab")
    assert "nobody saw how the files were made" in document
