"""Independent random streams from one seed, keyed by what they are for.

Every part of a night draws from its own stream, so that parts can be made in any order, in any process, again, and
alone, and still come out the same.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np


class Purpose(IntEnum):
    """First word of a stream's key. The numbers decide what is simulated: never change one."""

    CAMERA = 1
    NOISE = 2
    SCHEDULE = 3
    SUBRUN = 4
    MONTE_CARLO = 5
    TRAINING = 6
    FAULT = 7


def random_stream(seed: int, purpose: Purpose, *key: int) -> np.random.Generator:
    """The random stream of one part of the night.

    Parameters
    ----------
    seed
        Of the night.
    purpose, key
        What the stream is for; ``(SUBRUN, 2003, 1)``, say.
    """
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(int(purpose), *key)))
