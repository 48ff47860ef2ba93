"""A network between a livekit-server and its clients' media, with the losses and delays of `NetworkConditions`.

    with LiveKitServer(media_address=MediaRelay.ADDRESS) as server:
        async with MediaRelay(server.udp_port) as relay:
            await agent.join("a-room")                       # on a wire that does nothing
            await relay.network(up="bad_wifi", down="bad_wifi", seed=7)
            await ada.join("a-room")                         # by bad Wi-Fi

The server names the relay's address instead of its own, on another loopback address with the same port: no privileges
and no firewall are needed. It runs in a process of its own, so that no test's loop delays a packet.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, ClassVar

from beluga_voice.simulation.line_process import LineProcess
from beluga_voice.testing import NetworkConditions


class MediaRelay(LineProcess):
    """See the module. A client's network is what `network` last said when its first packet came."""

    ADDRESS: ClassVar[str] = "127.0.0.2"

    def __init__(self, port: int) -> None:
        super().__init__("support.media_relay_process", name="media relay")
        self._port = port

    async def start(self) -> None:
        await super().start()
        await self.ask("listen", address=self.ADDRESS, port=self._port)

    async def network(self, *, up: NetworkConditions | str, down: NetworkConditions | str, seed: int) -> None:
        """What clients that come from now on have, to the server and from it."""
        await self.ask("network", up=_as_dict(up), down=_as_dict(down), seed=seed)

    async def cut(self) -> None:
        """No packet of those who are there passes, either way."""
        await self.ask("cut", cut=True)

    async def mend(self) -> None:
        """Packets pass again."""
        await self.ask("cut", cut=False)

    async def stats(self) -> list[dict[str, Any]]:
        """Of each client, in the order in which they came: `up` and `down`, as `EmulatedNetwork.stats`, and `bytes`."""
        return await self.ask("stats")


def _as_dict(conditions: NetworkConditions | str) -> dict[str, Any]:
    return asdict(NetworkConditions.profile(conditions) if isinstance(conditions, str) else conditions)
