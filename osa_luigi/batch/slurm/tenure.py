"""The lease, as the SLURM engine asks for it before each sbatch."""

from __future__ import annotations

from osa_luigi.batch.lease import holds_lease, take_lease
from osa_luigi.products.production import Production


class Lease:
    """This process's lease of a production."""

    def __init__(self, production: Production) -> None:
        self._production = production
        self.generation = take_lease(production)

    def holds(self) -> bool:
        """Whether it is still the newest: read again from the disk."""
        return holds_lease(self._production, self.generation)
