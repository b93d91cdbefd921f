"""Bad input, as an operator meets it: what luigi's command says of it, that nothing was done, and that the same command goes on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import stock
from astropy.table import Table
from fake_nights import RUNS, FakeSite

from osa_luigi.batch.command import EXIT_CODES

FAILED = EXIT_CODES["task_failed"]
DL2 = Path("tailcut84") / "nsb_tuning_0.14" / "dl2_LST-1.Run02004.h5"

Repair = Callable[[], object]
Damage = Callable[[FakeSite], tuple[Repair, list[str]]]
"""Does it, and tells how to repair it, and what is to be said of it."""


def _no_date_folder(site: FakeSite) -> tuple[Repair, list[str]]:
    folder, away = site.data / "R0" / "20241115", site.data / "R0" / "20241114"
    folder.rename(away)
    told = f"no raw data of 2024-11-15: neither {folder} nor"
    return lambda: away.rename(folder), [told, "the nearest nights there are 2024-11-14", "check the date"]


def _no_yaml(site: FakeSite) -> tuple[Repair, list[str]]:
    path = site.folder / "procedures.yaml"
    good = path.read_text()
    path.write_text("procedures:\n  - name: fake\n    dl2: {models: [\n")
    return lambda: path.write_text(good), [f"{path}:4:1: "]


def _an_unknown_key(site: FakeSite) -> tuple[Repair, list[str]]:
    good = site.procedures
    site.set(fake={"duration": 1})
    line = (site.folder / "procedures.yaml").read_text().splitlines().index('    "duration": 1') + 1
    told = [f"procedures.yaml:{line}:5: procedures[0].fake.duration: unknown key", "did you mean 'duration_s'?"]
    return lambda: (setattr(site, "procedures", good), site.write()), told


def _a_run_summary_without_a_column(site: FakeSite) -> tuple[Repair, list[str]]:
    path = site.summary(*RUNS)
    table = Table.read(path, format="ascii.ecsv")
    table.remove_column("run_type")
    table.write(path, format="ascii.ecsv", delimiter=",", overwrite=True)
    return lambda: site.summary(*RUNS), [f"{path}: the run summary lacks the column run_type", "make it again with"]


def _other_science(site: FakeSite) -> tuple[Repair, list[str]]:
    good = site.procedures
    site.set(dl1ab={"tailcuts": {"picture_thresh": 9}})
    told = ["made with other scientific settings", "picture_thresh: 8 → 9 (3 units)", "Nothing was changed."]
    return lambda: (setattr(site, "procedures", good), site.write()), told


def _a_product_of_nobody_s(site: FakeSite) -> tuple[Repair, list[str]]:
    path = site.production().root / DL2
    path.write_text("by hand")
    for receipt in site.loosen().receipts("Run02004").glob("dl2.*"):
        receipt.unlink()
    return path.unlink, [f"{path}: stands where dl2.Run02004 goes, but has no receipt", "Move the file aside"]


BAD: list[Damage] = [
    _no_date_folder,
    _no_yaml,
    _an_unknown_key,
    _a_run_summary_without_a_column,
    _other_science,
    _a_product_of_nobody_s,
]


@pytest.mark.parametrize("damage", BAD)
def test_bad_input_is_named_and_put_right_the_same_command_goes_on(finished: FakeSite, damage: Damage) -> None:
    before = finished.made()
    (finished.production().root / DL2).unlink()
    repair, told = damage(finished)
    said = stock.run(finished)
    assert said.code == FAILED
    for words in told:
        assert words in said.text
    assert "Traceback" not in said.text
    assert finished.made() == before

    repair()
    assert stock.run(finished).code == 0
    assert finished.made() == sorted([*before, "dl2.Run02004"])


def test_a_procedure_that_does_not_exist_is_answered_with_one_that_does(finished: FakeSite) -> None:
    said = stock.run(finished, stock.LOCAL, "--procedure", "fkae")
    assert said.code == FAILED
    assert "did you mean 'fake'?" in said.text
    assert "Traceback" not in said.text
    assert stock.run(finished, stock.LOCAL, "--procedure", "fake").code == 0


def test_a_folder_that_must_not_be_written_to_is_named(fake_site: FakeSite) -> None:
    tree = fake_site.data / "running_analysis"
    tree.mkdir()
    tree.chmod(0o555)
    said = stock.run(fake_site, mighty=False)
    tree.chmod(0o755)
    assert said.code == FAILED
    assert f"site.paths.running_analysis: is not writable: {tree}" in said.text
    assert "Traceback" not in said.text
    assert not list(tree.iterdir())

    assert stock.run(fake_site, mighty=False).code == 0
    assert fake_site.is_closed()


def test_a_run_that_lstchain_could_not_read_is_named_not_passed_over(fake_site: FakeSite) -> None:
    fake_site.summary(*RUNS, (2005, "ERROR", 1))
    fake_site.raw(2005, 0)
    said = stock.run(fake_site)
    assert said.code == 0
    words = "runs of type ERROR in the run summary are not processed: 2005 (lstchain could not read their subrun 0"
    assert words in said.text
    again = stock.run(fake_site)
    assert (again.code, len(again.lines(f"WARNING: night 20241115 is closed, but {words}"))) == (0, 1)


def test_a_run_that_came_after_the_night_was_closed_is_named(finished: FakeSite) -> None:
    finished.raw(2005, 0)
    said = stock.run(finished)
    assert said.code == 0
    assert "is closed, but raw files of runs that the run summary lacks: 2005 (make it again" in said.text


def test_one_run_fails_and_all_others_are_processed(fake_site: FakeSite) -> None:
    fake_site.set(fake={"fail": ["r0_to_dl1:Run02003.0001"]})
    said = stock.run(fake_site)
    assert said.code == FAILED
    assert said.lines("ERROR") == said.lines("told to fail")
    assert "run_id=2003, subrun=1, leg=dl1) failed:" in said.lines("ERROR")[0]
    made = fake_site.made()
    assert {"dl2.Run02004", "run_plots.Run02004", "datacheck.Run02003.0000"} <= set(made)
    assert not {"merge_dl1.Run02003", "close.night"} & set(made)

    fake_site.set(fake={"fail": []})
    assert stock.run(fake_site).code == 0
    again = fake_site.made()
    assert fake_site.is_closed()
    assert len(again) == len(set(again))
    assert len(again) - len(made) == len([name for name in again if name not in made]) == 10
