"""Campaigns in the library: points of a grid, dates, production ids, and every mistake at its place."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osa_luigi.config import Campaign, difference, load, load_campaign, load_main, scientific, validate
from osa_luigi.config.browsing import resolved
from osa_luigi.config.campaign import parse_point, point_name
from osa_luigi.config.grid import Choice, Dimension, chosen, leaves, merged, nested, size
from osa_luigi.errors import ConfigurationError

MAIN = {"site": {"name": "test", "base": "."}, "procedures": ["library.json"]}
FAKE = {"name": "fake", "production_id": "v1", "dl2": {"enabled": False}, "fake": {}}
CAMPAIGN = {"name": "c", "type": "campaign", "reconstruction": "fake", "dates": ["2024-11-15"]}
PICTURE = {"key": ["dl1ab", "tailcuts", "picture_thresh"], "values": [6, 8]}
BOUNDARY = {"key": ["dl1ab.tailcuts.boundary_thresh"], "values": {"start": 2, "stop": 5}}
BOTH = {
    "template": "dl1ab:\n  tailcuts: {picture_thresh: {{ picture }}, boundary_thresh: {{ boundary }}}",
    "default": {"picture": 8, "boundary": 4},
    "values": [{}, {"picture": 10, "boundary": 5}, {"boundary": 3}],
}


@pytest.fixture
def library(tmp_path: Path) -> Any:
    """Writes a library with a campaign, and gives the main file."""

    def write(*others: dict[str, Any], main: dict[str, Any] | None = None, **changes: Any) -> Path:
        (tmp_path / "main.json").write_text(json.dumps(MAIN | (main or {})))
        content = {"procedures": [FAKE, *others, CAMPAIGN | changes]}
        (tmp_path / "library.json").write_text(json.dumps(content, indent=1))
        return tmp_path / "main.json"

    return write


def campaign(path: Path) -> Campaign:
    return load_campaign(load_main(path, check_files=False), "c")


def problems(path: Path) -> list[str]:
    return [line.partition("library.json:")[2] for line in validate(path, check_files=False)[1]]


def test_without_a_grid_it_has_the_reconstruction_s_own_production_id(library: Any) -> None:
    found = campaign(library())
    assert [point.production for point in found.all_points()] == ["v1"]
    assert found.point(0).procedure == "c@0"
    assert list(found.nights()) == [date(2024, 11, 15)]


def test_the_last_dimension_runs_fastest_and_each_point_is_a_procedure(library: Any) -> None:
    path = library(
        grid=[PICTURE, BOUNDARY], production_id="{production_id}-{picture_thresh}-{boundary_thresh}-p{index:03}"
    )
    found = campaign(path)
    ids = [point.production for point in found.all_points()]
    assert ids == ["v1-6-2-p000", "v1-6-3-p001", "v1-6-4-p002", "v1-8-2-p003", "v1-8-3-p004", "v1-8-4-p005"]
    for index, (picture, boundary) in enumerate([(6, 2), (6, 3), (6, 4), (8, 2), (8, 3), (8, 4)]):
        procedure = load(path, f"c@{index}", check_files=False).procedure
        assert (procedure.dl1ab.picture_thresh, procedure.dl1ab.boundary_thresh) == (picture, boundary)
        assert (procedure.name, procedure.production_id) == (f"c@{index}", ids[index])
    same, other = (load(path, name, check_files=False) for name in ("fake", "c@5"))
    assert all("thresh" in line for line in difference(scientific(same), scientific(other)))


def test_templates_are_filled_in_with_defaults(library: Any) -> None:
    path = library(grid=[BOTH])
    levels = [load(path, f"c@{index}", check_files=False).procedure.dl1ab for index in range(3)]
    assert [(one.picture_thresh, one.boundary_thresh) for one in levels] == [(8, 4), (10, 5), (8, 3)]
    assert campaign(path).point(1).labels == {"picture": 10, "boundary": 5}


def test_several_reconstructions_are_the_slowest_dimension(library: Any) -> None:
    other = {**FAKE, "name": "other", "production_id": "v2"}
    path = library(other, reconstruction=None, reconstructions=["fake", "other"], grid=[PICTURE])
    points = list(campaign(path).all_points())
    assert [(one.reconstruction, one.labels["picture_thresh"]) for one in points] == [
        ("fake", 6),
        ("fake", 8),
        ("other", 6),
        ("other", 8),
    ]
    assert points[3].production == "v2-p003"


def test_ranges_overlap_and_every_night_comes_once_in_order(library: Any) -> None:
    dates = ["2024-11-17", {"first": "2024-11-15", "last": "2024-11-18"}, {"first": "2024-11-18", "last": "2024-11-19"}]
    assert [day.day for day in campaign(library(dates=dates)).nights()] == [15, 16, 17, 18, 19]


def test_lists_of_runs_are_dates_too_and_reach_the_point(library: Any) -> None:
    runs = {"2024-11-16": [2004, 2003], "2024-11-20": [2009]}
    path = library(dates=[], select={"runs": runs, "sources": ["Crab*"]})
    assert [day.day for day in campaign(path).nights()] == [16, 20]
    select = load(path, "c@0", check_files=False).procedure.select
    assert select.runs == {"2024-11-16": (2003, 2004), "2024-11-20": (2009,)}
    assert select.sources == ("Crab*",)


def test_its_jobs_step_back_and_have_their_share(library: Any) -> None:
    slurm = {"nice": 5, "subruns_per_job": 10, "qos": "normal", "steps": {"dl2": {"nice": 7}}}
    main = {"executor": {"type": "slurm", "slurm": slurm, "local": {"cores": 8, "memory_mb": 100_000}}}
    path = library(main=main, nice=100, qos="low", elements_in_flight=40, nights_in_flight=4)
    executor = load(path, "c@0", check_files=False).main.executor
    assert (executor.slurm.place.nice, executor.slurm.place.qos) == (105, "low")
    assert (executor.slurm.place_of("dl2").nice, executor.slurm.place_of("dl2").qos) == (107, "low")
    assert executor.slurm.in_flight == 100
    assert (executor.local.cores, executor.local.memory_mb) == (2, 25_000)
    assert load(path, "fake", check_files=False).main.executor.slurm.place.nice == 5


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"dates": ["15.11.2024"]}, "dates[0]: '15.11.2024' is not an observation date (write it as 2024-11-15)"),
        ({"dates": [{"first": "2024-11-15", "last": "2024-11-14"}]}, "must not be before 2024-11-15"),
        ({"dates": [{"first": "2024-11-15", "end": "2024-11-16"}]}, "unknown key (known here: first, last)"),
        ({"dates": []}, "dates: is missing: which nights?"),
        ({"reconstruction": "fakes"}, "reconstruction: no reconstruction 'fakes' (did you mean 'fake'?)"),
        ({"reconstruction": None}, "reconstruction: is missing"),
        ({"reconstructions": ["fake"]}, "is there beside reconstructions"),
        ({"reconstruction": "c"}, "no reconstruction 'c'"),
        ({"grid": [{"key": "dl1ab"}]}, "grid[0].values: must be a list of values"),
        ({"grid": [{"key": "dl1ab", "values": [1]}]}, "grid[0].key: must be a list of names"),
        ({"grid": [{"keys": ["dl1ab"], "values": [1]}]}, "grid[0]: must be {key: [...], values: ...}"),
        (
            {"grid": [{"key": ["dl1ab.tailcut"], "values": [1]}]},
            "dl1ab.tailcut: unknown key (did you mean 'tailcuts'?)",
        ),
        (
            {"grid": [{"key": ["dl1ab.images"], "values": [True, "no"]}]},
            "dl1ab.images: must be true or false, not 'no'",
        ),
        ({"grid": [{"key": ["dl1ab.images"], "values": {"stop": 0}}]}, "holds no value"),
        ({"grid": [PICTURE, PICTURE]}, "is changed by another dimension, too (grid[0])"),
        ({"grid": [{"template": "{{ x }}", "values": [1]}]}, "cannot be filled in for values[0]: 'x' is undefined"),
        ({"grid": [{"template": "{{ value }}", "values": [1]}]}, "with values[0] it is not settings of a procedure"),
        ({"grid": [{"template": "{% for %}", "values": [1]}]}, "grid[0].template: cannot be filled in"),
        ({"grid": [PICTURE], "production_id": "x"}, "points 0 and 1 have the same id, x"),
        ({"grid": [PICTURE], "production_id": "{indx}"}, "{indx} is not known (did you mean 'index'?)"),
        ({"production_id": "a/b"}, "'a/b' of point 0 will not do"),
        ({"production_id": "{index"}, "cannot be understood"),
        ({"select": {"runs": {"2024-11-15": 2003}}}, "must be a list of run numbers, as [2003, 2004]"),
        ({"select": {"zenith": {"min": 40, "max": 30}}}, "is less than zenith.min, 40"),
        ({"select": {"types": ["PEDCALIB"]}}, "must be one of DATA, EDATA"),
        ({"nights_in_flight": 0}, "nights_in_flight: must be at least 1, not 0"),
        ({"reconstrucion": "fake"}, "unknown key (did you mean 'reconstruction'?)"),
    ],
)
def test_mistakes_are_said_with_their_place(library: Any, changes: dict[str, Any], said: str) -> None:
    found = problems(library(**changes))
    assert any(said in line for line in found), found
    assert all(line.split(":")[0].isdecimal() for line in found)


def test_points_that_do_not_exist_are_refused(library: Any) -> None:
    path = library(grid=[PICTURE])
    with pytest.raises(ConfigurationError, match="has no point 2; its last one is c@1"):
        load(path, "c@2", check_files=False)
    with pytest.raises(ConfigurationError, match="no campaign 'd'"):
        load(path, "d@0", check_files=False)


@given(st.lists(st.integers(1, 5), max_size=4), st.data())
def test_points_are_those_of_nested_loops(sizes: list[int], data: Any) -> None:
    """Counted through, the indices of the choices are in the order of nested loops."""
    grid = [Dimension((n,), tuple(Choice({"n": k}, {}) for k in range(many))) for n, many in enumerate(sizes)]
    index = data.draw(st.integers(0, size(grid) - 1))
    numbers = [choice.labels["n"] for choice in chosen(grid, index)]
    again = 0
    for number, many in zip(numbers, sizes, strict=True):
        again = again * many + number
    assert again == index


@given(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,20}", fullmatch=True), st.integers(0, 9999))
def test_names_of_points_are_read_back(name: str, index: int) -> None:
    assert parse_point(point_name(name, index)) == (name, index)
    assert parse_point(name) is None


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=4), st.integers())
def test_a_setting_is_found_again_in_what_was_changed(key: list[str], value: int) -> None:
    changed = merged({"a": {"b": 1}, "c": 2}, nested(key, value))
    assert dict(leaves(changed))[tuple(key)] == value


def test_a_point_is_shown_and_compared_like_any_procedure(library: Any) -> None:
    path = library(grid=[PICTURE])
    point = resolved(path, "c@1")
    assert point.settings["dl1ab"]["tailcuts"]["picture_thresh"] == 8
    place = point.origins["dl1ab.tailcuts.picture_thresh"]
    assert place.partition(":")[0] == str(path.with_name("library.json"))
