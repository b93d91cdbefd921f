"""The work-arounds, against stand-ins for the tools: applied where the defect is, not where it is gone."""

from __future__ import annotations

import logging
from types import SimpleNamespace

import numpy as np
import pytest

from osa_luigi.steps import mends
from osa_luigi.steps.catalogue import STEPS


def summary_tool() -> SimpleNamespace:
    """A module like ``lstchain_create_run_summary``, which asks whatever server it is given."""
    tool = SimpleNamespace(asked=[])

    def is_db_available(server: str) -> bool:
        tool.asked.append(server)
        return True

    tool.is_db_available = is_db_available
    return tool


def test_without_a_server_on_the_command_line_none_is_asked(monkeypatch):
    monkeypatch.setattr("sys.argv", ["lstchain_create_run_summary", "--date", "20241115"])
    tool = summary_tool()
    mends._do_not_ask_an_unnamed_server(tool)
    assert tool.is_db_available("lst101-int") is False
    assert tool.asked == []


def test_a_named_server_is_still_asked(monkeypatch):
    monkeypatch.setattr("sys.argv", ["lstchain_create_run_summary", "--tcu-server", "tcu"])
    tool = summary_tool()
    mends._do_not_ask_an_unnamed_server(tool)
    assert tool.is_db_available("tcu") is True
    assert tool.asked == ["tcu"]


@pytest.mark.parametrize("dtype", [np.uint64, np.int64])
def test_the_default_of_the_counter_is_stored_as_numpy_1_did(dtype):
    tool = SimpleNamespace(
        COUNTER_DEFAULTS={"dragon_reference_counter": -1}, dtypes={"dragon_reference_counter": dtype}
    )
    mends._unsigned_counter_default(tool)
    stored = np.array([tool.COUNTER_DEFAULTS["dragon_reference_counter"]], dtype=dtype)
    assert stored[0] == (2**64 - 1 if dtype is np.uint64 else -1)


def test_a_numpy_that_refuses_the_default_gets_another(monkeypatch):
    """As numpy 2 does."""

    def refuse(values, dtype):
        if values[0] < 0:
            raise OverflowError
        return values

    monkeypatch.setattr(np, "array", refuse)
    tool = SimpleNamespace(COUNTER_DEFAULTS={"dragon_reference_counter": -1}, dtypes={"dragon_reference_counter": "u8"})
    mends._unsigned_counter_default(tool)
    assert tool.COUNTER_DEFAULTS["dragon_reference_counter"] == 2**64 - 1


def test_the_extractor_is_told_to_take_both_gains():
    seen = []

    def extractor(waveforms, tel_id, selected, *, broken_pixels):
        seen.append((tel_id, selected, broken_pixels))
        return waveforms

    both = mends._BothGains(extractor)
    assert both("waveforms", 1, np.zeros((2, 1855)), broken_pixels="broken") == "waveforms"
    assert seen == [(1, None, "broken")]


class Stacking:
    """A module like ``lstchain_merge_muon_files``, whose stacking refuses what astropy's does."""

    def __init__(self, refuses: bool) -> None:
        self.refuses = refuses
        self.Table = dict_table
        self.vstack = self._vstack

    def _vstack(self, tables):
        kinds = {type(value) for table in tables for value in [*table["good_ring"], *([0.0] * (not len(table)))]}
        if self.refuses and len(kinds) > 1:
            raise ValueError("incompatible types")
        return dict_table({"good_ring": [value for table in tables for value in table["good_ring"]]})


class dict_table(dict):  # noqa: N801 (stands for astropy's Table)
    def __len__(self) -> int:
        return len(self["good_ring"])


@pytest.mark.parametrize("refuses", [True, False])
def test_subruns_without_a_ring_are_merged(monkeypatch, refuses):
    tool = Stacking(refuses)
    fake_module(monkeypatch, "lstchain.scripts", lstchain_merge_muon_files=tool)
    mends.merge_muons()
    assert (tool.vstack == tool._vstack) is not refuses
    none, two = dict_table({"good_ring": []}), dict_table({"good_ring": [True, False]})
    assert tool.vstack([none, two])["good_ring"] == [True, False]
    assert tool.vstack([two, none])["good_ring"] == [True, False]
    assert len(tool.vstack([none, none])) == 0


