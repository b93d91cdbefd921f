"""Procedures: choosing one, what comes out, and each mistake with its place."""

from __future__ import annotations

import importlib.metadata
from typing import TYPE_CHECKING

import pytest

from osa_luigi.config import load, load_main, load_procedure
from osa_luigi.errors import ConfigurationError

if TYPE_CHECKING:
    from tests.fast.config.conftest import SiteOnDisk


def test_defaults(site: SiteOnDisk) -> None:
    procedure = site.load().procedure
    assert procedure.calibration.look_back_days == 7
    assert procedure.calibration.charge.sample_size == 10_000
    assert procedure.calibration.charge.filters == "52"
    assert procedure.calibration.time.source == "site"
    assert procedure.dl1ab.images
    assert not procedure.cat_b.enabled
    assert not procedure.tailcuts.per_run
    assert procedure.fake is None
    assert procedure.dl2.models == site.folder / "data/models/m"


def test_the_simulated_nights_cheap_settings_are_no_defaults(site: SiteOnDisk) -> None:
    calculator = site.load().procedure.r0_to_dl1.config["LSTCalibrationCalculator"]
    assert calculator["PedestalIntegrator"]["sample_size"] == 10_000
    assert calculator["FlasherFlatFieldCalculator"]["sample_size"] == 10_000


def test_the_production_id_is_lstchains_version_by_default(site: SiteOnDisk) -> None:
    site.edit("production_id: v1\n", "", "p.yaml")
    assert site.load().procedure.production_id == "v" + importlib.metadata.version("lstchain")


def test_tailcuts_in_short_set_both_cleanings(site: SiteOnDisk) -> None:
    site.add("dl1ab:\n  tailcuts: {picture_thresh: 10, boundary_thresh: 5}\n")
    dl1ab = site.load().procedure.dl1ab
    for cleaning in ("tailcut", "tailcuts_clean_with_pedestal_threshold"):
        assert dl1ab.config[cleaning]["picture_thresh"] == 10
        assert dl1ab.config[cleaning]["boundary_thresh"] == 5
    assert (dl1ab.picture_thresh, dl1ab.boundary_thresh) == (10, 5)


def test_one_tailcut_alone(site: SiteOnDisk) -> None:
    site.add("dl1ab:\n  tailcuts: {picture_thresh: 6}\n")
    dl1ab = site.load().procedure.dl1ab
    assert (dl1ab.picture_thresh, dl1ab.boundary_thresh) == (6, 4)


def test_fake_steps(site: SiteOnDisk) -> None:
    site.add('fake: {fail: ["r0_to_dl1:Run02003.0001"], size_kb: 1}\n')
    fake = site.load().procedure.fake
    assert fake is not None
    assert fake.fail == ("r0_to_dl1:Run02003.0001",)
    assert (fake.duration_s, fake.size_kb, fake.hang) == (0.05, 1, ())


def test_fake_steps_need_neither_models_nor_calibration(site: SiteOnDisk) -> None:
    (site.folder / "data/models/m").rmdir()
    (site.folder / "data/monitoring/DrivePositioning").rmdir()
    site.add("fake: {size_kb: 1}\n")
    assert site.load().procedure.fake is not None


