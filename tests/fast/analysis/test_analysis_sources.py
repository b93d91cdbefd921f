"""What an analysis may read besides a reconstruction: a campaign, a point of one, another analysis."""

from __future__ import annotations

import json
from typing import Any

import luigi
import pytest
from analyses import add_analysis, run_analysis
from fake_nights import DAY, FAKE, FakeSite, new_process, run_night

from osa_luigi.batch.command import OsaFactory
from osa_luigi.config import load, load_analysis, load_main, procedure_names
from osa_luigi.config.kinds import ANALYSIS_TYPE
from osa_luigi.errors import ConfigurationError
from osa_luigi.ledger.lineage import Books, trace
from osa_luigi.ledger.making import Making
from osa_luigi.products.receipt import Receipt, current_receipt
from osa_luigi.tasks.analysis import AnalysisTask
from osa_luigi.tasks.campaign.standing import forget_configurations
from osa_luigi.tasks.campaign_task import CampaignTask
from osa_luigi.tasks.workflow import WorkflowTask

NAMES = '''
"""Writes down what it is given."""
import json


class Names:
    def __init__(self, parameters):
        pass

    def output(self):
        return {"files": ["names.txt"]}

    def run(self, data, output_dir):
        found = [[file.kind, file.procedure, file.path.name, file.date and file.date.isoformat()] for file in data.files]
        (output_dir / "names.txt").write_text(json.dumps(found))
'''
SECOND = {"class": "Names", "path": "names.py", "name": "second"}
PICTURE = {"key": ["dl1ab", "tailcuts", "picture_thresh"], "values": [8, 6]}
CAMPAIGN = {"name": "c", "type": "campaign", "reconstruction": "fake", "dates": ["2024-11-15"], "grid": [PICTURE]}


def add_second(site: FakeSite, **settings: Any) -> None:
    add_analysis(site, NAMES, **SECOND, **settings)


def read_by(site: FakeSite, folder: str = "20241115", production: str = "second") -> list[list[str]]:
    text = (site.data / "running_analysis" / folder / production / "names.txt").read_text()
    found: list[list[str]] = json.loads(text)
    return found


def receipt(site: FakeSite, production: str, unit: str = "night") -> Receipt:
    found = current_receipt(site.production(production), "analysis", unit)
    assert found is not None
    return found


def test_an_analysis_reads_what_another_one_left(night: FakeSite) -> None:
    add_analysis(night)
    add_second(night, of="count", reads=["analysis_summary", "analysis_files"])
    assert run_analysis(night, "second").scheduling_succeeded
    assert read_by(night) == [
        ["analysis_summary", "count", "count.h5", "2024-11-15"],
        ["analysis_files", "count", "runs.txt", "2024-11-15"],
    ]
    own, first = receipt(night, "second"), receipt(night, "count")
    assert {item["key"] for item in own.inputs if item["role"].startswith("analysis_")} == {first.key}
    lineage = trace([Making.of(night.production("second"), own)], Books())
    assert "20241115/count/analysis.night.1" in lineage.makings
    assert any(one.step == "r0_to_dl1" for one in lineage.makings.values())

    # another parameter there is another key here, and it is made again
    add_analysis(night, parameters={"factor": 3}, production_id="count3")
    assert run_analysis(night, "second").scheduling_succeeded
    assert receipt(night, "second").key != own.key
    assert receipt(night, "count3").key in {item["key"] for item in receipt(night, "second").inputs}


@pytest.fixture
def campaign(night: FakeSite) -> FakeSite:
    """With a campaign of two points whose one night is made."""
    night.procedures = {**night.procedures, "fake": FAKE, "c": CAMPAIGN}
    night.set_main(morning={"settle_minutes": 0})
    forget_configurations()
    for index in range(2):
        assert run_night(night, procedure=f"c@{index}").scheduling_succeeded
    return night


