"""What a change reaches is made again, and nothing else."""

from __future__ import annotations

from tests.chain.conftest import ID, Configured
from tests.drills.nights import Site
from tests.drills.witness import Seen, look

WITHOUT_PLOTS = ("plots: true", "plots: false")
"""A minute of CPU that these tests can do without."""
OTHER_CLEANING = ("picture_thresh: 8", "picture_thresh: 10")


def test_a_lost_product_is_made_again_and_nothing_else(elsewhere: Site) -> None:
    production = elsewhere.production(ID)
    linked = elsewhere.run_night()
    before = look(production)
    (lost,) = production.root.rglob("dl2_LST-1.*.h5")
    lost.unlink()
    remade = elsewhere.run_night()
    after = look(production)
    assert (linked.returncode, remade.returncode) == (0, 0)
    assert _executed(before) == set()
    assert _executed(after) == {"dl2.Run02003"}
    assert {name: receipt.generation for name, receipt in after.receipts.items() if receipt.generation != 1} == {
        "dl2.Run02003": 2
    }
    del before.inodes["dl2.Run02003"], after.inodes["dl2.Run02003"]
    assert after.inodes == before.inodes


def test_a_scientific_change_is_refused_under_the_same_production_id(configured: Configured) -> None:
    site = configured()
    assert site.run_night().returncode == 0
    before = look(site.production(ID))
    refused = configured(OTHER_CLEANING).run_night()
    assert refused.returncode != 0
    assert "picture_thresh: 8 → 10" in refused.stdout
    assert "Nothing was changed." in refused.stdout
    assert look(site.production(ID)) == before


def test_under_a_new_id_only_what_the_change_reaches_is_executed(configured: Configured) -> None:
    site = configured(OTHER_CLEANING, WITHOUT_PLOTS)
    donor = look(site.production("donor"))
    done = site.run_night("--production", "tailcut105")
    made = look(site.production("tailcut105"))
    assert done.returncode == 0, done.stdout
    assert {name.partition(".")[0] for name in _executed(made)} == {
        "dl1ab",
        "datacheck",
        "run_datacheck",
        "merge_dl1",
        "dl2",
        "longterm",
        "close",
    }
    linked = {name for name, receipt in made.receipts.items() if receipt.linked_from}
    assert linked == {
        "drs4_baseline.Run02001",
        "charge_calibration.Run02002",
        "r0_to_dl1.Run02003.0000",
        "r0_to_dl1.Run02003.0001",
        "merge_muons.Run02003",
    }
    assert {name: made.inodes[name] for name in linked} == {name: donor.inodes[name] for name in linked}


def test_an_operational_change_changes_nothing(configured: Configured) -> None:
    site = configured()
    assert site.run_night().returncode == 0
    before = look(site.production(ID))
    changed = configured(("memory_mb: 1300", "memory_mb: 1400"), ("dl2: {memory_mb: 800", "dl2: {memory_mb: 900"))
    assert changed.run_night().returncode == 0
    assert look(site.production(ID)) == before


def _executed(seen: Seen) -> set[str]:
    """Steps of which an attempt ran in this production; linking is none."""
    return {name for name, attempts in seen.attempts.items() if attempts}
