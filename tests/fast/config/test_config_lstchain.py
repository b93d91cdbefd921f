"""lstchain's configurations: where they are found, how overrides go in, what is refused."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from osa_luigi.config.lstchain_config import lstchain_data

if TYPE_CHECKING:
    from tests.fast.config.conftest import SiteOnDisk


def test_the_shipped_configuration_is_whole(site: SiteOnDisk) -> None:
    config = site.load().procedure.r0_to_dl1.config
    assert config["tailcut"]["picture_thresh"] == 8
    assert config["events_filters"]["intensity"] == (0, math.inf)


def test_overrides_change_single_keys(site: SiteOnDisk) -> None:
    site.add(
        "r0_to_dl1:\n  overrides:\n"
        "    LSTCalibrationCalculator:\n      PedestalIntegrator: {sample_size: 50}\n"
        "    events_filters: {wl: [0.1, .inf]}\n"
    )
    config = site.load().procedure.r0_to_dl1.config
    calculator = config["LSTCalibrationCalculator"]
    assert calculator["PedestalIntegrator"]["sample_size"] == 50
    assert calculator["PedestalIntegrator"]["sample_duration"] == 100_000
    assert calculator["FlasherFlatFieldCalculator"]["sample_size"] == 10_000
    assert config["events_filters"]["wl"] == (0.1, math.inf)
    assert config["events_filters"]["r"] == (0, math.inf)


def test_an_empty_mapping_takes_any_key(site: SiteOnDisk) -> None:
    site.add("dl1ab: {overrides: {volume_reducer: {algorithm: x, parameters: {a: {b: 1}}}}}\n")
    reducer = site.load().procedure.dl1ab.config["volume_reducer"]
    assert reducer["parameters"]["a"]["b"] == 1
    assert reducer["algorithm"] == "x"


def test_overrides_of_one_section_leave_the_others_alone(site: SiteOnDisk) -> None:
    site.add("r0_to_dl1: {overrides: {tailcut: {picture_thresh: 10}}}\n")
    procedure = site.load().procedure
    assert procedure.r0_to_dl1.config["tailcut"]["picture_thresh"] == 10
    assert procedure.dl1ab.config["tailcut"]["picture_thresh"] == 8


@pytest.mark.parametrize(
    ("overrides", "complaint"),
    [
        (
            "tailcut: {pictur_thresh: 9}",
            "p.yaml:7:15: dl1ab.overrides.tailcut.pictur_thresh: "
            "unknown key in the lstchain configuration (did you mean 'picture_thresh'?)",
        ),
        (
            "sample_size: 50",
            "p.yaml:7:5: dl1ab.overrides.sample_size: unknown key in the lstchain configuration "
            "(it exists as LSTCalibrationCalculator.PedestalIntegrator.sample_size "
            "and LSTCalibrationCalculator.FlasherFlatFieldCalculator.sample_size)",
        ),
        (
            "tailcut: 8",
            "p.yaml:7:14: dl1ab.overrides.tailcut: must be 'key: value' lines, not 8 "
            "(it is 'key: value' lines in the file)",
        ),
        (
            'tailcut: {delta_time: "2"}',
            "p.yaml:7:27: dl1ab.overrides.tailcut.delta_time: must be a number, not '2' (it is 2 in the file)",
        ),
        (
            "tailcut: {delta_time: true}",
            "p.yaml:7:27: dl1ab.overrides.tailcut.delta_time: must be a number, not true (it is 2 in the file)",
        ),
        (
            "write_pe_image: yes",
            "p.yaml:7:21: dl1ab.overrides.write_pe_image: must be true or false, not 'yes' (it is false in the file)",
        ),
        (
            "allowed_tels: 1",
            "p.yaml:7:19: dl1ab.overrides.allowed_tels: must be a list, not 1 (it is a list in the file)",
        ),
        (
            "dynamic_cleaning: {threshold: .nan}",
            "p.yaml:7:35: dl1ab.overrides.dynamic_cleaning.threshold: "
            "must not be .nan, which equals nothing, not even itself",
        ),
    ],
)
def test_an_override_that_does_not_fit(site: SiteOnDisk, overrides: str, complaint: str) -> None:
    site.add(f"dl1ab:\n  overrides:\n    {overrides}\n")
    assert site.problem() == complaint


def test_a_file_of_ones_own_completes_the_standard(site: SiteOnDisk) -> None:
    (site.folder / "own.json").write_text('{"tailcut": {"picture_thresh": 6, "boundary_thresh": 3}}')
    site.add("dl1ab: {config: own.json}\n")
    config = site.load().procedure.dl1ab.config
    assert dict(config["tailcut"]) == {"picture_thresh": 6, "boundary_thresh": 3}
    assert config["disp_method"] == "disp_norm_sign"


def test_a_calibration_file_of_ones_own_stands_alone(site: SiteOnDisk) -> None:
    (site.folder / "own.json").write_text('{"a": 1}')
    site.add("cat_b: {config: own.json}\n")
    assert dict(site.load().procedure.cat_b.config) == {"a": 1}


def test_the_content_counts_not_the_name(site: SiteOnDisk) -> None:
    before = site.load().procedure.dl1ab
    data = lstchain_data()
    assert data is not None
    (site.folder / "copy.json").write_text((data / "lstchain_standard_config.json").read_text())
    site.add("dl1ab: {config: copy.json}\n")
    assert site.load().procedure.dl1ab == before


def test_a_changed_file_is_read_again(site: SiteOnDisk) -> None:
    own = site.folder / "own.json"
    own.write_text('{"a": 1}')
    site.add("cat_b: {config: own.json}\n")
    site.load()
    own.write_text('{"a": 200}')
    assert site.load().procedure.cat_b.config["a"] == 200


def test_thresholds_of_a_file_are_compared_too(site: SiteOnDisk) -> None:
    (site.folder / "own.json").write_text('{"tailcut": {"picture_thresh": 3, "boundary_thresh": 6}}')
    site.add("dl1ab: {config: own.json}\n")
    wanted = "p.yaml:5:17: dl1ab.config: boundary_thresh 6 is above picture_thresh 3 in tailcut"
    assert site.problem() == wanted


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("{", "own.json:1:2: not valid JSON: Expecting property name enclosed in double quotes"),
        ("[]", "own.json:1:1: a JSON object is expected at the top of the file"),
        ('{\n"a": 1,\n"b" 2}', "own.json:3:5: not valid JSON: Expecting ':' delimiter"),
        ("[" * 100_000, "own.json: not usable JSON: "),
    ],
)
def test_a_broken_file(site: SiteOnDisk, content: str, complaint: str) -> None:
    (site.folder / "own.json").write_text(content)
    site.add("dl1ab: {config: own.json}\n")
    assert site.problem().startswith(f"p.yaml:5:17: dl1ab.config: {site.folder}/{complaint}")


def test_a_missing_file_is_named_in_full(site: SiteOnDisk) -> None:
    site.add("dl1ab: {config: sub/../none.json}\n")
    assert site.problem() == f"p.yaml:5:17: dl1ab.config: {site.folder}/none.json: no such file"


def test_a_shipped_file_misspelt(site: SiteOnDisk) -> None:
    site.add("dl1ab: {config: lstchain:lstchain_standart_config.json}\n")
    wanted = (
        f"p.yaml:5:17: dl1ab.config: no such file: {lstchain_data()}/lstchain_standart_config.json "
        "(did you mean 'lstchain_standard_config.json'?)"
    )
    assert site.problem() == wanted


def test_a_directory_as_a_file(site: SiteOnDisk) -> None:
    site.add("dl1ab: {config: data}\n")
    assert site.problem() == f"p.yaml:5:17: dl1ab.config: {site.folder}/data: is a directory, a file is expected"


def test_a_variable_in_a_files_name(site: SiteOnDisk, monkeypatch: pytest.MonkeyPatch) -> None:
    (site.folder / "own.json").write_text('{"a": 1}')
    monkeypatch.setenv("OSA_TEST_CONFIGS", str(site.folder))
    site.add("cat_b: {config: '${OSA_TEST_CONFIGS}/own.json'}\n")
    assert site.load().procedure.cat_b.config["a"] == 1


def test_without_lstchain(site: SiteOnDisk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("osa_luigi.config.lstchain_config.lstchain_data", lambda: None)
    problems = site.problems()
    assert "p.yaml:1:1: dl1ab.config: lstchain is not installed here" in problems


def test_without_lstchain_the_production_id_needs_no_version(site: SiteOnDisk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["osa_luigi.config.build"], "lstchain_version", lambda: None)
    assert site.load().procedure.production_id == "v1"
    site.edit("v1", '"v{lstchain}"', "p.yaml")
    assert site.problem().startswith("p.yaml:2:16: production_id: lstchain is not installed here")


def test_loading_never_imports_lstchain(site: SiteOnDisk) -> None:
    script = (
        "import sys, json, osa_luigi; before = set(sys.modules); import osa_luigi.config as c; c.load(sys.argv[1]);"
        "heavy = {'lstchain', 'ctapipe', 'astropy', 'numpy'};"
        "print(json.dumps(sorted(heavy & (set(sys.modules) - before))))"
    )
    done = subprocess.run([sys.executable, "-c", script, str(site.main)], capture_output=True, check=True)
    assert json.loads(done.stdout) == []
