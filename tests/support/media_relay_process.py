"""The process behind `support.media_relay.MediaRelay`: UDP both ways, each client on a network of its own."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Any

from beluga_voice import _core
from beluga_voice.clock import now
from beluga_voice.simulation.line_service import LineService, take_precedence

LONGEST = 2_048
# More clients than that are refused: somebody opens a socket for each packet.
MOST_FLOWS = 1_000

Address = tuple[str, int]


def now_us() -> int:
    return round(now() * 1e6)


class Way:
    """One direction of a client's network."""

    def __init__(self, conditions: dict[str, Any], seed: int, deliver: Callable[[bytes], None]) -> None:
        self._emulator = _core.NetworkEmulator(seed=seed, **conditions)
        self._deliver = deliver
        self._timer: asyncio.TimerHandle | None = None
        self.cut = False
        self.bytes = 0

    def carry(self, packet: bytes) -> None:
        if self.cut:
            return
        self.bytes += len(packet)
        self._emulator.push(now_us(), packet, 0, 0, 0)
        self._run()

    def stats(self) -> dict[str, int]:
        return {**self._emulator.stats(), "bytes": self.bytes}

    def _run(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while (arrived := self._emulator.pop(now_us())) is not None:
            self._deliver(arrived[0])
        due_us = self._emulator.next_due_us
        if due_us is not None:
            self._timer = asyncio.get_running_loop().call_at(due_us / 1e6, self._run)


class Flow:
    """A client: its socket towards the server, and both ways."""

    def __init__(self, client: Address, target: Address, door: socket.socket, network: dict[str, Any]) -> None:
        self.upstream = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.upstream.setblocking(False)
        self.upstream.connect(target)
        self.up = Way(network["up"], network["seed"], lambda packet: send(self.upstream.send, packet))
        self.down = Way(network["down"], network["seed"] + 1, lambda packet: send(door.sendto, packet, client))
        asyncio.get_running_loop().add_reader(self.upstream, self._from_server)

    def _from_server(self) -> None:
        for packet, _ in packets(self.upstream):
            self.down.carry(packet)


def send(function: Callable[..., int], *what: object) -> None:
    with contextlib.suppress(OSError):  # full, or the server is gone: a network loses packets
        function(*what)


def packets(door: socket.socket) -> list[tuple[bytes, Address]]:
    """What has come, without waiting."""
    found: list[tuple[bytes, Address]] = []
    while len(found) < MOST_FLOWS:
        try:
            found.append(door.recvfrom(LONGEST))
        except BlockingIOError:
            break
        except ConnectionError:  # the server's port was closed when the last packet came to it
            continue
    return found


class MediaRelayProcess:
    """Public methods are the commands; what they do is in `MediaRelay`."""

    def __init__(self) -> None:
        self._door = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._flows: dict[Address, Flow] = {}
        self._network: dict[str, Any] = {"up": {}, "down": {}, "seed": 0}
        self._target: Address = ("", 0)

    async def listen(self, address: str, port: int) -> None:
        self._door.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1_000_000)
        self._door.bind((address, port))
        self._door.setblocking(False)
        self._target = ("127.0.0.1", port)
        asyncio.get_running_loop().add_reader(self._door, self._from_clients)

    async def network(self, up: dict[str, Any], down: dict[str, Any], seed: int) -> None:
        self._network = {"up": up, "down": down, "seed": seed}

    async def cut(self, cut: bool) -> None:
        for flow in self._flows.values():
            flow.up.cut = flow.down.cut = cut

    async def stats(self) -> list[dict[str, Any]]:
        return [{"up": flow.up.stats(), "down": flow.down.stats()} for flow in self._flows.values()]

    def _from_clients(self) -> None:
        for packet, client in packets(self._door):
            flow = self._flows.get(client)
            if flow is None:
                if len(self._flows) >= MOST_FLOWS:
                    continue
                flow = self._flows[client] = Flow(client, self._target, self._door, dict(self._network))
                # The next client's network has the same faults at other moments.
                self._network["seed"] += 2
            flow.up.carry(packet)


async def main() -> None:
    take_precedence()
    service = LineService()
    relay = MediaRelayProcess()
    await service.serve({name: getattr(relay, name) for name in ("listen", "network", "cut", "stats")})


if __name__ == "__main__":
    asyncio.run(main())
