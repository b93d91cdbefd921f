"""A few of the simulated nights; ``python -m tests.simulation`` plays them by the hundred thousand."""

from __future__ import annotations

import pytest

from tests.simulation.nights import Night

EACH = 40


@pytest.mark.parametrize("first", range(0, 400, EACH))
def test_nothing_is_submitted_twice_lost_or_failed_for_a_query_that_failed(first: int) -> None:
    nights = [Night(seed).play() for seed in range(first, first + EACH)]
    assert {night.seed: night.trouble for night in nights if night.trouble} == {}
    assert any(night.crashes for night in nights)


def test_a_seed_is_a_night() -> None:
    one, same = Night(7).play(), Night(7).play()
    assert (one.turns, one.crashes, one.sbatch, one.told) == (same.turns, same.crashes, same.sbatch, same.told)