def test_the_steps_of_a_procedure(site: SiteOnDisk) -> None:
    site.add("cat_b: {enabled: true}\nlongterm: {enabled: false}\n")
    steps = site.load().procedure.steps()
    assert {"r0_to_dl1", "cat_b", "dl2", "merge_dl1", "close"} <= steps
    assert not {"longterm", "tailcuts", "gain_selection", "time_calibration"} & steps


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            "dl1ab:\n  tailcuts: {pictur_thresh: 8}\n",
            "p.yaml:6:14: dl1ab.tailcuts.pictur_thresh: unknown key (did you mean 'picture_thresh'?)",
        ),
        (
            "dl1ab:\n  tailcuts: {picture_thresh: 4, boundary_thresh: 8}\n",
            "p.yaml:6:50: dl1ab.tailcuts.boundary_thresh: boundary_thresh 8 is above picture_thresh 4 in tailcut",
        ),
        (
            "dl1ab:\n  tailcuts: {picture_thresh: 3}\n",
            "p.yaml:6:30: dl1ab.tailcuts.picture_thresh: boundary_thresh 4 is above picture_thresh 3 in tailcut",
        ),
        (
            "dl1ab:\n  tailcuts: {picture_thresh: -1}\n",
            "p.yaml:6:30: dl1ab.tailcuts.picture_thresh: must be at least 0 p.e., not -1",
        ),
        (
            "r0_to_dl1:\n  overrides:\n    tailcut:\n      boundary_thresh: 9\n",
            "p.yaml:8:24: r0_to_dl1.overrides.tailcut.boundary_thresh: "
            "boundary_thresh 9 is above picture_thresh 8 in tailcut",
        ),
        (
            "dl1ab:\n  tailcuts: {picture_thresh: 9}\n  overrides: {tailcut: {picture_thresh: 9}}\n",
            "p.yaml:7:41: dl1ab.overrides.tailcut.picture_thresh: "
            "is set twice, here and as dl1ab.tailcuts.picture_thresh (leave one out)",
        ),
        (
            "tailcuts: {source: per_run}\ndl1ab: {tailcuts: {picture_thresh: 8}}\n",
            "p.yaml:6:19: dl1ab.tailcuts: has no effect where tailcuts.source is per_run",
        ),
        (
            "tailcuts: {source: per_run}\ndl1ab: {overrides: {dynamic_cleaning: {apply: false}}}\n",
            "p.yaml:6:20: dl1ab.overrides: has no effect where tailcuts.source is per_run: "
            "lstchain takes the found levels only",
        ),
        (
            "tailcuts: {source: per_run}\ndl1ab: {config: lstchain:lstchain_mc_config.json}\n",
            "p.yaml:6:17: dl1ab.config: has no effect where tailcuts.source is per_run: "
            "lstchain adds its standard to the found levels",
        ),
        (
            "tailcuts: {source: per_run}\ndl1ab: {pedestal_cleaning: false}\n",
            "p.yaml:6:28: dl1ab.pedestal_cleaning: must be true where tailcuts.source is per_run: only levels for it are found",
        ),
        (
            "tailcuts: {source: per-run}\n",
            "p.yaml:5:20: tailcuts.source: must be one of standard, per_run; not 'per-run' (did you mean 'per_run'?)",
        ),
        (
            "cat_b: {enabled: yes}\n",
            "p.yaml:5:18: cat_b.enabled: must be true or false, not 'yes' (write true)",
        ),
        ("cat_b: {enabled: 1}\n", "p.yaml:5:18: cat_b.enabled: must be true or false, not 1"),
        (
            "calibration: {charge: {filters: 52}}\n",
            'p.yaml:5:33: calibration.charge.filters: must be a text, not 52 (put it in quotes: "52")',
        ),
        (
            'calibration: {charge: {filters: "520"}}\n',
            "p.yaml:5:33: calibration.charge.filters: '520' will not do: two digits in quotes, as \"52\"",
        ),
        (
            "calibration:\n  charge: {min_flatfield_adc: 20000}\n",
            "p.yaml:6:31: calibration.charge.min_flatfield_adc: must be below max_flatfield_adc",
        ),
        (
            "calibration: {look_back_days: -1}\n",
            "p.yaml:5:31: calibration.look_back_days: must be at least 0 days, not -1",
        ),
        (
            "calibration: {drs4_baseline: {max_events: 2.5}}\n",
            "p.yaml:5:43: calibration.drs4_baseline.max_events: must be a whole number, not 2.5",
        ),
        (
            "calibration: {time: {source: lab}}\n",
            "p.yaml:5:30: calibration.time.source: must be one of site, pedcalib; not 'lab'",
        ),
        (
            "merge: {dl1: false}\n",
            "p.yaml:5:14: merge.dl1: must be true where dl2.enabled is: DL2 is made of merged files",
        ),
        (
            "datacheck: {enabled: false}\n",
            "p.yaml:1:1: longterm.enabled: needs datacheck.enabled: true (or set it to false)",
        ),
        (
            "r0_to_dl1: {default_trigger_type: uct}\n",
            "p.yaml:5:35: r0_to_dl1.default_trigger_type: must be one of ucts, tib; not 'uct' (did you mean 'ucts'?)",
        ),
        (
            "fake: {fail: [r0_to_dl1]}\n",
            "p.yaml:5:15: fake.fail[0]: 'r0_to_dl1' is no pattern: "
            "write step:unit, as r0_to_dl1:Run02003.0001 or *:Run02003*",
        ),
        (
            "fake: {hang: ['*:Run1', 'dl1b:Run1']}\n",
            "p.yaml:5:25: fake.hang[1]: no step is called 'dl1b' (did you mean 'dl1ab'?)",
        ),
        ("fake: {duration_s: -1}\n", "p.yaml:5:20: fake.duration_s: must be at least 0 s, not -1"),
    ],
)
def test_a_mistake_is_named_with_its_place(site: SiteOnDisk, text: str, complaint: str) -> None:
    site.add(text)
    assert complaint in site.problems()


