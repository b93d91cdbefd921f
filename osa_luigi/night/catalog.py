"""The run catalog: at which source each run points."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from osa_luigi.errors import NightError
from osa_luigi.night.ecsv import integer, read_ecsv
from osa_luigi.night.model import Json, Source
from osa_luigi.night.plain_ecsv import Ecsv

_WHAT = "run catalog"
_REMEDY = "correct it, or delete it: a night can be processed without sources"
_DEGREES = {"", "deg", "degree"}


def read_run_catalog(path: Path) -> Mapping[int, Source]:
    """Sources by run; empty if there is no catalog, which never stops a night.

    A row without a source name says nothing and is left out. Coordinates are in degrees; a catalog
    may lack them.

    Raises
    ------
    NightError
        The file is there but cannot be used, or gives two sources to one run.
    """
    if not path.exists():
        return {}
    table = read_ecsv(path, ("run_id", "source_name"), what=_WHAT, remedy=_REMEDY)
    _check_units(path, table)
    sources: dict[int, Source] = {}
    for cells in table.rows:
        run_id = integer(cells, "run_id", path=path, what=_WHAT, remedy=_REMEDY)
        source = _source(path, run_id, cells)
        if source is None:
            continue
        if sources.setdefault(run_id, source) != source:
            raise NightError(
                f"{path}: the {_WHAT} gives run {run_id} two sources, "
                f"{sources[run_id].name} and {source.name}: {_REMEDY}"
            )
    return dict(sorted(sources.items()))


def _check_units(path: Path, table: Ecsv) -> None:
    for column in ("source_ra", "source_dec"):
        unit = table.units.get(column, "")
        if unit not in _DEGREES:
            raise NightError(f"{path}: {column} of the {_WHAT} must be in degrees, not {unit}: {_REMEDY}")


def _source(path: Path, run_id: int, cells: Mapping[str, Json]) -> Source | None:
    name = cells["source_name"]
    if name is None or not str(name).strip():
        return None
    ra, dec = (_degrees(path, run_id, column, cells.get(column)) for column in ("source_ra", "source_dec"))
    return Source(str(name).strip(), ra, dec)


def _degrees(path: Path, run_id: int, column: str, value: Json) -> float | None:
    if value is None:
        return None
    try:
        return float(value)
    except ValueError:
        raise NightError(
            f"{path}: {column} of run {run_id} in the {_WHAT} is not a number of degrees ({value}): {_REMEDY}"
        ) from None
