"""The tiny night as the stock luigi command leaves it."""

from __future__ import annotations

import json
from pathlib import Path

from osa_luigi.products.digest import tables_digest
from osa_luigi.products.paperwork import LOGS, Paperwork
from osa_luigi.products.production import Production
from osa_luigi.steps.standing import Standing, standing
from tests.chain.conftest import ID
from tests.drills.nights import DAY, Site
from tests.drills.witness import judge, look

RUN = 2003
BRIGHT_PE = 100.0


def test_the_night_is_finished(night: Site) -> None:
    root = night.production(ID).root
    summary = json.loads((root / "NightFinished.json").read_text())
    assert (root / "NightFinished.txt").read_text().startswith("Night 20241115, production tiny: finished")
    assert summary["steps"] == {
        "drs4_baseline": 1,
        "charge_calibration": 1,
        "r0_to_dl1": 2,
        "dl1ab": 2,
        "datacheck": 2,
        "run_datacheck": 1,
        "run_plots": 1,
        "merge_dl1": 1,
        "merge_muons": 1,
        "dl2": 1,
        "longterm": 1,
    }


def test_every_declared_product_has_a_receipt_and_is_intact(night: Site) -> None:
    production = night.production(ID)
    seen = look(production)
    for place, call in night.session().plan.calls.values():
        assert place == production
        assert standing(call, seen.receipts.get(call.name)) is Standing.SAME, call.name
    verdict = judge(production, [seen])
    assert (verdict.lost, verdict.unverified, verdict.left) == ([], [], [])


def test_the_tables_digest_of_a_receipt_is_that_of_its_file(night: Site) -> None:
    production = night.production(ID)
    for receipt in look(production).receipts.values():
        for made in receipt.outputs:
            assert tables_digest(production.root / made.path) == made.tables, made.path


def test_every_event_arrives(night: Site) -> None:
    receipts = look(night.production(ID)).receipts
    events = [receipts[f"r0_to_dl1.Run{RUN:05d}.{subrun:04d}"].counts["events"] for subrun in (0, 1)]
    assert events == [120, 120]
    assert receipts[f"merge_dl1.Run{RUN:05d}"].counts["events"] == sum(events)


def test_energies_follow_the_truth(night: Site) -> None:
    """Spearman's rank correlation of reconstructed and true energy, for gammas above 100 p.e. (41 of them: 0.92)."""
    import numpy as np
    import pandas as pd
    from astropy.table import QTable

    found = pd.read_hdf(_dl2(night.production(ID)), "dl2/event/telescope/parameters/LST_LSTCam")
    assert np.isfinite(found[["reco_energy", "reco_alt", "reco_az", "gammaness"]]).all(axis=None)
    truth = QTable.read(night.base / "truth" / f"truth_{DAY:%Y%m%d}.ecsv").to_pandas()
    events = found.merge(truth[truth["run"] == RUN], on="event_id")
    bright = events[events["intensity"] > BRIGHT_PE]
    gammas = bright[bright["kind"] == "gamma"]
    assert len(gammas) > 25
    assert gammas["reco_energy"].corr(gammas["energy"], method="spearman") > 0.7
    others = bright[bright["kind"] == "proton"]
    assert gammas["gammaness"].median() > others["gammaness"].median() + 0.2


def _dl2(production: Production) -> Path:
    return production.root / "tailcut84" / "nsb_tuning_0.00" / f"dl2_LST-1.Run{RUN:05d}.h5"


def test_a_second_run_executes_nothing(night: Site) -> None:
    before = look(night.production(ID))
    again = night.run_night()
    after = look(night.production(ID))
    assert again.returncode == 0
    assert after == before


def test_what_is_printed_of_a_step_is_what_was_run(night: Site) -> None:
    unit = f"Run{RUN:05d}.0001"
    printed = night.osa("step", "run", "dl1ab", unit, "--date", DAY.isoformat(), "--print")
    papers = Paperwork(night.production(ID), unit)
    log = max(name for name in papers.names(LOGS) if name.startswith(f"dl1ab.{unit}."))
    command = next(line for line in papers.read(LOGS, log).decode().splitlines() if line.startswith("lstchain_dl1ab"))
    assert printed.returncode == 0
    assert printed.stdout.splitlines()[-1] == command
