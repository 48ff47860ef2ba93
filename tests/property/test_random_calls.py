from __future__ import annotations

import pytest
from support.random_call import events_of, random_call


@pytest.mark.parametrize("tens", range(4))
def test_no_random_call_loses_a_turn_or_ends_in_a_deadlock(tens: int) -> None:
    wrong = {seed: problems for seed in range(10 * tens, 10 * tens + 10) if (problems := random_call(seed).problems)}
    assert not wrong


@pytest.mark.parametrize("seed", [3, 8, 21])
def test_the_same_call_has_the_same_events_twice(seed: int) -> None:
    assert events_of(random_call(seed)) == events_of(random_call(seed))
