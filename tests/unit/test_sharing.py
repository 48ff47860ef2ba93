from __future__ import annotations

import gc

from beluga_voice.sharing import Claims


class Thing:
    pass


class Slotted:
    __slots__ = ()


def test_an_object_is_taken_once() -> None:
    claims = Claims()
    thing, other = Thing(), Thing()
    assert claims.take(thing)
    assert not claims.take(thing)
    assert claims.take(other)
    slotted = Slotted()
    assert claims.take(slotted)
    assert not claims.take(slotted)


def test_what_is_gone_leaves_nothing_behind() -> None:
    claims = Claims()
    for _ in range(100):
        assert claims.take(Thing())
    gc.collect()
    assert claims._taken == {}
