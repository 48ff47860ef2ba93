from __future__ import annotations

import pytest
from support.random_call import events_of
from support.random_model_call import random_model_call


@pytest.mark.parametrize("tens", range(4))
def test_no_random_call_with_a_model_of_speech_ends_in_a_deadlock_or_hears_what_it_should_not(tens: int) -> None:
    seeds = range(10 * tens, 10 * tens + 10)
    wrong = {seed: problems for seed in seeds if (problems := random_model_call(seed).problems)}
    assert not wrong


@pytest.mark.parametrize("seed", [3, 8, 21])
def test_the_same_call_with_a_model_of_speech_has_the_same_events_twice(seed: int) -> None:
    assert events_of(random_model_call(seed)) == events_of(random_model_call(seed))
