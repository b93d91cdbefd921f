"""The example files load, and each is what it says it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from osa_luigi.config import STEPS, load, load_campaign, load_main, load_workflow, procedure_names, scientific, validate
from osa_luigi.errors import ConfigurationError

ROOT = Path(__file__).parents[3]
SIMULATED = ROOT / "configs/simulated.yaml"
LST1 = ROOT / "configs/lst1.yaml"


@pytest.fixture
def simulated_site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OSA_BASE", str(tmp_path))
    for name in (
        "R0",
        "monitoring/DrivePositioning",
        "monitoring/PixelCalibration/Cat-A/drs4_time_sampling_from_FF",
        "monitoring/PixelCalibration/Cat-A/ffactor_systematics",
        "models/AllSky/simulated_nsb_tuning_0.00/dec_2276",
    ):
        (tmp_path / name).mkdir(parents=True)
    return tmp_path


def test_the_simulated_site(simulated_site: Path) -> None:
    configuration = load(SIMULATED)
    assert configuration.main.site.base == simulated_site
    assert configuration.procedure.name == "simulated"
    charge = configuration.procedure.calibration.charge
    assert (charge.events_to_skip, charge.sample_size) == (50, 300)
    calculator = configuration.procedure.r0_to_dl1.config["LSTCalibrationCalculator"]
    assert calculator["PedestalIntegrator"]["sample_size"] == 300
    assert calculator["FlasherFlatFieldCalculator"]["sample_size"] == 300


def test_the_simulated_site_without_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OSA_BASE", raising=False)
    assert load_main(SIMULATED, check_files=False).site.base == ROOT / "demo"


def test_the_simulated_night_fits_two_cores_and_6_gb() -> None:
    main = load_main(SIMULATED, check_files=False)
    budget = 6_000 * 8 // 10
    assert all(main.resources_for(step).memory_mb <= budget for step in STEPS)
    assert 2 * main.resources_for("r0_to_dl1").memory_mb <= budget
    assert all(main.resources_for(step).cores == 1 for step in STEPS)


def test_fake_steps(simulated_site: Path) -> None:
    procedure = load(SIMULATED, "fake").procedure
    assert procedure.fake is not None
    real = load(SIMULATED, "simulated").procedure
    assert procedure.steps() == real.steps()
    assert procedure.production_id != real.production_id


def test_lst1(monkeypatch: pytest.MonkeyPatch) -> None:
    configuration = load(LST1, check_files=False)
    assert configuration.procedure.tailcuts.per_run
    assert configuration.procedure.r0_to_dl1.config["tailcut"]["picture_thresh"] == 8
    assert procedure_names(configuration.main) == ("lst1",)


@pytest.mark.skipif(Path("/fefs").exists(), reason="this is the site")
def test_lst1_elsewhere_names_what_is_missing() -> None:
    with pytest.raises(ConfigurationError, match=r"lst1.yaml:6:9: site.base: no such folder: /fefs/aswg/data/real"):
        load(LST1)


def test_the_stock_library_has_a_campaign_a_workflow_and_two_analyses(simulated_site: Path) -> None:
    names, problems = validate(SIMULATED)
    assert problems == []
    assert names == ["simulated", "fake", "cleaning", "datacheck_trend", "crab_rate"]
    main = load_main(SIMULATED)
    campaign = load_campaign(main, "cleaning")
    first, second = (load(SIMULATED, point.procedure) for point in campaign.all_points())
    ids = (first.procedure.production_id, second.procedure.production_id)
    assert [one.partition("-sim")[2] for one in ids] == ["-picture8", "-picture6"]
    assert scientific(first) == scientific(load(SIMULATED, "simulated")) != scientific(second)
    assert load_workflow(main, "first_look").order == ("simulated", "datacheck_trend", "crab_rate")
