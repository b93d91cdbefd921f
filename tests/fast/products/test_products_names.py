from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osa_luigi.products import names

thresholds = st.integers(1, 99)
SUBRUN, RUN = "Run02008.0003", "Run02008"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (names.dl1a(SUBRUN), "dl1_LST-1.Run02008.0003.h5"),
        (names.muons(RUN), "muons_LST-1.Run02008.fits"),
        (names.interleaved(SUBRUN), "interleaved/interleaved_LST-1.Run02008.0003.h5"),
        (names.dl1b("tailcut84", RUN), "tailcut84/dl1_LST-1.Run02008.h5"),
        (names.datacheck("tailcut84", RUN, "pdf"), "tailcut84/datacheck_dl1_LST-1.Run02008.pdf"),
        (names.dl2("tailcut84", "nsb_tuning_0.14", RUN), "tailcut84/nsb_tuning_0.14/dl2_LST-1.Run02008.h5"),
        (names.drs4_baseline(2005), "calibration/drs4_pedestal.Run02005.0000.h5"),
        (names.time_calibration(2006), "calibration/time_calibration.Run02006.0000.h5"),
        (names.charge_calibration(2006, "52"), "calibration/calibration_filters_52.Run02006.0000.h5"),
        (names.cat_b(2008, "52"), "calibration_cat_b/cat_B_calibration_filters_52.Run02008.h5"),
        (names.tailcuts(2008), "tailcuts/dl1ab_Run02008.json"),
        (names.gain_selected(1, SUBRUN), "R0G/LST-1.1.Run02008.0003.fits.fz"),
        (names.longterm("20241115", "html"), "longterm/DL1_datacheck_20241115.html"),
    ],
    ids=str,
)
def test_products_are_named_as_the_site_knows_them(path, expected):
    assert path == Path(expected)
    assert not path.is_absolute()


@pytest.mark.parametrize(
    ("picture", "boundary", "expected"),
    [
        (8, 4, "tailcut84"),
        (8.0, 4.0, "tailcut84"),
        (10, 5, "tailcut1005"),
        (6, 3, "tailcut63"),
        (7.5, 4, "tailcut7p504"),
    ],
)
def test_tailcut_folders(picture, boundary, expected):
    assert names.tailcut_id(picture, boundary) == expected


@given(thresholds, thresholds, thresholds, thresholds)
def test_cleaning_levels_never_share_a_folder(a, b, c, d):
    assert (names.tailcut_id(a, b) == names.tailcut_id(c, d)) == ((a, b) == (c, d))


@pytest.mark.parametrize(
    ("models", "expected"),
    [
        ("/fefs/models/20240918_v0.10.12_allsky_nsb_tuning_0.14/dec_2276", "nsb_tuning_0.14"),
        ("/models/nsb_tuning_0.00/dec_931/path_0.3", "nsb_tuning_0.00"),
        ("/models/my_own", "my_own"),
    ],
)
def test_the_dl2_folder_says_which_models(models, expected):
    assert names.nsb_id(Path(models)) == expected


@given(st.integers(0, 99_999))
def test_labels(run):
    assert names.run_label(run) == f"Run{run:05}"
