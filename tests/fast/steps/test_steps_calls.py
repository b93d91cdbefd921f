"""Every step's factory: what is in its key, what travels, what it declares."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from paper_steps import CHAIN, COMMON, Paper

from osa_luigi.errors import ConfigurationError
from osa_luigi.steps.call import FileInput, Input, Needs, StepCall
from osa_luigi.steps.catalogue import STEPS, step

SCIENTIFIC = {
    "run_summary": {"tcu_server": "tcu"},
    "gain_selection": {"flatfield_heuristic": False},
    "drs4_baseline": {"max_events": 10},
    "time_calibration": {"max_events": 10, "flatfield_heuristic": True},
    "charge_calibration": {
        "filters": "51",
        "flatfield_adc": (1.0, 2.0),
        "sample_size": 300,
        "events_to_skip": 50,
        "flatfield_heuristic": False,
        "systematics": None,
    },
    "r0_to_dl1": {"flatfield_heuristic": True, "trigger_type": "tib", "systematics": None, "pedestal_ids": None},
    "cat_b": {"filters": "51", "sample_size": 100, "systematics": None},
    "tailcuts": {},
    "dl1ab": {"images": False, "max_unusable_pixels": 7, "cat_b": None},
    "datacheck": {"muons": None},
    "run_datacheck": {},
    "run_plots": {},
    "merge_dl1": {"images": True},
    "merge_muons": {},
    "dl2": {},
    "longterm": {},
    "transparency": {},
}
"""Step → keywords that change the product, with a value that is not the default."""


def test_the_catalogue_holds_every_step_under_its_name():
    assert set(CHAIN) == set(SCIENTIFIC)
    assert all(name == one.name and one.version >= 1 for name, one in STEPS.items())
    assert step("dl2") is STEPS["dl2"]


@pytest.mark.parametrize(("name", "hint"), [("dl1_ab", "did you mean dl1ab"), ("xyz", "the steps are run_summary, ")])
def test_an_unknown_step_is_answered_with_those_there_are(name, hint):
    with pytest.raises(ConfigurationError, match=hint):
        step(name)


@pytest.mark.parametrize("name", CHAIN)
def test_a_call_survives_its_travel_as_json(paper: Paper, name):
    call = paper.call(name, fake={"duration": 1})
    assert StepCall.from_json(json.loads(json.dumps(call.as_json()))) == call


@pytest.mark.parametrize("name", CHAIN)
def test_a_call_that_travelled_gives_the_same_command(paper: Paper, name):
    call = paper.call(name)
    travelled = StepCall.from_json(json.loads(json.dumps(call.as_json())))
    assert STEPS[name].command(travelled) == STEPS[name].command(call)


@pytest.mark.parametrize("name", CHAIN)
def test_every_declared_output_is_produced_inside_the_working_folder(paper: Paper, name):
    call = paper.call(name)
    produced = STEPS[name].produced(call)
    assert list(produced) == [output.role for output in call.outputs]
    for path in (*produced.values(), *(output.path for output in call.outputs)):
        assert not path.is_absolute()
        assert ".." not in path.parts
    assert len(set(produced.values())) == len(produced)


@pytest.mark.parametrize(("name", "keyword"), [(n, k) for n, changed in SCIENTIFIC.items() for k in changed])
def test_every_scientific_setting_is_in_the_key(paper: Paper, name, keyword):
    assert paper.call(name, **{keyword: SCIENTIFIC[name][keyword]}).key != paper.call(name).key


@pytest.mark.parametrize("name", CHAIN)
def test_no_two_scientific_settings_give_the_same_key(paper: Paper, name):
    changed = SCIENTIFIC[name].items()
    keys = Counter(paper.call(name, **{keyword: value}).key for keyword, value in changed)
    assert not [key for key, count in keys.items() if count > 1]


@pytest.mark.parametrize("name", CHAIN)
def test_the_versions_of_its_key_travel_with_a_call(paper: Paper, name):
    call = paper.call(name, software={"lstchain": "0.13"})
    travelled = [StepCall.from_json(json.loads(json.dumps(call.as_json()))) for _ in range(2)]
    assert call.software == travelled[0].software == {"lstchain": "0.13"}
    assert travelled[0].software is travelled[1].software
    before = {key: value for key, value in call.as_json().items() if key != "software"}
    assert StepCall.from_json(before) == call  # of an array that an earlier version wrote


@pytest.mark.parametrize("name", CHAIN)
def test_needs_are_not_in_the_key_software_is(paper: Paper, name):
    call = paper.call(name)
    assert paper.call(name, needs=Needs(9, 9, 9.0)).key == call.key
    assert paper.call(name, software={"lstchain": "0.13"}).key != call.key


@pytest.mark.parametrize("name", CHAIN)
def test_every_input_is_in_the_key_by_identity_alone(paper: Paper, name):
    call = paper.call(name)
    for keyword, value in paper.keywords(name).items():
        inputs = [value] if isinstance(value, Input) else value
        if not (isinstance(inputs, list) and inputs and isinstance(inputs[0], Input)):
            continue
        moved = [FileInput(item.role, f"/elsewhere/{item.path.name}", item.identity, item.key) for item in inputs]
        if name == "run_summary" and keyword == "raw":
            continue  # by name alone: the summary does not look into a file that still grows
        other = [FileInput(inputs[0].role, inputs[0].place, "another", inputs[0].key), *inputs[1:]]
        one = isinstance(value, Input)
        assert paper.call(name, **{keyword: moved[0] if one else moved}).key == call.key
        assert paper.call(name, **{keyword: other[0] if one else other}).key != call.key, keyword


def test_all_calls_of_a_night_have_different_keys_and_names(paper: Paper):
    calls = [paper.call(name) for name in CHAIN]
    assert len({call.key for call in calls}) == len({call.name for call in calls}) == len(CHAIN)


def test_the_run_summary_takes_only_what_the_tool_looks_at(paper: Paper):
    call = paper.call("run_summary")
    names = [path.name for path in call.paths("raw")]
    assert len(names) == 9
    assert "LST-1.1.Run02008.0001.fits.fz" in names
    assert "LST-1.2.Run02008.0001.fits.fz" not in names


def test_some_calibrations_without_the_others_are_a_mistake(paper: Paper):
    with pytest.raises(ValueError, match="all three, or none"):
        paper.call("r0_to_dl1", calibration=None)
    bare = paper.call("r0_to_dl1", calibration=None, pedestal=None, time_calibration=None)
    assert "--calibration-file" not in STEPS["r0_to_dl1"].command(bare).shell()


@pytest.mark.parametrize("both", [True, False])
def test_dl1ab_takes_one_configuration(paper: Paper, both):
    changed = {"tailcuts": paper.foreign("t.json")} if both else {"config": None}
    with pytest.raises(ValueError, match="one of them"):
        paper.call("dl1ab", **changed)


def test_found_tailcuts_are_an_input_and_the_configuration_of_the_tool(paper: Paper):
    call = paper.call("dl1ab", config=None, tailcuts=paper.foreign("dl1ab_Run02008.json"))
    assert f"--config={paper.folder}/dl1ab_Run02008.json" in STEPS["dl1ab"].command(call).arguments
    assert "config" not in call.settings


def test_without_category_b_its_setting_is_no_setting(paper: Paper):
    one = paper.call("dl1ab", cat_b=None, max_unusable_pixels=7)
    assert one.key == paper.call("dl1ab", cat_b=None).key


def test_common_keywords_are_required(paper: Paper):
    with pytest.raises(TypeError):
        STEPS["merge_muons"].call(**paper.keywords("merge_muons"), needs=COMMON["needs"])


def test_no_step_imports_lstchain_or_hdf5_at_its_own_import():
    import subprocess
    import sys

    code = (
        "import sys, osa_luigi.steps.catalogue, osa_luigi.steps.mends; "
        "print([m for m in ('lstchain', 'tables', 'numpy', 'astropy', 'ctapipe') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
