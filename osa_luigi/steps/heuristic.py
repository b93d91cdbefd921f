"""How lstchain tells flat-field events from showers, where the trigger's word is not to be trusted."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from osa_luigi.errors import ConfigurationError

STANDARD_FILTERS = "52"
"""The calibration box's usual filters."""


def heuristic_flags(heuristic: bool | None) -> tuple[str, ...]:
    """The option of lstchain's scripts; ``None`` leaves it to lstchain, which goes by the date of the data."""
    if heuristic is None:
        return ()
    return ("--flatfield-heuristic",) if heuristic else ("--no-flatfield-heuristic",)


def flatfield_range(filters: str) -> tuple[float, float]:
    """Charges (ADC counts per pixel, high gain) between which a flat-field event lies, by the filters of the calibration box.

    The limits are those of ``onsite_create_calibration_file`` of lstchain 0.12; the transmissions come from the table
    that the installed lstchain has.

    Raises
    ------
    ConfigurationError
        lstchain does not know these filters.
    """
    if filters == STANDARD_FILTERS:
        return 3000.0, 12000.0
    transmissions = _transmissions()
    if filters not in transmissions:
        known = ", ".join(sorted(transmissions))
        raise ConfigurationError([f"filters: {filters!r} is not a pair of filters of the calibration box ({known})"])
    if transmissions[filters] > 0.001:
        return 4000.0, 1_000_000.0
    return (1200.0, 12000.0) if transmissions[filters] > 0.0005 else (200.0, 5000.0)


def _transmissions() -> dict[str, float]:
    # Found without importing lstchain, which takes seconds.
    spec = find_spec("lstchain")
    if spec is None or spec.origin is None:
        raise ConfigurationError(["lstchain is not installed: install osa_luigi with its dependencies"])
    table = Path(spec.origin).parent / "data" / "filters_transmission.dat"
    rows = (line.split() for line in table.read_text().splitlines() if line and not line.startswith("#"))
    return {row[0]: float(row[1]) for row in rows}
