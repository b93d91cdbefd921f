from __future__ import annotations

import pytest

from osa_luigi.errors import NightError
from osa_luigi.night import Source, read_run_catalog


def read(site, day):
    return read_run_catalog(site.paths.run_catalog_file(day))


def test_no_catalog_is_no_sources(site, day):
    assert read(site, day) == {}


def test_names_with_spaces_and_commas_stay_whole(site, day):
    site.catalog(day, (2, "Crab Nebula", 83.63, 22.01), (1, "1ES 1959+650, wobble", 300.0, 65.15))
    sources = read(site, day)
    assert sources == {
        1: Source("1ES 1959+650, wobble", 300.0, 65.15),
        2: Source("Crab Nebula", 83.63, 22.01),
    }
    assert list(sources) == [1, 2]


def test_coordinates_may_be_missing(site, day, make_ecsv):
    columns = {"run_id": "int64", "source_name": "string"}
    site.write(site.paths.run_catalog_file(day), make_ecsv(columns, [{"run_id": 1, "source_name": "Crab"}]))
    assert read(site, day) == {1: Source("Crab")}


def test_unknown_coordinates_are_none(site, day):
    site.catalog(day, (1, "Crab", "nan", None), (2, "Mrk421", 166.1, 38.2))
    assert read(site, day)[1] == Source("Crab", None, None)


def test_a_row_without_a_name_is_left_out(site, day):
    site.catalog(day, (1, None, 1.0, 2.0), (2, "Crab", 83.63, 22.01))
    assert list(read(site, day)) == [2]


def test_a_name_of_digits_is_a_name(site, day, make_ecsv):
    columns = {"run_id": "int64", "source_name": "int64"}
    site.write(site.paths.run_catalog_file(day), make_ecsv(columns, [{"run_id": 1, "source_name": 42}]))
    assert read(site, day)[1].name == "42"


def test_the_same_row_twice_is_one_source(site, day):
    site.catalog(day, (1, "Crab", 83.63, 22.01), (1, "Crab", 83.63, 22.01))
    assert len(read(site, day)) == 1


def test_two_sources_for_a_run(site, day):
    site.catalog(day, (1, "Crab", 83.63, 22.01), (1, "Mrk421", 166.1, 38.2))
    with pytest.raises(NightError, match="run 1 two sources, Crab and Mrk421"):
        read(site, day)


def test_a_missing_column(site, day, make_ecsv):
    site.write(site.paths.run_catalog_file(day), make_ecsv({"run_id": "int64"}, [{"run_id": 1}]))
    with pytest.raises(NightError, match=r"lacks the column source_name.*without sources"):
        read(site, day)


def test_a_malformed_catalog(site, day):
    path = site.write(site.paths.run_catalog_file(day), "not a table")
    with pytest.raises(NightError, match=f"{path}.*not a readable ECSV table"):
        read(site, day)


def test_other_units_are_refused(site, day):
    path = site.catalog(day, (1, "Crab", 5.57, 22.01))
    path.write_text(path.read_text().replace("{name: source_ra,", "{name: source_ra, unit: hourangle,"))
    with pytest.raises(NightError, match=r"source_ra .* must be in degrees, not hourangle"):
        read(site, day)


def test_coordinates_in_words(site, day, make_ecsv):
    columns = {"run_id": "int64", "source_name": "string", "source_ra": "string", "source_dec": "float64"}
    rows = [{"run_id": 1, "source_name": "Crab", "source_ra": "5h34m", "source_dec": 22.0}]
    site.write(site.paths.run_catalog_file(day), make_ecsv(columns, rows))
    with pytest.raises(NightError, match=r"source_ra of run 1 .* not a number of degrees"):
        read(site, day)
