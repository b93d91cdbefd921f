"""``osa discard``, ``veto``, ``release``, ``undo``, ``decisions``: on a night that has not begun."""

from __future__ import annotations

import os

import pytest
from cli_nights import DATE, Site, like_anybody

from osa_luigi.batch.lease import release_lease, take_lease
from osa_luigi.cli.night_table import COLUMNS

WHY = ("--reason", "no pedestals")


def test_a_decision_is_told_kept_and_listed(site: Site) -> None:
    said = site.osa("discard", "2003.1", *DATE, *WHY).stdout
    assert said.startswith("decision 1: discard Run02003.0001, ")
    assert "luigi --module osa_luigi NightTask --date 2024-11-15 --production fake --procedure fake" in said
    (one,) = site.data("decisions", *DATE)
    assert (one["number"], one["unit"], one["holds"], one["kept_steps"]) == (1, "Run02003.0001", True, 0)
    assert one["reason"] == "no pedestals"
    table = site.osa("decisions", *DATE).stdout.splitlines()
    assert table[0].split()[:3] == ["No", "Decision", "Unit"]
    assert "no pedestals" in table[1]


def test_without_decisions_there_is_nothing_to_list_and_nothing_is_written(site: Site) -> None:
    assert site.data("decisions", *DATE) == []
    assert "No decisions on" in site.osa("decisions", *DATE).stdout
    assert not site.production().root.exists()


def test_what_was_decided_before_is_not_decided_again(site: Site) -> None:
    site.osa("veto", "2003", *DATE, *WHY)
    assert "What holds is decision 1: veto Run02003" in (said := site.osa("undo", "2003", *DATE, *WHY, code=1).stdout)
    assert "`osa release`" in said
    assert "Nothing to decide: decision 1: veto Run02003" in site.osa("veto", "Run02003", *DATE, *WHY, code=1).stdout
    assert site.data("veto", "2003", *DATE, *WHY, code=1)["decided"] is None
    site.osa("release", "2003", *DATE, *WHY)
    assert "no veto of Run02003 holds" in site.osa("release", "2003", *DATE, *WHY, code=1).stdout
    assert "no discard of Run02003 holds" in site.osa("undo", "2003", *DATE, *WHY, code=1).stdout
    assert [(one["kind"], one["undoes"], one["undone_by"]) for one in site.data("decisions", *DATE)] == [
        ("veto", [], 2),
        ("release", [1], None),
    ]


@pytest.mark.parametrize("meant", ["1", "2003.1", "Run02003.0001"])
def test_an_undo_names_a_decision_or_its_unit(site: Site, meant: str) -> None:
    site.osa("discard", "2003.1", *DATE, *WHY)
    made = site.data("undo", meant, *DATE, "--reason", "wrong one")["decided"]
    assert (made["number"], made["kind"], made["unit"], made["undoes"]) == (2, "undo", "Run02003.0001", [1])
    assert site.data("decisions", *DATE)[0]["holds"] is False
    assert "undone by 2" in site.osa("decisions", *DATE).stdout
    site.osa("undo", "1", *DATE, *WHY, code=1)
    assert "leaves nothing out" in site.osa("undo", "2", *DATE, *WHY, code=2).stderr


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("discard", "2003.7"), 3, "Run02003 has no subrun 7: its subruns are 0-1"),
        (("discard", "2999"), 3, "is not in the run summary"),
        (("discard", "2002"), 3, "is a PEDCALIB run: decisions are on DATA runs"),
        (("discard", "crab"), 3, "give a run (2003), a subrun (2003.1)"),
        (("veto", "2003.1"), 2, "a veto is on a whole run; a subrun is discarded"),
        (("discard", "2003.1", "--production", "typo"), 3, "no procedure makes it"),
        (("discard", "2003.1", "--reason", " "), 2, "say why"),
    ],
)
def test_wrong_units_are_refused_and_nothing_is_written(
    site: Site, arguments: tuple[str, ...], code: int, told: str
) -> None:
    given = arguments if "--reason" in arguments else (*arguments, *WHY)
    assert told in site.osa(*given, *DATE, code=code).stderr
    assert not site.production().root.parent.exists()


def test_a_reason_is_asked_for(site: Site) -> None:
    assert "--reason" in site.osa("discard", "2003.1", *DATE, code=2).stderr


def test_while_an_engine_works_it_says_when_it_holds(site: Site) -> None:
    take_lease(site.production())
    try:
        effect = site.data("discard", "2003.1", *DATE, *WHY)["effect"]
    finally:
        release_lease(site.production())
    assert f"Process {os.getpid()} on " in effect
    assert "When it has ended, run the night again: luigi" in effect


def test_status_plan_and_why_show_what_is_left_out(site: Site) -> None:
    site.osa("veto", "2003", *DATE, *WHY)
    site.osa("discard", "2004.1", *DATE, "--reason", "cars")
    status = site.osa("status", *DATE, code=1).stdout
    assert tuple(status.splitlines()[0].split()) == COLUMNS
    row = next(line for line in status.splitlines() if "02003" in line)
    assert "VETOED" in row
    assert "decision 2: discard Run02004.0001" in status
    assert "Verdict: INCOMPLETE" in status
    data = site.data("status", *DATE, code=1)
    assert [one["number"] for one in data["decisions"]] == [1, 2]
    assert data["verdict"]["verdict"] == "INCOMPLETE"
    plan = site.osa("plan", *DATE).stdout
    assert "Left out: Run02003, Run02004.0001" in plan
    assert site.data("plan", *DATE)["left_out"] == ["Run02003", "Run02004.0001"]
    assert "Run02003 is left out, by decision 1" in site.osa("why", "2003", *DATE, code=3).stderr
    assert "Run02003.0000 is left out, by decision 1" in site.osa("why", "2003.0", *DATE, code=3).stderr
    assert "is left out" in site.osa("plan", *DATE, "--run", "2003", code=3).stderr


def test_a_tree_that_cannot_be_written_is_said(site: Site) -> None:
    site.base.joinpath("running_analysis").mkdir(exist_ok=True)
    site.base.joinpath("running_analysis").chmod(0o555)
    try:
        _, err = site.process("discard", "2003.1", *DATE, *WHY, like=like_anybody, code=3)
    finally:
        site.base.joinpath("running_analysis").chmod(0o755)
    assert "Permission denied" in err
    assert "Traceback" not in err
