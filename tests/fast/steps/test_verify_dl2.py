"""What a step says of cleaning levels and DL2: whole ones are counted, wanting ones refused, with the reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from paper_steps import Paper, dl1_columns, write_hdf5
from verifying import EVENTS, refused, verify

from osa_luigi.steps import dl1
from osa_luigi.steps.call import StepCall


def tailcuts_files(folder: Path, thresholds: Any, log: str) -> dict[str, Path]:
    (folder / "t.json").write_text(json.dumps({"tailcuts_clean_with_pedestal_threshold": thresholds}))
    (folder / "t.log").write_text(log)
    return {"tailcuts": folder / "t.json", "log": folder / "t.log"}


NSB = "Additional NSB rate (over dark MC): 0.1416 p.e./ns"
GOOD = {"picture_thresh": 8, "boundary_thresh": 4}


def test_tailcuts_say_the_thresholds_and_the_nsb(paper: Paper, tmp_path):
    counts = verify(paper.call("tailcuts"), **tailcuts_files(tmp_path, GOOD, NSB))
    assert counts == {**GOOD, "additional_nsb": 0.1416}


@pytest.mark.parametrize(
    ("thresholds", "log", "said"),
    [
        (None, NSB, "lacks the section tailcuts_clean"),
        ({"picture_thresh": 4, "boundary_thresh": 8}, NSB, "make no sense"),
        ({"picture_thresh": 8}, NSB, "thresholds 8 and None"),
        (GOOD, "nothing of it", "does not say the additional NSB rate"),
        (GOOD, NSB.replace("0.1416", "nan"), "does not say the additional NSB rate"),
    ],
)
def test_wanting_tailcuts_are_refused(paper: Paper, tmp_path, thresholds, log, said):
    refused(paper.call("tailcuts"), said, **tailcuts_files(tmp_path, thresholds, log))


def dl2(paper: Paper) -> StepCall:
    features = {
        name: ["intensity", "alt_tel", "reco_energy"]
        for name in (
            "energy_regression_features",
            "disp_regression_features",
            "particle_classification_features",
            "disp_classification_features",
        )
    }
    paper.config.write_text(
        json.dumps({**features, "events_filters": {"width": [0, 0.9], "length": [0, float("inf")]}})
    )
    call = paper.call("dl2")
    columns = dl1_columns(EVENTS)
    columns["intensity"] = np.where(EVENTS <= 5, np.nan, 100.0)
    columns["width"] = np.where(EVENTS > 18, 1.0, 0.1)
    columns["alt_tel"] = np.where(EVENTS == 7, np.nan, 1.2)
    write_hdf5(call.path("dl1"), {dl1.PARAMETERS: columns})
    return call


def dl2_file(path: Path, ids: Any, energy: float = 1.0) -> Path:
    columns = dl1_columns(ids)
    number = np.full(len(ids), energy)
    names = ("reco_energy", "reco_alt", "reco_az", "gammaness")
    return write_hdf5(path, {dl1.DL2_PARAMETERS: {**columns, **dict.fromkeys(names, number)}})


def test_dl2_has_the_events_that_its_configuration_selects(paper: Paper, tmp_path):
    assert verify(dl2(paper), dl2=dl2_file(tmp_path / "dl2.h5", EVENTS[5:18])) == {"events": 13}


@pytest.mark.parametrize("ids", [EVENTS[5:17], EVENTS[5:19], EVENTS[:0]])
def test_dl2_with_other_events_is_refused(paper: Paper, tmp_path, ids):
    refused(dl2(paper), f"has {len(ids)} rows, not the 13 events of DL1b", dl2=dl2_file(tmp_path / "dl2.h5", ids))


def test_dl2_without_energies_is_refused(paper: Paper, tmp_path):
    path = dl2_file(tmp_path / "dl2.h5", EVENTS[5:18], np.nan)
    refused(dl2(paper), "13 of 13 values of reco_energy", dl2=path)


def test_a_stub_of_a_failed_dl2_is_refused(paper: Paper, tmp_path):
    path = write_hdf5(tmp_path / "dl2.h5", {}, {"/configuration": [1]})
    refused(dl2(paper), "lacks /dl2/event/telescope/parameters/LST_LSTCam", dl2=path)