@pytest.mark.parametrize("production_id", ["v0.12-sim", "a", "A_b+c.d-1", "v{lstchain}", "x" * 64])
def test_good_production_ids(site: SiteOnDisk, production_id: str) -> None:
    site.edit("v1", f'"{production_id}"', "p.yaml")
    assert site.load().procedure.production_id.startswith(production_id[0])


@pytest.mark.parametrize("production_id", [".hidden", "a/b", "a b", "x" * 65, "..", "ä", "v{numpy}", "a\\n"])
def test_bad_production_ids(site: SiteOnDisk, production_id: str) -> None:
    site.edit("v1", f'"{production_id}"', "p.yaml")
    assert "p.yaml:2:16: production_id: " in "\n".join(site.problems())


def test_dl2_without_models(site: SiteOnDisk) -> None:
    site.edit("  models: models/m\n", "", "p.yaml")
    wanted = "p.yaml:3:1: dl2.models: is needed where dl2.enabled is true: the folder of the random forests, or how they are chosen"
    assert site.problem() == f"{wanted} (dl2.model_choice)"


def test_models_that_are_not_there(site: SiteOnDisk) -> None:
    (site.folder / "data/models/m").rmdir()
    assert site.problem() == f"p.yaml:4:11: dl2.models: no such folder: {site.folder}/data/models/m"
    assert site.load(check_files=False).procedure.dl2.enabled


def test_models_are_not_needed_without_dl2(site: SiteOnDisk) -> None:
    site.edit("  models: models/m\n", "  enabled: false\n", "p.yaml")
    assert site.load().procedure.dl2.models is None


def two_procedures(site: SiteOnDisk) -> None:
    site.procedure.write_text("procedures:\n- name: a\n  dl2: {enabled: false}\n- name: b\n  dl2: {enabled: false}\n")


def test_a_list_of_procedures(site: SiteOnDisk) -> None:
    two_procedures(site)
    assert load(site.main, "b").procedure.name == "b"
    assert load_procedure(load_main(site.main), "a").name == "a"


def test_which_procedure(site: SiteOnDisk) -> None:
    two_procedures(site)
    wanted = "main.yaml:1:1: default_procedure: which procedure? Name one here or ask for one: a, b"
    assert site.problem() == wanted


def test_the_default_procedure(site: SiteOnDisk) -> None:
    two_procedures(site)
    site.add("default_procedure: b\n", "main.yaml")
    assert site.load().procedure.name == "b"


