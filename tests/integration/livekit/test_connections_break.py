"""What a caller notices when the agent's connection breaks: of its signalling, and of the server itself."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from support.call import turn_handling
from support.components import OneWordForAll
from support.room_session import MEDIA, is_heard, joined, session_on
from support.signal_relay import SignalRelay

from beluga_voice import Turn, livekit
from beluga_voice.clock import now
from beluga_voice.events import CloseEvent, SessionState, SessionStateChanged

if TYPE_CHECKING:
    from support.room_session import RoomSession
    from support.sdk_caller import SdkCaller

    from beluga_voice.testing import LiveKitServer

pytestmark = pytest.mark.quiet_machine

LONG = "gold hand iron jump kite lamp milk nest open pink quiz rose"


# The room is asked for ten times before it is given up; as long as this that takes at most.
GIVEN_UP_S = 90.0
# Long enough for a machine at its limit, which holds up the caller's packets in the middle of a word.
TURNS = turn_handling(min_delay=0.6)


async def brief(turn: Turn) -> str:
    return "gold hand."


async def answers(ada: SdkCaller) -> None:
    """The caller asks, and hears the answer whole."""
    asked = await ada.say_words("able bake calm dark able bake calm dark")
    began_s = await ada.voice_from("agent", since=asked.last_s)
    await ada.silence_from("agent", since=began_s)
    assert (await ada.heard("agent")).between(asked.last_s, now()).words[-2:] == ["gold", "hand"]


async def mended(tried: RoomSession) -> SessionState:
    """What became of a session that had lost its connection."""
    return (await tried.heard(SessionStateChanged, lambda told: told.old_state == "reconnecting")).new_state


@pytest.mark.parametrize("cut_s", [1.0, 5.0])
async def test_a_cut_signalling_wire_is_told_and_mended_while_the_sound_goes_on(
    livekit_server: LiveKitServer, ada: SdkCaller, room_name: str, cut_s: float
) -> None:
    async with (
        SignalRelay(livekit_server.port) as relay,
        joined(livekit_server, room_name, media="native", url=relay.url) as room,
        session_on(room, brief, turn_handling=TURNS, stt=OneWordForAll()) as tried,
    ):
        first_s = now()
        tried.session.say(LONG + ".", allow_interruptions=False)
        await ada.voice_from("agent", since=first_s)
        relay.cut()
        await tried.heard(SessionStateChanged, lambda told: told.new_state == "reconnecting")
        mend_s = now() + cut_s
        assert room.connection_state == livekit.ConnectionState.CONN_RECONNECTING
        await ada.silence_from("agent", since=first_s + 1.5)
        assert (await ada.heard("agent")).between(first_s, now()).words == LONG.split()
        if cut_s > 3.0:
            # The caller needs no signalling to be heard and answered.
            await answers(ada)
        await asyncio.sleep(max(0.0, mend_s - now()))
        assert tried.session.state == "reconnecting"
        relay.mend()
        assert await mended(tried) == "active"
        assert room.isconnected()
        await answers(ada)
        assert (await ada.arrived("agent")).lost <= 3
    assert [told.new_state for told in tried.all(SessionStateChanged)].count("reconnecting") == 1


@pytest.mark.timeout(180)
@pytest.mark.parametrize(("media", "cut_s"), [("native", 30.0), ("sdk", 1.0), ("sdk", 5.0), ("sdk", 30.0)])
async def test_a_call_goes_on_after_its_signalling_was_cut_though_it_is_built_anew(
    livekit_server: LiveKitServer, ada: SdkCaller, room_name: str, media: Any, cut_s: float
) -> None:
    # The server lets go of who is away for longer than some 15 s; the SDK builds everything anew when the wire is not
    # there at its first attempt.
    async with (
        SignalRelay(livekit_server.port) as relay,
        joined(livekit_server, room_name, media=media, url=relay.url) as room,
        session_on(room, brief, turn_handling=TURNS, stt=OneWordForAll()) as tried,
    ):
        await answers(ada)
        from_s = now()
        relay.cut()
        await tried.heard(SessionStateChanged, lambda told: told.new_state == "reconnecting")
        assert room.connection_state == livekit.ConnectionState.CONN_RECONNECTING
        await asyncio.sleep(max(0.0, from_s + cut_s - now()))
        assert tried.session.state == "reconnecting"
        relay.mend()
        assert await mended(tried) == "active"
        assert room.isconnected()
        await is_heard(room, "ada")
        await answers(ada)
        assert [told.new_state for told in tried.all(SessionStateChanged)] == ["active", "reconnecting", "active"]


@pytest.mark.parametrize("media", MEDIA)
async def test_a_server_that_is_killed_and_started_again_gets_its_call_back(
    own_livekit_server: LiveKitServer, call_in: Any, room_name: str, media: Any
) -> None:
    server = own_livekit_server
    ada = await call_in(server, "ada")
    await ada.join(room_name)
    await ada.publish()
    async with (
        joined(server, room_name, media=media) as room,
        session_on(room, brief, turn_handling=TURNS, stt=OneWordForAll()) as tried,
    ):
        await answers(ada)
        server.kill()
        ada.kill()
        await tried.heard(SessionStateChanged, lambda told: told.new_state == "reconnecting")
        await server.restart()
        again = await call_in(server, "ada")
        await again.join(room_name)
        await again.publish()
        assert await mended(tried) == "active"
        await again.event("local_track_subscribed")
        await again.event("track_subscribed", identity="agent")
        await answers(again)


async def test_a_server_that_stays_away_ends_the_call_with_an_error(
    own_livekit_server: LiveKitServer, call_in: Any, room_name: str
) -> None:
    server = own_livekit_server
    ada = await call_in(server, "ada")
    await ada.join(room_name)
    await ada.publish()
    async with joined(server, room_name, media="native") as room, session_on(room, brief) as tried:
        server.kill()
        await tried.heard(SessionStateChanged, lambda told: told.new_state == "reconnecting")
        async with asyncio.timeout(GIVEN_UP_S):
            await tried.session.wait_closed()
        (closed,) = tried.all(CloseEvent)
        assert closed.reason == "error"
        assert closed.error is not None
        assert closed.error.code == "disconnected"
        assert not room.isconnected()
