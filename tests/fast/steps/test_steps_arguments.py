"""The exact command of every step, as a scientist would type it."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from paper_steps import CHAIN, Paper

from osa_luigi.errors import ConfigurationError, NightError
from osa_luigi.steps import raw
from osa_luigi.steps.catalogue import STEPS
from osa_luigi.steps.heuristic import flatfield_range, heuristic_flags
from osa_luigi.steps.step import Command, Tool

# `@` stands for the folder of the inputs.
ARGUMENTS = {
    "run_summary": "--date 20200117 --r0-path R0 --output-dir .",
    "gain_selection": "--R0-file=@/R0/LST-1.1.Run02008.0001.fits.fz --output-dir=R0G --log=gain_selection.log",
    "drs4_baseline": """
        --input=@/R0/LST-1.1.Run02005.0000.fits.fz --output=drs4_pedestal.Run02005.0000.h5 --max-events=20000
        --no-progress""",
    "time_calibration": """
        --input-file=raw/LST-1.1.Run02006.0000.fits.fz --output-file=time_calibration.Run02006.0000.h5
        --config=@/config.json --run-summary-path=@/summary.ecsv --pedestal-file=@/pedestal.h5 --max-events=20000
        --no-progress""",
    "charge_calibration": """
        --input_file=raw/LST-1.1.Run02006.0000.fits.fz --output_file=calibration_filters_52.Run02006.0000.h5
        --LSTEventSource.default_trigger_type=tib
        --EventSource.min_flatfield_adc=3000.0 --EventSource.max_flatfield_adc=12000.0
        --LSTCalibrationCalculator.systematic_correction_path=@/systematics.h5
        --LSTEventSource.EventTimeCalculator.run_summary_path=@/summary.ecsv
        --LSTEventSource.LSTR0Corrections.drs4_time_calibration_path=@/time.h5
        --LSTEventSource.LSTR0Corrections.drs4_pedestal_path=@/pedestal.h5
        --LSTEventSource.use_flatfield_heuristic=None
        --FlasherFlatFieldCalculator.sample_size=10000 --PedestalIntegrator.sample_size=10000
        --config=@/config.json""",
    "r0_to_dl1": """
        --input-file=@/R0/LST-1.1.Run02008.0001.fits.fz --output-dir=. --config=@/config.json
        --pointing-file=@/drive.txt --run-summary-path=@/summary.ecsv --pedestal-file=@/pedestal.h5
        --calibration-file=@/calibration.h5 --time-calibration-file=@/time.h5
        --systematic-correction-file=@/systematics.h5 --pedestal-ids-path=@/ids.h5""",
    "cat_b": """
        --input_path=interleaved --output_file=cat_B_calibration_filters_52.Run02008.h5
        '--input_file_pattern=interleaved_LST-1.Run02008.*.h5' --n_subruns=2
        --cat_A_calibration_file=@/calibration.h5
        --LSTCalibrationCalculator.systematic_correction_path=@/systematics.h5
        --FlasherFlatFieldCalculator.sample_size=2500 --PedestalIntegrator.sample_size=2500
        --config=@/config.json""",
    "tailcuts": "--input-dir=dl1 --run=2008 --output-dir=. --log=log_find_tailcuts_Run02008.log",
    "dl1ab": """
        --input-file=@/dl1_LST-1.Run02008.0001.h5 --output-file=dl1_LST-1.Run02008.0001.h5 --config=@/config.json
        --catB-calibration-file=@/cat_b.h5 --max-unusable-pixels=70""",
    "datacheck": """
        --input-file=@/dl1_LST-1.Run02008.0001.h5 --output-dir=. --muons-dir=muons --max-cores=1 --omit-pdf
        --batch""",
    "run_datacheck": """
        '--input-file=datacheck/datacheck_dl1_LST-1.Run02008.*.h5' --output-dir=. --muons-dir=muons --max-cores=1
        --batch --omit-pdf""",
    "run_plots": """
        '--input-file=datacheck/datacheck_dl1_LST-1.Run02008.*.h5' --output-dir=. --muons-dir=muons --max-cores=1
        --batch""",
    "merge_dl1": """
        --input-dir=dl1 --output-file=dl1_LST-1.Run02008.h5 '--pattern=dl1_LST-1.Run02008.*.h5' --no-progress
        --no-image""",
    "merge_muons": """
        --input-dir=muons --output-file=muons_LST-1.Run02008.fits '--pattern=muons_LST-1.Run02008.*.fits'""",
    "dl2": """
        --input-files=@/dl1_LST-1.Run02008.h5 --path-models=@/models --output-dir=. --config=@/config.json""",
    "longterm": """
        --input-dir=datacheck --muons-dir=muons --output-file=DL1_datacheck_20200117.h5 --batch""",
    "transparency": """
        --update-datacheck-file=DL1_datacheck_20200117_transparency.h5 --input-dir=datacheck""",
}
TOOLS = {
    "run_summary": "lstchain_create_run_summary",
    "gain_selection": "lstchain_r0_to_r0g",
    "drs4_baseline": "lstchain_create_drs4_pedestal_file",
    "time_calibration": "lstchain_data_create_time_calibration_file",
    "charge_calibration": "lstchain_create_calibration_file",
    "r0_to_dl1": "lstchain_data_r0_to_dl1",
    "cat_b": "lstchain_create_cat_B_calibration_file",
    "tailcuts": "lstchain_find_tailcuts",
    "dl1ab": "lstchain_dl1ab",
    "datacheck": "lstchain_check_dl1",
    "run_datacheck": "lstchain_check_dl1",
    "run_plots": "lstchain_check_dl1",
    "merge_dl1": "lstchain_merge_hdf5_files",
    "merge_muons": "lstchain_merge_muon_files",
    "dl2": "lstchain_dl1_to_dl2",
    "longterm": "lstchain_longterm_dl1_check",
    "transparency": "lstchain_cherenkov_transparency",
}
OPTIONS = [
    ("run_summary", {"tcu_server": "tcu"}, "--tcu-server tcu"),
    ("gain_selection", {"flatfield_heuristic": False}, "--no-flatfield-heuristic"),
    ("drs4_baseline", {"max_events": 5}, "--max-events=5"),
    ("time_calibration", {"flatfield_heuristic": True}, "--flatfield-heuristic"),
    ("time_calibration", {"flatfield_heuristic": False}, "--no-flatfield-heuristic"),
    ("charge_calibration", {"flatfield_adc": (1.0, 2.0)}, "--EventSource.min_flatfield_adc=1.0"),
    ("charge_calibration", {"events_to_skip": 0}, "--events_to_skip=0"),
    ("charge_calibration", {"sample_size": 300}, "--PedestalIntegrator.sample_size=300"),
    ("charge_calibration", {"systematics": None}, "systematic_correction_path=None"),
    ("charge_calibration", {"flatfield_heuristic": True}, "use_flatfield_heuristic=True"),
    ("r0_to_dl1", {"trigger_type": "tib"}, "--default-trigger-type=tib"),
    ("r0_to_dl1", {"flatfield_heuristic": False}, "--no-flatfield-heuristic"),
    ("cat_b", {"systematics": None}, "systematic_correction_path=None"),
    ("dl1ab", {"images": False}, "--no-image"),
]


def arguments(paper: Paper, name: str, **changed: object) -> tuple[str, ...]:
    return STEPS[name].command(paper.call(name, **changed)).arguments


def test_every_step_is_written_down_here():
    assert set(ARGUMENTS) == set(TOOLS) == set(CHAIN)


@pytest.mark.parametrize("name", CHAIN)
def test_the_arguments_are_exactly_these(paper: Paper, name):
    assert list(arguments(paper, name)) == shlex.split(ARGUMENTS[name].replace("@", str(paper.folder)))


@pytest.mark.parametrize("name", CHAIN)
def test_the_tool_is_lstchains_own_and_never_an_onsite_wrapper(paper: Paper, name):
    tool = STEPS[name].command(paper.call(name)).tool
    assert tool.command == TOOLS[name]
    module, _, function = tool.entry.partition(":")
    assert module.rpartition(".")[0] in ("lstchain.scripts", "lstchain.tools")
    assert (module.rpartition(".")[2], function) == (tool.command, "main")


@pytest.mark.parametrize(("name", "changed", "expected"), OPTIONS)
def test_a_setting_becomes_an_option(paper: Paper, name, changed, expected):
    assert expected in " ".join(arguments(paper, name, **changed))
    assert expected not in " ".join(arguments(paper, name))


def test_images_are_kept_when_asked_for(paper: Paper):
    assert "--no-image" not in arguments(paper, "merge_dl1", images=True)
    assert "--no-image" not in arguments(paper, "dl1ab")


LINKED = {
    "run_summary": "R0/20200117",
    "time_calibration": "raw",
    "charge_calibration": "raw",
    "cat_b": "interleaved",
    "tailcuts": "dl1",
    "merge_dl1": "dl1",
    "merge_muons": "muons",
}


@pytest.mark.parametrize("name", LINKED)
def test_a_tool_that_takes_a_folder_sees_the_declared_inputs_and_no_others(paper: Paper, name):
    call = paper.call(name)
    links = STEPS[name].command(call).links
    inside = {path: target for path, target in links.items() if path.parent == Path(LINKED[name])}
    roles = {"cat_b": "interleaved", "tailcuts": "dl1", "merge_dl1": "dl1", "merge_muons": "muons"}
    targets = call.paths(roles.get(name, "raw"))
    assert inside == links == {Path(LINKED[name]) / target.name: target for target in targets}


@pytest.mark.parametrize("name", ["run_plots", "longterm"])
def test_datachecks_and_muons_have_a_folder_each(paper: Paper, name):
    call = paper.call(name)
    command = STEPS[name].command(call)
    assert {path.parent.name for path in command.links} == {"datacheck", "muons"}
    assert len(command.links) == len(call.inputs)


def test_the_transparency_writes_into_a_copy_never_into_the_product(paper: Paper):
    command = STEPS["transparency"].command(paper.call("transparency"))
    assert command.copies == {Path("DL1_datacheck_20200117_transparency.h5"): paper.folder / "longterm.h5"}
    assert paper.folder / "longterm.h5" not in command.links.values()


@pytest.mark.parametrize("name", CHAIN)
def test_a_command_touches_no_file(paper: Paper, name):
    before = sorted(paper.folder.rglob("*"))
    STEPS[name].command(paper.call(name)).shell()
    assert sorted(paper.folder.rglob("*")) == before


def test_the_printed_shell_can_be_repeated_by_a_person():
    command = Command(
        Tool("tool", "module:main"),
        ("--pattern=a b*", "--out=."),
        links={Path("in/x y.h5"): Path("/data/x y.h5")},
        folders=(Path("out"),),
        copies={Path("copy.h5"): Path("/data/c.h5")},
    )
    assert command.shell().splitlines() == [
        "mkdir -p in out",
        "ln -s '/data/x y.h5' 'in/x y.h5'",
        "cp --no-preserve=mode /data/c.h5 copy.h5",
        "tool '--pattern=a b*' --out=.",
    ]


def test_the_printed_shell_of_a_step(paper: Paper):
    lines = STEPS["merge_muons"].command(paper.call("merge_muons")).shell().splitlines()
    assert lines[0] == "mkdir -p muons"
    assert lines[1] == f"ln -s {paper.folder}/muons_LST-1.Run02008.0000.fits muons/muons_LST-1.Run02008.0000.fits"
    assert lines[-1].startswith("lstchain_merge_muon_files --input-dir=muons ")


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ("52", (3000.0, 12000.0)),
        ("11", (4000.0, 1_000_000.0)),
        ("26", (4000.0, 1_000_000.0)),
        ("45", (1200.0, 12000.0)),
        ("66", (200.0, 5000.0)),
    ],
)
def test_the_filters_give_the_range_of_flat_field_charges(filters, expected):
    assert flatfield_range(filters) == expected


def test_unknown_filters_are_refused():
    with pytest.raises(ConfigurationError, match=r"'99' is not a pair of filters .*\(11, 12"):
        flatfield_range("99")


def test_the_heuristic_is_left_to_lstchain_unless_said():
    assert heuristic_flags(None) == ()


def test_stream_one_of_the_first_subrun_is_what_the_tool_gets():
    paths = [Path(f"LST-1.{stream}.Run02008.{subrun:04d}.fits.fz") for subrun in (2, 1) for stream in (4, 1)]
    assert raw.first_stream(paths).name == "LST-1.1.Run02008.0001.fits.fz"
    with pytest.raises(NightError, match="no raw file of stream 1 among LST"):
        raw.first_stream(paths[:1])