@pytest.mark.parametrize("merges_one", [True, False])
def test_a_run_of_one_subrun_gets_a_run_wise_datacheck(monkeypatch, merges_one):
    merged = []
    checker = SimpleNamespace(merge_dl1datacheck_files=lambda files: merged.append(files) or "run.h5")

    def plot(files, out=None, batch=False, muons=None, create_pdf=True):
        if isinstance(files, list):
            files = checker.merge_dl1datacheck_files(files) if len(files) > (0 if merges_one else 1) else files[0]
        return files

    checker.plot_datacheck = plot
    tool = SimpleNamespace(plot_datacheck=plot)
    fake_module(monkeypatch, "lstchain.scripts", lstchain_check_dl1=tool)
    fake_module(monkeypatch, "lstchain.datachecks", dl1_checker=checker)
    mends.run_datacheck()
    mends.run_datacheck()
    assert merged == []
    assert tool.plot_datacheck(["one.h5"], ".", True) == "run.h5"
    assert tool.plot_datacheck(["one.h5", "two.h5"], ".", True) == "run.h5"
    assert tool.plot_datacheck("one.h5") == "one.h5", "the check of a subrun plots its own file"
    assert merged == [["one.h5"], ["one.h5", "two.h5"]]


class Cleaning(SimpleNamespace):
    """A module like ``lstchain.image.cleaning``: a subrun counts if it is not too far from the median of all."""

    def __init__(self, refuses_one: bool) -> None:
        super().__init__(
            dl1_params_lstcam_key="parameters",
            dl1_images_lstcam_key="images",
            dl1_params_tel_mon_cal_key="calibration",
            EventType=SimpleNamespace(SKY_PEDESTAL=SimpleNamespace(value=2)),
            read_table=None,
            glob=None,
            median_abs_deviation=lambda values: np.median(np.abs(values - np.median(values))),
            smallest=0.0 if refuses_one else 1e-9,
        )

    def find_tailcuts(self, folder, run):
        subruns = self.glob.glob(f"{folder}/*{run}*")
        assert all((self.read_table(one, "parameters")["event_type"].data == 2).sum() == 100 for one in subruns)
        assert not any(self.read_table(one, "calibration")["unusable_pixels"].any() for one in subruns)
        charges = np.array([np.median(self.read_table(one, "images")["image"]) for one in subruns])
        with np.errstate(invalid="ignore"):
            far = np.abs(charges - np.median(charges)) / max(self.median_abs_deviation(charges), self.smallest)
        return charges, None, {"picture_thresh": 8} if (far < 5).sum() >= len(charges) / 2 else None


@pytest.mark.parametrize("refuses_one", [True, False])
def test_one_subrun_is_enough_for_cleaning_levels(monkeypatch, refuses_one):
    tool = Cleaning(refuses_one)
    fake_module(monkeypatch, "lstchain.image", cleaning=tool)
    deviation = tool.median_abs_deviation
    assert mends._keeps_one(tool) is not refuses_one
    mends.tailcuts()
    assert mends._keeps_one(tool)
    assert (tool.median_abs_deviation is deviation) is not refuses_one
    assert tool.median_abs_deviation(np.array([1.0, 2.0, 9.0])) == 1.0
    assert (tool.read_table, tool.glob) == (None, None), "the probe puts back what it replaced"
    assert logging.getLogger().isEnabledFor(logging.ERROR)


def fake_module(monkeypatch, name: str, **members: object) -> None:
    """Stand-ins for a package of lstchain, which takes seconds to import."""
    import sys

    parent = name.partition(".")[0]
    monkeypatch.setitem(sys.modules, parent, sys.modules.get(parent) or SimpleNamespace(__path__=[]))
    monkeypatch.setitem(sys.modules, name, SimpleNamespace(__path__=[], **members))


def test_every_mend_that_a_step_names_is_here():
    named = {tool.mend for step in STEPS.values() if (tool := getattr(step, "tool", None)) and tool.mend}
    functions = {mend.rpartition(":")[2] for mend in named}
    assert functions == {"run_summary", "time_calibration", "run_datacheck", "merge_muons", "tailcuts"}
    assert all(mend.startswith("osa_luigi.steps.mends:") for mend in named)
    assert all(callable(getattr(mends, name)) and getattr(mends, name).__doc__ for name in functions)
