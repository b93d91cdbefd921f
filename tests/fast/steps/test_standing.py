from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from fakes import fake_call, foreign, product
from hypothesis import assume, given
from hypothesis import strategies as st

from osa_luigi.products.identity import digest, plain
from osa_luigi.products.production import Production
from osa_luigi.products.receipt import Receipt
from osa_luigi.steps import standing as rule
from osa_luigi.steps.call import FileInput, Input, StepCall
from osa_luigi.steps.software import scientific_software, software
from osa_luigi.steps.standing import Standing, decided_since, difference, is_of_one_unit, remedy, standing

NOWHERE = Production(Path("/nowhere/v1"))
RAW = foreign(Path("/r0/raw.fits.fz"), {"size": 8})
SUBRUNS = [product(fake_call(unit=f"Run02008.{number:04}"), NOWHERE.root) for number in range(3)]
CALIBRATION = product(fake_call("charge_calibration", "Run02006"), NOWHERE.root)
OTHER_CALIBRATION = product(fake_call("charge_calibration", "Run02006", settings={"filters": 52}), NOWHERE.root)

LATER_CALIBRATION = product(fake_call("charge_calibration", "Run02016", settings={"run": 2016}), NOWHERE.root)
MODELS, OTHER_MODELS = (foreign(Path("/models"), size, role="models") for size in (1, 2))
IDS = foreign(Path("/pedestal_ids"), "ids", role="pedestal_ids")


def receipt_of(call: StepCall, **changes) -> Receipt:
    """The receipt that an attempt of this call would have left, as it is read again."""
    inputs = [{"role": i.role, "path": str(i.path), "identity": i.identity, "key": i.key} for i in call.inputs]
    receipt = Receipt(call.step, call.unit, call.key, 1, plain(call.settings), tuple(plain(inputs)), (), {}, software())
    return replace(receipt, **changes)


def merge(*inputs: Input, **settings) -> StepCall:
    return fake_call("merge_dl1", "Run02008", inputs=inputs, settings=settings)


def test_what_was_never_made_is_missing():
    assert standing(merge(), None) is Standing.MISSING


inputs = st.lists(st.sampled_from([RAW, CALIBRATION, *SUBRUNS]), unique_by=lambda item: str(item.path))
settings = st.dictionaries(st.sampled_from("ab"), st.integers(0, 2) | st.none())


@given(inputs, settings)
def test_what_was_made_so_is_the_same(inputs, settings):
    call = merge(*inputs, **settings)
    assert standing(call, receipt_of(call)) is Standing.SAME


def by_role(items: list[Input]) -> dict[str, list]:
    return {role: [item.identity for item in items if item.role == role] for role in {item.role for item in items}}


@given(inputs, settings, inputs, settings)
def test_only_what_gained_inputs_or_has_renewed_products_has_grown(before, old, now, new):
    one, other = merge(*before, **old), merge(*now, **new)
    assume(old != new or by_role(before) != by_role(now))
    grown = (
        old == new
        and {item.role for item in before} == {item.role for item in now}
        and Counter(item.role for item in before) <= Counter(item.role for item in now)
        and {str(i.path) for i in before} <= {str(i.path) for i in now}
    )
    assert standing(other, receipt_of(one)) is (Standing.GROWN if grown else Standing.CONFLICT)


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        (merge(*SUBRUNS[:2]), merge(*SUBRUNS), Standing.GROWN),
        (merge(*SUBRUNS), merge(*SUBRUNS[:2]), Standing.CONFLICT),
        (merge(CALIBRATION, SUBRUNS[0]), merge(OTHER_CALIBRATION, *SUBRUNS), Standing.GROWN),
        (merge(RAW, *SUBRUNS[:1]), merge(RAW, *SUBRUNS), Standing.GROWN),
        (merge(RAW, CALIBRATION), merge(RAW, OTHER_CALIBRATION), Standing.GROWN),
        (merge(RAW), merge(RAW, CALIBRATION), Standing.CONFLICT),
        (merge(RAW), merge(RAW, foreign(Path("/r0/more"), "more")), Standing.GROWN),
        (merge(CALIBRATION), merge(CALIBRATION, RAW), Standing.CONFLICT),
        (merge(RAW, CALIBRATION), merge(RAW, LATER_CALIBRATION), Standing.CONFLICT),
        (merge(CALIBRATION), merge(foreign(Path("/site/Run02006"), role="dl1")), Standing.CONFLICT),
        (merge(*SUBRUNS[:1]), merge(*SUBRUNS[1:]), Standing.CONFLICT),
        (merge(RAW, *SUBRUNS), merge(*SUBRUNS), Standing.CONFLICT),
        (merge(RAW, *SUBRUNS), merge(foreign(Path("/r0/raw"), {"size": 9}), *SUBRUNS), Standing.CONFLICT),
        (merge(*SUBRUNS[:2], images=True), merge(*SUBRUNS, images=False), Standing.CONFLICT),
        (merge(*SUBRUNS[:2], images=True), merge(*SUBRUNS), Standing.CONFLICT),
    ],
)
def test_growth_is_told_from_conflict(before, now, expected):
    assert standing(now, receipt_of(before)) is expected


