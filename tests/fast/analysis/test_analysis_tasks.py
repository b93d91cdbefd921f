"""Analyses through the real luigi, over fake nights: order, receipts, identity, isolation."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path

import pytest
import tables
from analyses import TROUBLE, add_analysis, run_analyses, run_analysis
from fake_nights import DAY, FAKE, FakeSite, run_night

from osa_luigi.config import load
from osa_luigi.errors import ConfigurationError
from osa_luigi.ledger.lineage import Books, trace
from osa_luigi.ledger.making import Making
from osa_luigi.products.digest import sha256
from osa_luigi.products.integrity import product_files
from osa_luigi.products.production import Production
from osa_luigi.products.receipt import current_receipt


def test_an_analysis_of_a_night_is_made_once_with_receipt_and_marker(night: FakeSite) -> None:
    add_analysis(night)
    result = run_analysis(night)
    assert result.scheduling_succeeded, result.summary_text
    place = night.production("count")
    receipt = current_receipt(place, "analysis", "night")
    assert receipt is not None
    assert [made.role for made in receipt.outputs] == ["summary", "calibration", "file:more/runs.txt"]
    assert receipt.counts == {"files": 3, "rows": 3}
    assert (place.root / "more" / "runs.txt").read_text() == "2003 2004"
    assert json.loads((place.root / "levels.json").read_text()) == {"tailcut": {"picture_thresh": 8}}
    assert "finished" in (place.root / "NightFinished.txt").read_text()
    assert run_analysis(night).scheduling_succeeded
    assert night.made("count") == ["analysis.night", "close.night"]

    # under another production id it is linked; what is lost is made again
    assert run_analysis(night, production="again").scheduling_succeeded
    assert night.made("again") == ["close.night"]
    linked = night.production("again").root / "count.h5"
    assert linked.stat().st_nlink == 2
    linked.unlink()
    assert run_analysis(night, production="again").scheduling_succeeded
    assert rows(linked) == [2003, 2004, 0]


def test_each_run_is_a_part_and_their_summaries_are_merged(night: FakeSite) -> None:
    add_analysis(night, scope="run", reads=["dl2"], merge=True)
    assert run_analysis(night).scheduling_succeeded
    place = night.production("count")
    assert night.made("count") == ["analysis.Run02003", "analysis.Run02004", "close.night", "merge_analysis.night"]
    assert rows(place.root / "count.h5") == [2003, 2004]
    assert (place.root / "Run02003" / "more" / "runs.txt").read_text() == "2003"


def rows(path: Path) -> list[int]:
    with tables.open_file(str(path)) as file:
        return [int(run) for run in file.root.count.col("run")]


ENDS = {
    "raising": r"Trouble: KeyError: 'intensity' \(.*trouble.py, line 2\d, in raising\)",
    "leaving": r"its process ended before run\(\) returned",
    "exiting": r"Trouble: SystemExit: 0 \(.*in exiting\)",
    "killed": "killed by SIGKILL",
    "endless": "ran over its time limit",
    "writing": r"Trouble: PermissionError: .*mine.txt",
    "destroying": r"Trouble: PermissionError: .*dl2_LST-1.Run02003.h5",
}


def test_what_becomes_of_one_run_touches_nothing_else(night: FakeSite, tmp_path: Path) -> None:
    """Analyses that fail, die, hang, or write elsewhere."""
    mine = tmp_path / "mine.txt"
    for how in ENDS:
        settings = {"name": how, "class": "Trouble", "path": "trouble.py", "scope": "run", "reads": ["dl2"]}
        limit = {"time_limit_minutes": 0.02 if how == "endless" else 5}
        add_analysis(night, TROUBLE, **settings, resources=limit, parameters={"how": how, "elsewhere": str(mine)})
    before = digests(night.production("fake"))
    assert not run_analyses(night, *ENDS).scheduling_succeeded
    for how, said in ENDS.items():
        assert night.made(how) == ["analysis.Run02004"]
        assert re.search(said, night.reasons(how)["analysis.Run02003"]), night.reasons(how)
        assert not list(night.production(how).scratch.iterdir())
    assert digests(night.production("fake")) == before
    assert not mine.exists()


def digests(production: Production) -> dict[str, str]:
    return {str(path): sha256(production.root / path) for path in product_files(production)}


def test_another_source_or_parameter_is_another_analysis(night: FakeSite) -> None:
    path = add_analysis(night)
    assert run_analysis(night).scheduling_succeeded
    path.write_text(path.read_text() + "\n# changed\n")
    assert not run_analysis(night).scheduling_succeeded
    assert "made otherwise: sources.count.py" in night.reasons("count")["analysis.night"]
    assert run_analysis(night, production="count2").scheduling_succeeded
    add_analysis(night, parameters={"factor": 2})
    assert not run_analysis(night).scheduling_succeeded
    assert "made otherwise: parameters.factor" in night.reasons("count")["analysis.night"]


def test_a_campaign_reads_many_nights_and_grows_with_them(night: FakeSite) -> None:
    later = DAY + timedelta(3)
    night.night((2101, "DRS4", 1), (2102, "PEDCALIB", 1), (2103, "DATA", 1), day=later)
    add_analysis(night, scope="campaign", reads=["dl2"])
    assert run_analysis(night).scheduling_succeeded
    root = night.data / "running_analysis" / "campaigns" / "count"
    assert rows(root / "count.h5") == [2003, 2004]
    # the second night is not made yet: its NightTask comes first
    assert run_analysis(night, date=(DAY, later)).scheduling_succeeded
    assert rows(root / "count.h5") == [2003, 2004, 2103]
    assert not run_analysis(night).scheduling_succeeded
    assert "without that of Run02103" in reasons(root)


def reasons(root: Path) -> str:
    records = [json.loads(path.read_text()) for path in root.glob(".osa/attempts/campaign/*.json")]
    return " ".join(record["reason"] for record in records)


def test_an_analysis_waits_for_the_nights_that_it_reads(night: FakeSite) -> None:
    """A product that was lost in the night is made again before it is read."""
    add_analysis(night)
    lost = next(night.production("fake").root.rglob("dl2_*.Run02003.h5"))
    lost.unlink()
    assert run_analysis(night).scheduling_succeeded
    assert lost.exists()


def test_what_is_not_there_is_said(night: FakeSite, caplog: pytest.LogCaptureFixture) -> None:
    add_analysis(night, reads=["cat_b"])
    assert not run_analysis(night).scheduling_succeeded
    assert "reads cat_b (the Cat-B calibration of each run), of which there is nothing in" in caplog.text
    add_analysis(night, source="class Count:\n    pass\n")
    assert not run_analysis(night).scheduling_succeeded
    assert "has no method output and no run" in caplog.text
    add_analysis(night)
    assert not run_analysis(night, date=(DAY, DAY + timedelta(1))).scheduling_succeeded
    assert "takes one night at a time (scope: night), not 2" in caplog.text


def test_what_an_analysis_provides_is_used_by_a_later_reconstruction(
    night: FakeSite, caplog: pytest.LogCaptureFixture
) -> None:
    """Its key is in the later products' keys, and it is among what they were made from."""
    add_analysis(night, provides_calibration="levels")
    second = {**FAKE, "name": "second", "production_id": "second", "dl1ab": {"calibration": "levels"}}
    night.procedures = {**night.procedures, "second": second}
    night.write()
    assert not run_night(night, procedure="second").scheduling_succeeded
    assert "provides, which is not made for this night. Run it first: luigi" in caplog.text
    assert run_analysis(night).scheduling_succeeded
    assert run_night(night, procedure="second").scheduling_succeeded
    place = night.production("second")
    made = current_receipt(place, "dl1ab", "Run02003.0000")
    analysis = current_receipt(night.production("count"), "analysis", "night")
    assert made is not None
    assert analysis is not None
    assert [item["key"] for item in made.inputs if item["role"] == "provided"] == [analysis.key]
    assert (place.root / "tailcut84" / "dl1_LST-1.Run02003.0000.h5").exists()
    lineage = trace([Making.of(place, made)], Books())
    assert "20241115/count/analysis.night.1" in lineage.makings
    assert any(one.step == "r0_to_dl1" for one in lineage.makings.values())


def test_a_calibration_that_cannot_be(night: FakeSite) -> None:
    add_analysis(night, provides_calibration="levels")
    night.set("fake", dl1ab={"calibration": "levels"})
    with pytest.raises(ConfigurationError, match="is found by the analysis 'count' from this procedure's own products"):
        load(night.config, check_files=False)
    night.set("fake", dl1ab={"calibration": "level"})
    with pytest.raises(ConfigurationError, match=r"no analysis provides 'level' \(did you mean 'levels'\?\)"):
        load(night.config, check_files=False)
