from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osa_luigi.errors import NightError
from osa_luigi.night import (
    CalibrationSource,
    Night,
    Preprocessing,
    Run,
    RunType,
    find_calibration,
    find_systematics,
    find_time_calibration,
)

DAY = date(2024, 11, 15)


def make_night(day, *kinds):
    runs = (Run(100 + i, kind, 1, "R1v1.Event", Preprocessing(0), {}) for i, kind in enumerate(kinds))
    return Night(day, tuple(runs))


FULL = (RunType.DRS4, RunType.PEDCALIB, RunType.DATA)


def find(nights, look_back=3, begun=None):
    """``nights``: types of runs by days before tonight; ``begun``: runs of which there is a calibration, likewise."""
    asked = []

    def observe_date(day):
        days = (DAY - day).days
        asked.append(days)
        if isinstance(nights.get(days), Exception):
            raise nights[days]
        return make_night(day, *nights[days]) if days in nights else None

    def made(day):
        runs = (begun or {}).get((DAY - day).days)
        return CalibrationSource(day, *runs) if runs else None

    return find_calibration(DAY, look_back, observe_date, made), asked


def test_tonights_is_used_and_no_other_night_is_looked_at():
    assert find({0: FULL, 1: FULL}) == (CalibrationSource(DAY, 100, 101), [0])


def test_else_the_latest_earlier_one():
    nights = {0: (RunType.DATA,), 1: (RunType.DRS4,), 2: FULL, 3: FULL}
    source, asked = find(nights)
    assert source.date == date(2024, 11, 13)
    assert asked == [0, 1, 2]


def test_runs_of_two_nights_are_not_mixed():
    source, _ = find({0: (RunType.DRS4,), 1: (RunType.PEDCALIB,), 2: FULL})
    assert source.date == DAY - timedelta(days=2)


def test_the_limit_is_kept_and_said():
    with pytest.raises(NightError) as error:
        find({0: (RunType.DATA,), 1: (RunType.DRS4,), 2: (RunType.PEDCALIB,), 4: FULL})
    message = str(error.value)
    assert "looked 3 days back, to 2024-11-12" in message
    assert "2024-11-15: no DRS4 and no PEDCALIB run" in message
    assert "2024-11-14: no PEDCALIB run" in message
    assert "2024-11-13: no DRS4 run" in message
    assert "2024-11-12: not observed" in message
    assert "calibration.look_back_days" in message


def test_a_limit_of_zero_is_tonight_only():
    with pytest.raises(NightError, match="looked 0 days back"):
        find({1: FULL}, look_back=0)


def test_an_unreadable_earlier_night_is_passed_over():
    source, _ = find({0: (), 1: NightError("broken"), 2: FULL})
    assert source.date == DAY - timedelta(days=2)


def test_an_unreadable_tonight_is_told():
    with pytest.raises(NightError, match="broken"):
        find({0: NightError("broken"), 1: FULL})


def test_faulty_calibration_runs_do_not_count():
    source, _ = find({0: (RunType.DRS4, RunType.ERRPEDCALIB), 1: FULL})
    assert source.date == DAY - timedelta(days=1)


TWICE = (RunType.DRS4, RunType.PEDCALIB, RunType.DRS4, RunType.PEDCALIB)


def test_later_runs_of_a_night_do_not_replace_those_that_were_used_already():
    assert find({0: (), 1: TWICE})[0] == CalibrationSource(DAY - timedelta(days=1), 102, 103)
    assert find({0: (), 1: TWICE}, begun={1: (100, 101)})[0] == CalibrationSource(DAY - timedelta(days=1), 100, 101)


def test_what_was_used_does_not_make_an_earlier_night_go_before_a_later_one():
    assert find({0: (), 1: FULL, 2: FULL}, begun={2: (100, 101)})[0].date == DAY - timedelta(days=1)


@pytest.mark.parametrize("faulty", [(RunType.ERRPEDCALIB, 1), (RunType.ERROR, 0)])
def test_runs_that_were_marked_as_faulty_since_are_replaced(faulty):
    kind, place = faulty
    kinds = [kind if place == number else other for number, other in enumerate(TWICE)]
    assert find({0: (), 1: kinds}, begun={1: (100, 101)})[0] == CalibrationSource(DAY - timedelta(days=1), 102, 103)


@given(st.dictionaries(st.integers(0, 10), st.sampled_from([FULL, (RunType.DATA,)])), st.integers(0, 8))
def test_it_is_always_the_latest_within_the_limit(nights, look_back):
    usable = [days for days, kinds in nights.items() if kinds == FULL and days <= look_back]
    if usable:
        assert find(nights, look_back)[0].date == DAY - timedelta(days=min(usable))
    else:
        with pytest.raises(NightError):
            find(nights, look_back)


