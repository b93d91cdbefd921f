"""The run catalog: which source each DATA run observed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from astropy.table import Table

from osa_luigi.telescope.files import written_whole
from osa_luigi.telescope.sky import Source


def write_run_catalog(path: Path, runs: Sequence[int], source: Source) -> None:
    """Write the catalog: run_id, source_name, source_ra and source_dec (degrees), as LST's own."""
    count = len(runs)
    table = Table(
        {
            "run_id": list(runs),
            "source_name": [source.name] * count,
            "source_ra": [source.ra] * count,
            "source_dec": [source.dec] * count,
        },
        dtype=[int, str, float, float],
    )
    with written_whole(path) as temporary:
        table.write(temporary, format="ascii.ecsv", delimiter=",")
