"""Nights that go on after they were begun: what is there stays as it was made, and what one unit's input did is that unit's matter."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import stock
from astropy.table import Table
from fake_nights import DAY, RUNS, FakeSite, new_process, run_night
from luigi.execution_summary import LuigiStatusCode

from osa_luigi.batch.command import EXIT_CODES
from osa_luigi.night import CalibrationSource, compact
from osa_luigi.products.production import Production
from osa_luigi.products.receipt import Receipt, ReceiptBook
from osa_luigi.tasks.begun import calibration_in_use
from osa_luigi.tasks.opening import open_session
from osa_luigi.tasks.outlook import Kind, outlooks
from osa_luigi.tasks.part import CalibrationTask
from osa_luigi.tasks.session import Session

pytestmark = pytest.mark.usefixtures("borrowed")

EARLIER = date(2024, 11, 14)
START = 1_731_718_800
"""Unix seconds at which run 2003 began."""
TAI = 37
DATA = ((2003, "DATA", 2), (2004, "DATA", 1))
OTHERS = ((1901, "DRS4", 1), (1902, "PEDCALIB", 1), (1903, "DATA", 1))
LATER = ((1911, "DRS4", 1), (1912, "PEDCALIB", 1))


def opened(site: FakeSite, day: date = DAY, production: str = "") -> Session:
    """As a new process plans it."""
    new_process(site.config)
    return open_session(site.config, day, production)


def succeeds(site: FakeSite, day: date = DAY, **parameters: str) -> bool:
    """Run a night, in full."""
    return bool(run_night(site, day, **parameters).status is LuigiStatusCode.SUCCESS)


# ---- the drive log grows -----------------------------------------------------------------------------------------


def timed(site: FakeSite, *runs: tuple[Any, ...], until: int) -> Path:
    """A night of which it is known when each run began (ten minutes apart), with a drive log up to some second after the first."""
    site.night(*RUNS[:2], *runs)
    path = site.summary(*RUNS[:2], *runs)
    table = Table.read(path, format="ascii.ecsv")
    table["run_start"] = [(START + 600 * (run - 2003) + TAI) * 10**9 if run > 2002 else -1 for run in table["run_id"]]
    table.write(path, format="ascii.ecsv", delimiter=",", overwrite=True)
    log = site.data / "monitoring" / "DrivePositioning" / f"DrivePosition_log_{compact(DAY)}.txt"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("".join(f"{second} 95.0 20.0\n" for second in range(START - 600, START + until)))
    return log


@pytest.mark.parametrize("reached", [-300, -30, 100, 700], ids=["before", "at the margin", "in the run", "in the next"])
def test_a_drive_log_that_grows_makes_nothing_again(fake_site: FakeSite, reached: int) -> None:
    timed(fake_site, *DATA, until=reached)
    assert succeeds(fake_site)
    before = fake_site.made()
    timed(fake_site, *DATA, (2005, "DATA", 1), until=4000)
    assert succeeds(fake_site)
    new = set(fake_site.made()) - set(before)
    assert {name for name in new if "Run02005" in name} == new
    assert sorted(fake_site.made()) == sorted([*before, *new, "close.night", "longterm.night"])


def test_subruns_of_a_run_that_is_under_way_keep_each_its_pointing(fake_site: FakeSite) -> None:
    timed(fake_site, (2003, "DATA", 1), until=100)
    assert succeeds(fake_site)
    timed(fake_site, *DATA, until=4000)
    assert succeeds(fake_site)
    assert fake_site.made().count("r0_to_dl1.Run02003.0000") == 1
    assert all(item.made for item in outlooks(opened(fake_site)).values())
    timed(fake_site, *DATA, until=5000)
    assert "Did not run any tasks" in run_night(fake_site).summary_text


def test_a_drive_log_that_was_corrected_is_a_conflict_of_the_runs_that_used_it(fake_site: FakeSite) -> None:
    log = timed(fake_site, *DATA, until=4000)
    assert succeeds(fake_site)
    log.write_text(log.read_text().replace(f"{START + 100} 95.0", f"{START + 100} 96.0"))
    refused = {name: item for name, item in outlooks(opened(fake_site)).items() if item.kind is Kind.CONFLICT}
    assert refused.keys() == {"r0_to_dl1.Run02003.0000", "r0_to_dl1.Run02003.0001"}
    assert not any(item.refuses_night for item in refused.values())


# ---- calibration runs come late ----------------------------------------------------------------------------------


def test_a_night_begun_with_an_earlier_night_s_calibration_keeps_it(fake_site: FakeSite) -> None:
    fake_site.night(*OTHERS, day=EARLIER)
    fake_site.night(*DATA)
    assert succeeds(fake_site)
    before = fake_site.made()
    fake_site.night(*RUNS)
    assert "Did not run any tasks" in run_night(fake_site).summary_text
    assert fake_site.made() == before

    plan = opened(fake_site).plan
    assert plan.source == CalibrationSource(EARLIER, 1901, 1902)
    assert plan.newer == CalibrationSource(DAY, 2001, 2002)
    fake_site.night(*RUNS, (2005, "DATA", 1))
    assert succeeds(fake_site)
    assert {"dl2.Run02005"} <= set(fake_site.made())
    assert not any("Run02001" in name or "Run02002" in name for name in fake_site.made())
    assert opened(fake_site, production="new").plan.source == plan.newer


def test_a_night_that_lent_its_calibration_goes_on_with_the_one_that_it_was_begun_with(fake_site: FakeSite) -> None:
    """Its folder then holds a calibration that nothing of its own was made with."""
    before = date(2024, 11, 13)
    fake_site.night((1801, "DRS4", 1), (1802, "PEDCALIB", 1), day=before)
    fake_site.night(OTHERS[2], day=EARLIER)
    assert succeeds(fake_site, EARLIER)
    fake_site.night(*OTHERS, day=EARLIER)
    fake_site.night(*DATA)
    assert succeeds(fake_site)
    assert opened(fake_site).plan.source == CalibrationSource(EARLIER, 1901, 1902)
    assert opened(fake_site, EARLIER).plan.source == CalibrationSource(before, 1801, 1802)
    assert "Did not run any tasks" in run_night(fake_site, EARLIER).summary_text


def test_later_calibration_runs_of_an_earlier_night_do_not_stop_tonight(fake_site: FakeSite) -> None:
    fake_site.night(*OTHERS, day=EARLIER)
    assert succeeds(fake_site, EARLIER)
    fake_site.night(*OTHERS, *LATER, day=EARLIER)
    fake_site.night(*DATA)
    assert succeeds(fake_site)
    plan = opened(fake_site).plan
    assert plan.source == CalibrationSource(EARLIER, 1901, 1902)
    assert plan.newer == CalibrationSource(EARLIER, 1911, 1912)
    assert "Did not run any tasks" in run_night(fake_site, EARLIER).summary_text


def test_what_else_is_wrong_in_the_earlier_night_does_not_stop_tonight(fake_site: FakeSite) -> None:
    fake_site.night(*OTHERS, day=EARLIER)
    assert succeeds(fake_site, EARLIER)
    theirs = fake_site.loosen(day=EARLIER)
    _change(theirs, "dl1ab.Run01903.0000", _other_settings)
    _change(theirs, "charge_calibration.Run01902", lambda data: data.update(outputs=_nowhere(data["outputs"])))
    _engine_elsewhere(theirs)
    fake_site.night(*DATA)
    assert succeeds(fake_site)
    assert fake_site.is_closed()
    assert _receipt(theirs, "charge_calibration.Run01902").generation == 2


def test_an_earlier_night_s_calibration_that_was_made_otherwise_does(
    fake_site: FakeSite, caplog: pytest.LogCaptureFixture
) -> None:
    fake_site.night(*OTHERS, day=EARLIER)
    assert succeeds(fake_site, EARLIER)
    fake_site.night(*DATA)
    fake_site.set(calibration={"charge": {"sample_size": 77}})
    assert not succeeds(fake_site)
    assert "sample_size" in caplog.text
    assert not fake_site.attempts()


def test_a_calibration_task_stands_for_what_its_night_needs(fake_site: FakeSite) -> None:
    fake_site.night(*OTHERS, day=EARLIER)
    fake_site.night(*DATA)
    new_process(fake_site.config)
    (job,) = CalibrationTask(date=DAY, production="fake").jobs()
    assert [call.name for call in job.calls] == ["drs4_baseline.Run01901", "charge_calibration.Run01902"]
    assert (job.production, job.engine) == (
        fake_site.production(day=EARLIER).root,
        fake_site.production().root,
    )
    assert not (fake_site.production(day=EARLIER).state / "engine").exists()


def test_data_calibrated_by_the_event_builder_tell_their_calibration_by_cat_b(fake_site: FakeSite) -> None:
    """A Cat-B calibration names the charges that it starts from; the receipt of these names the DRS4 run."""
    fake_site.night(*OTHERS, day=EARLIER)
    fake_site.set(cat_b={"enabled": True})
    fake_site.night((2003, "DATA", 1, 127))
    night = opened(fake_site).plan.night
    assert succeeds(fake_site, EARLIER)
    assert succeeds(fake_site)
    book = ReceiptBook(fake_site.production())
    assert calibration_in_use(night, book) == CalibrationSource(EARLIER, 1901, 1902)


# ---- an input of one unit changes ---------------------------------------------------------------------------------


def _raw_of_another_size(site: FakeSite) -> str:
    (site.data / "R0" / compact(DAY) / "LST-1.1.Run02003.0001.fits.fz").write_bytes(b"another size")
    return "input raw: without"


def _pedestal_ids_come_late(site: FakeSite) -> str:
    folder = site.data / "auxiliary" / "PedestalFinder" / compact(DAY)
    folder.mkdir(parents=True)
    (folder / "pedestal_ids_Run02003.0001.h5").write_bytes(b"ids")
    return "input pedestal_ids: none →"


@pytest.mark.parametrize("change", [_raw_of_another_size, _pedestal_ids_come_late])
def test_another_input_of_one_subrun_stops_its_run_and_no_other(
    finished: FakeSite, change: Callable[[FakeSite], str]
) -> None:
    before = finished.made()
    finished.night(*RUNS, (2005, "DATA", 1))
    told = change(finished)
    said = stock.run(finished)
    assert said.code == EXIT_CODES["task_failed"]
    (error,) = said.lines("ERROR")
    for words in ("r0_to_dl1.Run02003.0001 exists in production fake", told, "Nothing was changed. Restore the input"):
        assert words in error
    new = set(finished.made()) - set(before)
    assert {"dl2.Run02005", "run_plots.Run02005"} <= new
    assert all("Run02005" in name for name in new)
    assert finished.reasons().keys() == {"r0_to_dl1.Run02003.0001"}


def test_models_are_not_a_matter_of_one_unit(finished: FakeSite) -> None:
    """Else a run that came later would get other models than the rest of the production."""
    finished.night(*RUNS, (2005, "DATA", 1))
    for run in ("Run02003", "Run02004"):
        _change(finished.loosen(), f"dl2.{run}", _other_models)
    before = finished.made()
    said = stock.run(finished)
    assert said.code == EXIT_CODES["task_failed"]
    assert "holds 2 steps that were made with other scientific settings, software or models" in said.text
    assert finished.made() == before


def _other_models(data: dict[str, Any]) -> None:
    models = next(item for item in data["inputs"] if item["role"] == "models")
    models["identity"] = {"name": "others"}
    data["key"] = "k" * 40


# ---- receipts as others left them ---------------------------------------------------------------------------------


def _receipt(production: Production, name: str) -> Receipt:
    receipt = ReceiptBook(production).receipt(name)
    assert receipt is not None
    return receipt


def _change(production: Production, name: str, change: Callable[[dict[str, Any]], object]) -> None:
    receipt = _receipt(production, name)
    path = production.receipts(receipt.unit) / f"{name}.{receipt.generation}.json"
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


def _other_settings(data: dict[str, Any]) -> None:
    data["settings"]["images"] = "others"
    data["key"] = "k" * 40


def _nowhere(outputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same files, of a size that they do not have: lost."""
    return [{**made, "size": made["size"] + 1} for made in outputs]


def _engine_elsewhere(production: Production) -> None:
    """The lease of an engine on another machine, of which nothing can be known from here."""
    held = {"host": "elsewhere", "boot": "b", "pid": 1, "process_started": 1.0, "start_ticks": 1, "since": "2024-11-15"}
    folder = production.state / "engine"
    folder.mkdir(exist_ok=True)
    generation = len(list(folder.glob("*.json"))) + 1
    (folder / f"{generation}.json").write_text(json.dumps(held))