@pytest.mark.parametrize(
    ("before", "now", "alone"),
    [
        (merge(RAW), merge(foreign(Path("/r0/raw"), {"size": 9})), True),
        (merge(RAW), merge(RAW, IDS), True),
        (merge(RAW, IDS), merge(RAW), True),
        (merge(*SUBRUNS), merge(*SUBRUNS[:2]), True),
        (merge(RAW, CALIBRATION), merge(RAW, LATER_CALIBRATION), True),
        (merge(RAW, MODELS), merge(foreign(Path("/r0/raw"), {"size": 9}), MODELS), True),
        (merge(RAW, MODELS), merge(RAW, OTHER_MODELS), False),
        (merge(RAW), merge(RAW, MODELS), False),
        (merge(RAW), merge(RAW, CALIBRATION), False),
        (merge(RAW), merge(CALIBRATION.read_as("raw")), False),
        (merge(RAW, a=1), merge(RAW, a=2), False),
        (merge(RAW, a=1), merge(foreign(Path("/r0/raw"), {"size": 9}), a=2), False),
    ],
)
def test_what_was_observed_of_one_unit_is_told_from_what_somebody_chose(before, now, alone):
    receipt = receipt_of(before)
    assert standing(now, receipt) is Standing.CONFLICT
    assert is_of_one_unit(now, receipt) is alone
    assert ("Restore the input" in remedy(now, receipt)) is alone
    assert "production id" in remedy(now, receipt)


def test_other_software_is_not_a_matter_of_one_unit():
    older = {**software(), "lstchain": "0.12.2"}
    receipt = receipt_of(merge(RAW), software=older)
    assert not is_of_one_unit(merge(foreign(Path("/r0/raw"), {"size": 9})), receipt)


def test_another_version_of_a_step_is_not_a_matter_of_one_unit():
    call = merge(*SUBRUNS)
    assert not is_of_one_unit(replace(call, key="another"), receipt_of(call))


def test_the_same_inputs_under_another_key_are_a_conflict():
    """Another version of the step: nothing that it is made from has grown."""
    call = merge(*SUBRUNS)
    assert standing(replace(call, key="another"), receipt_of(call)) is Standing.CONFLICT


def test_other_software_is_a_conflict_even_where_products_were_gained():
    older = {**software(), "lstchain": "0.12.2"}
    receipt = receipt_of(merge(*SUBRUNS[:2]), software=older)
    assert standing(merge(*SUBRUNS), receipt) is Standing.CONFLICT
    assert difference(NOWHERE, merge(*SUBRUNS), receipt)[0] == (
        f"software lstchain: 0.12.2 → {scientific_software()['lstchain']}"
    )


def test_packages_that_are_only_recorded_do_not_count():
    receipt = receipt_of(merge(*SUBRUNS[:2]), software={**software(), "numpy": "1.0", "python": "3.9"})
    assert standing(merge(*SUBRUNS), receipt) is Standing.GROWN


def test_a_key_that_is_the_same_is_enough():
    call = merge(*SUBRUNS)
    assert standing(call, receipt_of(call, software={}, inputs=(), settings={"a": 1})) is Standing.SAME


# ---- the difference, for people -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "now", "lines"),
    [
        (merge(picture=8), merge(picture=10), ["picture: 8 → 10"]),
        (merge(a={"b": {"c": 1}}), merge(a={"b": {"c": 2}}), ["a.b.c: 1 → 2"]),
        (merge(a=1), merge(b=1), ["a: 1 → none", "b: none → 1"]),
        (merge(a=None), merge(a=False), ["a: none → false"]),
        (merge(a="x"), merge(a=["x", "y"]), ['a: x → ["x", "y"]']),
        (merge(a=[1, 2]), merge(a=[1, 3, 4]), ["a[1]: 2 → 3", "a[2]: none → 4"]),
        (merge(RAW), merge(foreign(Path("/x"), {"size": 9})), ["input raw.size: 8 → 9"]),
        (merge(*SUBRUNS), merge(*SUBRUNS[:2]), ["input dl1: without that of Run02008.0002"]),
        (merge(CALIBRATION), merge(LATER_CALIBRATION), ["input dl1: without that of Run02006, with that of Run02016"]),
        (merge(RAW), merge(), ['input raw: [{"size": 8}] → none']),
        (
            merge(CALIBRATION, a=1),
            merge(OTHER_CALIBRATION, a=2),
            ["a: 1 → 2", "input dl1: a product that was made otherwise"],
        ),
    ],
)
def test_differences_are_lines_that_name_what_changed(before, now, lines):
    assert difference(NOWHERE, now, receipt_of(before)) == lines


