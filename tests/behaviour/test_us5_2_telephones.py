"""US5.2: a telephony hook decides where a telephone's call goes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from support.fake_room import FakeDriver, room_on
from support.room_session import session_on

from beluga_voice import get_registry
from beluga_voice.config import BackendConfig
from beluga_voice.errors import DeadlineError, ProviderNotFoundError, SessionError
from beluga_voice.hooks import TelephonyHook
from beluga_voice.livekit import ParticipantKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from beluga_voice import Turn

SIP = {
    "sip.phoneNumber": "+15550100",
    "sip.callID": "SCL_1",
    "sip.trunkPhoneNumber": "+15550199",
    "sip.trunkID": "ST_1",
}


class Exchange(TelephonyHook):
    """Sends calls from a number to the backend of its name."""

    def __init__(self, **routes: str) -> None:
        self.routes = {f"+{number.removeprefix('n')}": name for number, name in routes.items()}
        self.asked: list[tuple[str, Mapping[str, Any]]] = []

    async def route_call(self, phone_number: str, metadata: Mapping[str, Any]) -> str:
        self.asked.append((phone_number, metadata))
        return self.routes.get(phone_number, "")

    def handle_sip(self, message: bytes, metadata: Mapping[str, Any]) -> bytes:
        return b"SIP/2.0 200 OK\r\n" if message.startswith(b"OPTIONS") else b""

    def get_call_metadata(self, call_id: str) -> dict[str, Any]:
        return {"customer": f"of {call_id}"}


seen: list[Turn] = []


async def agent(turn: Turn) -> str:
    seen.append(turn)
    return ""


def livekit(hook: object) -> Any:
    options = {"url": "ws://localhost:1", "api_key": "k", "api_secret": "s" * 32}
    config = BackendConfig(provider="livekit", provider_config=options, telephony_hook=hook, hook_timeout=1.0)
    return get_registry().create("livekit", config)


async def answered(hook: object, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the agent is told of a call from a telephone."""
    seen.clear()
    driver = FakeDriver()
    async with await room_on(driver, monkeypatch) as room:
        driver.joins("sip_1", kind=ParticipantKind.PARTICIPANT_KIND_SIP, attributes=dict(SIP))
        await asyncio.sleep(0.1)
        async with session_on(livekit(hook).call(room), agent, metadata={"shop": 7}) as tried:
            tried.session.generate_reply(user_input="hello")
            await asyncio.sleep(1)
    assert seen[0].metadata["shop"] == 7
    return dict(seen[0].metadata["telephony"])


async def test_us5_2_a_call_that_is_routed_here_is_answered_and_the_agent_knows_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hook = Exchange(n15550100="livekit")
    assert await answered(hook, monkeypatch) == {
        "phone_number": "+15550100",
        "call_id": "SCL_1",
        "dialled_number": "+15550199",
        "trunk_id": "ST_1",
        "customer": "of SCL_1",
    }
    assert hook.asked == [
        ("+15550100", {"call_id": "SCL_1", "dialled_number": "+15550199", "trunk_id": "ST_1"}),
    ]


async def test_us5_2_a_call_that_is_routed_elsewhere_is_not_answered_and_says_where(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(SessionError) as elsewhere:
        await answered(Exchange(n15550100="local"), monkeypatch)
    assert (elsewhere.value.code, elsewhere.value.details["provider"]) == ("context_error", "local")
    assert seen == []


async def test_us5_2_a_backend_is_asked_where_a_number_belongs() -> None:
    backend = get_registry().create("local", BackendConfig(telephony_hook=Exchange(n1="livekit", n2="nowhere")))
    assert await backend.route_call("+1") == "livekit"
    assert await backend.route_call("+3") == "local"
    with pytest.raises(ProviderNotFoundError, match="route_call returned 'nowhere'"):
        await backend.route_call("+2")
    assert await backend.handle_sip(b"OPTIONS sip:a SIP/2.0") == b"SIP/2.0 200 OK\r\n"
    await backend.aclose()
    without = get_registry().create("local")
    assert (await without.route_call("+1"), await without.handle_sip(b"x")) == ("local", b"")


@pytest.mark.parametrize("fault", ["raises", "hangs"])
async def test_a_hook_that_fails_costs_no_call(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Faulty(Exchange):
        async def route_call(self, phone_number: str, metadata: Mapping[str, Any]) -> str:
            if fault == "hangs":
                await asyncio.Event().wait()
            raise OSError("no table")

        def get_call_metadata(self, call_id: str) -> dict[str, Any]:
            raise OSError("no table")

    assert (await answered(Faulty, monkeypatch))["phone_number"] == "+15550100"


async def test_a_sip_message_that_the_hook_fails_at_is_an_error() -> None:
    class Faulty(Exchange):
        def handle_sip(self, message: bytes, metadata: Mapping[str, Any]) -> bytes:
            raise OSError("secret")

    backend = get_registry().create("local", BackendConfig(telephony_hook=Faulty))
    with pytest.raises(DeadlineError, match=r"^Faulty.handle_sip raised OSError$"):
        await backend.handle_sip(b"OPTIONS")


async def test_without_a_hook_the_agent_knows_what_the_telephone_says(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await answered(None, monkeypatch) == {
        "phone_number": "+15550100",
        "call_id": "SCL_1",
        "dialled_number": "+15550199",
        "trunk_id": "ST_1",
    }