def test_an_analysis_of_a_campaign_reads_all_its_points_and_one_of_a_point_that_one(campaign: FakeSite) -> None:
    add_second(campaign, of="c", reads=["longterm"], scope="campaign")
    task = AnalysisTask(name="second")
    assert task.requires()[0] == CampaignTask(name="c")
    assert run_analysis(campaign, "second", date=()).scheduling_succeeded
    procedures = [procedure for _, procedure, _, _ in read_by(campaign, "campaigns")]
    assert procedures == ["c@0", "c@1"]
    add_second(campaign, of="c@1", reads=["longterm"], production_id="one")
    assert run_analysis(campaign, "second").scheduling_succeeded
    assert [procedure for _, procedure, _, _ in read_by(campaign, production="one")] == ["c@1"]

    # and one more over the campaign's analysis, which is of no single night
    add_second(campaign, of="c", reads=["longterm"], scope="campaign")
    add_analysis(
        campaign, NAMES, **{**SECOND, "name": "third"}, of="second", reads=["analysis_files"], scope="campaign"
    )
    assert run_analysis(campaign, "third").scheduling_succeeded
    assert read_by(campaign, "campaigns", "third") == [["analysis_files", "second", "names.txt", None]]


REFUSED = {
    "unknown": ({"of": "coutn"}, r"of: no reconstruction, campaign or analysis 'coutn' \(did you mean 'count'\?\)"),
    "itself": ({"of": "second"}, "of: analyses read one another in a circle: second → second"),
    "no point": ({"of": ["c@2"]}, r"of.0.: the campaign 'c' has the points 0 to 1, not 2"),
    "no campaign": ({"of": "fake@0"}, "no reconstruction, campaign or analysis 'fake@0'"),
    "kind": ({"of": "fake", "reads": ["analysis_summary"]}, "'analysis_summary' is what an analysis leaves, and `of`"),
    "dl2": ({"of": "count", "reads": ["dl2"]}, "'dl2' is what a reconstruction leaves, and `of` names none"),
    "wide": ({"of": "wide"}, "'wide' is made of many nights at once: this needs scope: campaign"),
    "no runs": ({"of": "count", "scope": "run"}, "scope: what it reads is made once for a night, not for each run"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_read_is_refused_before_anything_runs(fake_site: FakeSite, what: str) -> None:
    changes, said = REFUSED[what]
    fake_site.procedures = {"fake": FAKE, "c": CAMPAIGN}
    add_analysis(fake_site)
    add_analysis(fake_site, name="wide", scope="campaign")
    add_second(fake_site, **{"reads": ["analysis_files"], **changes})
    with pytest.raises(ConfigurationError, match=said):
        load_analysis(load_main(fake_site.config, check_files=False), "second")


def test_a_longer_circle_is_refused_in_each_of_its_analyses(fake_site: FakeSite) -> None:
    add_analysis(fake_site, of="second", reads=["analysis_files"])
    add_second(fake_site, of="count", reads=["analysis_files"])
    main = load_main(fake_site.config, check_files=False)
    for name in procedure_names(main, ANALYSIS_TYPE):
        with pytest.raises(ConfigurationError, match="in a circle"):
            load_analysis(main, name)


def test_a_calibration_found_by_way_of_another_analysis_is_still_from_own_products(fake_site: FakeSite) -> None:
    add_second(fake_site, of="fake", reads=["dl2"])
    add_analysis(fake_site, of="second", reads=["analysis_files"], provides_calibration="levels")
    fake_site.set("fake", dl1ab={"calibration": "levels"})
    with pytest.raises(ConfigurationError, match="from this procedure's own products"):
        load(fake_site.config, "fake", check_files=False)


@pytest.mark.usefixtures("borrowed")
def test_a_workflow_makes_a_calibration_between_two_reconstructions(fake_site: FakeSite) -> None:
    """Reconstruction, the analysis that provides, the reconstruction that takes it: from nothing, as one task."""
    later = {**FAKE, "name": "later", "production_id": "later", "dl1ab": {"calibration": "levels"}}
    fake_site.procedures = {"fake": FAKE, "later": later}
    add_analysis(fake_site, provides_calibration="levels")
    fake_site.set_main(workflows=[{"name": "chain", "tasks": ["fake", "count", "later"]}])
    new_process(fake_site.config)
    task = WorkflowTask(name="chain", date=DAY.isoformat())
    result = luigi.build([task], local_scheduler=True, worker_scheduler_factory=OsaFactory(), detailed_summary=True)
    assert result.scheduling_succeeded, result.summary_text
    made = current_receipt(fake_site.production("later"), "dl1ab", "Run02003.0000")
    assert made is not None
    assert [item["key"] for item in made.inputs if item["role"] == "provided"] == [receipt(fake_site, "count").key]
    assert fake_site.is_closed("later")
    new_process(fake_site.config)
    assert WorkflowTask(name="chain", date=DAY.isoformat()).complete()