def test_a_procedure_that_does_not_exist(site: SiteOnDisk) -> None:
    with pytest.raises(ConfigurationError, match=r"no procedure 'pp' \(did you mean 'p'\?\)"):
        load(site.main, "pp")


def test_a_mistake_in_a_listed_procedure_has_its_full_key(site: SiteOnDisk) -> None:
    two_procedures(site)
    site.add("  cat_b: {enable: true}\n")
    site.add("default_procedure: a\n", "main.yaml")
    wanted = "p.yaml:6:11: procedures[1].cat_b.enable: unknown key (did you mean 'enabled'?)"
    assert site.problem() == wanted


def test_two_procedures_of_one_name(site: SiteOnDisk) -> None:
    two_procedures(site)
    site.edit("name: b", "name: a", "p.yaml")
    problem = site.problems()[0]
    assert problem.startswith("p.yaml:4:9: procedures[1].name: 'a' is the name of another procedure, too (")
    assert problem.endswith("p.yaml:2)")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("procedures: []\n", "p.yaml:1:13: procedures: must be a list of procedures"),
        ("procedures:\n", "p.yaml:1:1: procedures: must be a list of procedures"),
        ("procedures: [3]\n", "p.yaml:1:14: procedures[0]: must be a procedure: 'key: value' lines"),
        (
            "name: x\nprocedures:\n- name: y\n",
            "p.yaml:1:1: name: unknown key beside 'procedures' (put it into a procedure)",
        ),
        ("dl2: {enabled: false}\n", "p.yaml:1:1: name: is missing: What the procedure is called."),
        ("name: x\nname: y\n", "p.yaml:2:1: name: the key is there twice (first in line 1)"),
        ("", "p.yaml:1:1: the file is empty"),
    ],
)
def test_a_broken_procedure_file(site: SiteOnDisk, text: str, complaint: str) -> None:
    site.procedure.write_text(text)
    assert complaint in site.problems()


def test_time_calibration_from_pedcalib_needs_none_of_the_site(site: SiteOnDisk) -> None:
    site.add("calibration: {time: {source: pedcalib}, charge: {systematics: false}}\n")
    for name in ("drs4_time_sampling_from_FF", "ffactor_systematics"):
        (site.folder / "data/monitoring/PixelCalibration/Cat-A" / name).rmdir()
    assert "time_calibration" in site.load().procedure.steps()


def test_all_mistakes_of_the_chosen_procedure_and_those_beside_it(site: SiteOnDisk) -> None:
    two_procedures(site)
    site.edit("  dl2: {enabled: false}", "  dl2: {enabled: true}\n  cat_b: {enable: 1}", "p.yaml")
    site.add("default_procedure: a\n", "main.yaml")
    assert [line.split(": ")[1] for line in site.problems()] == [
        "procedures[0].dl2.models",
        "procedures[0].cat_b.enable",
        "procedures[1].cat_b.enable",
    ]


def test_a_bad_pattern_does_not_shift_the_others(site: SiteOnDisk) -> None:
    site.add("fake: {fail: [3, nonsense]}\n")
    assert site.problem() == 'p.yaml:5:15: fake.fail[0]: must be a text, not 3 (put it in quotes: "3")'


def test_a_type_that_hardly_differs_is_taken_for_the_one_that_is_meant(site: SiteOnDisk) -> None:
    site.add("type: reconstructoin\n")
    assert site.problem() == (
        "p.yaml:5:7: type: must be one of reconstruction, campaign, analysis; not 'reconstructoin' (did you mean 'reconstruction'?)"
    )


def test_a_directory_is_no_procedure_file(site: SiteOnDisk) -> None:
    site.edit("[p.yaml]", "[p.yaml, /]")
    assert site.problem() == "main.yaml:4:22: procedures[1]: is a directory, a file is expected: /"