def add_time_calibration(site, day, run, version="v0.12.3", pro=True):
    folder = site.paths.time_calibration / day
    path = site.write(folder / version / f"time_calibration.Run{run:05d}.0000.h5", b"x")
    if pro:
        (folder / "pro").unlink(missing_ok=True)
        (folder / "pro").symlink_to(version)
    return path.resolve()


def test_the_last_time_calibration_not_after_the_run(site):
    add_time_calibration(site, "20240101", 100)
    expected = add_time_calibration(site, "20240201", 200)
    add_time_calibration(site, "20240301", 300)
    for run in (200, 250, 299):
        assert find_time_calibration(site.paths.time_calibration, DAY, run) == expected


def test_time_calibration_without_pro_is_of_the_last_version(site):
    add_time_calibration(site, "20240101", 100, "v0.11.0", pro=False)
    expected = add_time_calibration(site, "20240101", 100, "v0.12.3", pro=False)
    assert find_time_calibration(site.paths.time_calibration, DAY, 150) == expected


def test_time_calibration_takes_pro_even_if_it_is_older(site):
    expected = add_time_calibration(site, "20240101", 100, "v0.11.0")
    add_time_calibration(site, "20240101", 100, "v0.12.3", pro=False)
    assert find_time_calibration(site.paths.time_calibration, DAY, 150) == expected


def test_other_things_in_the_time_calibration_folder(site):
    expected = add_time_calibration(site, "20240101", 100)
    add_time_calibration(site, "Trash", 140)
    site.write(site.paths.time_calibration / "20240101" / "pro" / "log.txt", b"x")
    site.write(site.paths.time_calibration / "notes", b"x")
    assert find_time_calibration(site.paths.time_calibration, DAY, 150) == expected


def test_no_time_calibration_early_enough(site):
    add_time_calibration(site, "20240101", 100)
    with pytest.raises(NightError, match=r"Run00099 \(2024-11-15\).*the first one there is of Run00100"):
        find_time_calibration(site.paths.time_calibration, DAY, 99)


def test_no_time_calibration_at_all(site):
    with pytest.raises(NightError, match="there is none at all"):
        find_time_calibration(site.paths.time_calibration, DAY, 99)


def add_systematics(site, day, version="v1"):
    folder = site.paths.systematics / day
    path = site.write(folder / version / f"ffactor_systematics_{day}.h5", b"x")
    (folder / "pro").symlink_to(version)
    return path.resolve()


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        (date(2024, 11, 15), "20240601"),
        (date(2024, 6, 1), "20240601"),
        (date(2024, 5, 31), "20230101"),
        (date(2019, 1, 1), "20230101"),
        (date(2030, 1, 1), "20290101"),
    ],
)
def test_systematics_of_the_last_date_not_after_or_else_the_first(site, day, expected):
    paths = {name: add_systematics(site, name) for name in ("20230101", "20240601", "20290101")}
    assert find_systematics(site.paths.systematics, day) == paths[expected]


def test_systematics_follow_the_rule_of_lstchain(site):
    onsite = pytest.importorskip("lstchain.onsite")
    root = site.root / "base"
    for name in ("20230101", "20240601"):
        site.write(
            root / onsite.CAT_A_PIXEL_DIR / "ffactor_systematics" / name / "pro" / f"ffactor_systematics_{name}.h5", b""
        )
    for day in (date(2020, 1, 1), date(2023, 1, 1), date(2024, 5, 1), date(2025, 1, 1)):
        theirs = onsite.find_systematics_correction_file("pro", f"{day:%Y%m%d}", base_dir=root)
        assert find_systematics(root / onsite.CAT_A_PIXEL_DIR / "ffactor_systematics", day) == theirs


def test_time_calibration_follows_the_rule_of_lstchain(site):
    onsite = pytest.importorskip("lstchain.onsite")
    root = site.root / "base"
    folder = root / onsite.CAT_A_PIXEL_DIR / "drs4_time_sampling_from_FF"
    for name, run in (("20230101", 1000), ("20240601", 2000), ("20240701", 2500)):
        site.write(folder / name / "pro" / f"time_calibration.Run{run:05d}.0000.h5", b"")
    for run in (1000, 1999, 2000, 2499, 9000):
        assert find_time_calibration(folder, DAY, run) == onsite.find_time_calibration_file("pro", run, base_dir=root)


def test_no_systematics(site):
    with pytest.raises(NightError, match="no F-factor systematics for 20241115"):
        find_systematics(site.paths.systematics, DAY)