def test_one_of_several_inputs_of_a_role_is_named():
    streams = [foreign(Path(f"/r0/{n}"), {"name": f"LST-1.{n}", "size": 8}) for n in (1, 2, 3, 4)]
    changed = [
        FileInput("raw", streams[1].place, {"name": "LST-1.2", "size": 9}) if n == 1 else one
        for n, one in enumerate(streams)
    ]
    lines = difference(NOWHERE, merge(*changed), receipt_of(merge(*streams)))
    assert lines == ['input raw: without {"name": "LST-1.2", "size": 8}, with {"name": "LST-1.2", "size": 9}']


def test_configurations_are_opened_where_they_were_kept(production):
    contents = [{"tailcut": {"picture_thresh": picture, "boundary_thresh": 4}} for picture in (8, 10)]
    for content in contents:
        production.write_config(content)
    before, now = (merge(config=digest(content)) for content in contents)
    assert difference(production, now, receipt_of(before)) == ["config.tailcut.picture_thresh: 8 → 10"]
    assert difference(NOWHERE, now, receipt_of(before))[0].startswith("config: ")


def test_where_nothing_can_be_named_it_says_so():
    call = merge(*SUBRUNS)
    assert difference(NOWHERE, replace(call, key="other"), receipt_of(call)) == [
        "another version of the step, or software that the receipt does not name"
    ]


@given(st.text(max_size=300), st.text(max_size=300))
def test_lines_are_short(one, other):
    assume(one != other)
    (line,) = difference(NOWHERE, merge(a=other), receipt_of(merge(a=one)))
    assert len(line) < 140


@given(inputs, settings, inputs, settings)
def test_there_is_always_something_to_say(before, old, now, new):
    lines = difference(NOWHERE, merge(*now, **new), receipt_of(merge(*before, **old)))
    assert lines
    assert all(lines)


def test_the_rule_says_in_words_what_each_standing_means():
    assert {item.value for item in Standing} == {"missing", "same", "grown", "conflict"}
    assert rule.__doc__


# ---- decisions --------------------------------------------------------------------------------------------------


def decided(call: StepCall, *units: str) -> StepCall:
    """The same call, where these units were decided to be left out."""
    said = tuple({"number": n, "kind": "discard", "unit": unit} for n, unit in enumerate(units, 1))
    return replace(call, decisions=said)


@given(st.sets(st.sampled_from(range(3)), min_size=1), st.sets(st.sampled_from(range(3))))
def test_fewer_inputs_have_grown_just_where_decisions_name_all_that_is_gone(left, named):
    call = decided(merge(*(SUBRUNS[n] for n in sorted(left))), *(f"Run02008.{n:04}" for n in sorted(named)))
    gone = set(range(3)) - left
    expected = Standing.SAME if not gone else Standing.GROWN if gone <= named else Standing.CONFLICT
    assert standing(call, receipt_of(merge(*SUBRUNS))) is expected


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        (merge(*SUBRUNS), decided(merge(*SUBRUNS[:1]), "Run02008"), Standing.GROWN),
        (merge(*SUBRUNS), decided(merge(*SUBRUNS[:1]), "Run02009"), Standing.CONFLICT),
        (merge(RAW, *SUBRUNS), decided(merge(*SUBRUNS[:1]), "Run02008"), Standing.CONFLICT),
        (merge(*SUBRUNS, a=1), decided(merge(*SUBRUNS[:1], a=2), "Run02008"), Standing.CONFLICT),
    ],
)
def test_a_decision_excuses_only_the_products_that_it_names(before, now, expected):
    assert standing(now, receipt_of(before)) is expected


def test_what_was_decided_since_is_named_and_what_holds_no_more():
    before = receipt_of(merge(*SUBRUNS), counts={"decisions": [{"number": 2, "kind": "veto", "unit": "Run02009"}]})
    assert decided_since(decided(merge(*SUBRUNS[:2]), "Run02008.0002"), before) == [
        "decision 1 (discard Run02008.0002) since",
        "decision 2 holds no more",
    ]
    assert decided_since(merge(*SUBRUNS), receipt_of(merge(*SUBRUNS[:1]))) == []
