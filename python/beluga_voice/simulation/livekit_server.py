"""A livekit-server of one's own on loopback: for demonstrations, tests and benchmarks.

    with LiveKitServer() as server:
        await room.connect(server.url, server.token("a-room", "agent"))

It is the real server. It keeps no state outside of its process and is killed when this process ends, however it ends.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import secrets
import shutil
import socket
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self, cast

from beluga_voice.errors import ConfigError, DeadlineError, MissingDependencyError, TransportError
from beluga_voice.simulation.kept_process import KeptProcess

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import TracebackType

__all__ = ["LiveKitServer", "livekit_server_program"]

_READY_S = 20.0
_ASK_EVERY_S = 0.02
_SHOWN_LINES = 20
_MOST_LOG = 200_000
# Below the range from which systems give ports to whoever does not care: a restarted server finds its own still free.
_PORTS = range(20_000, 32_000)


class _Ports(NamedTuple):
    signal: int
    tcp: int
    udp: int


def livekit_server_program() -> Path:
    """The newest livekit-server that `ci/prepare.py servers` built, else the one on PATH.

    Raises ConfigError where there is none.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "beluga-voice" / "tools"
    built = sorted(cache.glob("livekit-server-*/bin/livekit-server"), key=lambda path: path.stat().st_mtime)
    if built:
        return built[-1]
    found = shutil.which("livekit-server")
    if found is None:
        raise ConfigError(
            "there is no livekit-server: allowed: one on PATH, or LiveKitServer(program=...). With Go installed, "
            "`go install github.com/livekit/livekit-server/cmd/server@v1.11.0` builds one (named `server`)"
        )
    return Path(found)


class LiveKitServer:
    """See the module. Ports are chosen at the first start and kept for all further ones.

    - `program`: which one to run, else `livekit_server_program()`.
    - `media_address`: what clients are told to send their packets to. Another one than 127.0.0.1 is for a relay that
      listens there, at the port `udp_port`; the server then offers no way past it, neither by TCP nor by looking for
      one itself (it is ICE lite).
    - `config`: what else is in its configuration file, laid over what is there (livekit's config-sample.yaml).
    """

    def __init__(
        self,
        *,
        program: Path | None = None,
        media_address: str = "127.0.0.1",
        config: Mapping[str, Any] | None = None,
    ) -> None:
        self.api_key = "devkey"
        self.api_secret = secrets.token_urlsafe(32)
        self._program = program
        self._media_address = media_address
        self._config = dict(config or {})
        self._ports: _Ports | None = None
        self._process: KeptProcess | None = None
        self._earlier_log = ""

    def __repr__(self) -> str:
        return f"<LiveKitServer {self.url}>" if self._ports else "<LiveKitServer, not started>"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    @property
    def url(self) -> str:
        """What a client connects to."""
        return f"ws://127.0.0.1:{self.port}"

    @property
    def http_url(self) -> str:
        """Where its HTTP API is."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def port(self) -> int:
        """Of signalling and HTTP, on 127.0.0.1."""
        return self._chosen.signal

    @property
    def udp_port(self) -> int:
        """Of all media over UDP."""
        return self._chosen.udp

    @property
    def tcp_port(self) -> int:
        """Of all media over TCP."""
        return self._chosen.tcp

    @property
    def running(self) -> bool:
        """Whether it has been started and has not ended."""
        return self._process is not None and self._process.running

    @property
    def log(self) -> str:
        """What it has written so far, also before it was killed; the newest 200,000 letters."""
        now_running = self._process.output if self._process is not None else ""
        return (self._earlier_log + now_running)[-_MOST_LOG:]

    def start(self) -> None:
        """Starts it and returns when it answers, after a quarter of a second or so. Blocks.

        Raises TransportError when it ends instead (with its last words), DeadlineError when it does not answer.
        """
        if self.running:
            return
        until = time.monotonic() + _READY_S
        chosen_before = self._ports is not None
        while True:
            if not chosen_before:
                self._ports = _free_ports()
            self._process = self._spawn()
            if self._answers(until):
                return
            # A port that was free a moment ago was taken, or the killed server has not quite let go of it.
            written = self._process.output
            taken = "address already in use" in written
            last_words = "\n".join(written.splitlines()[-_SHOWN_LINES:])
            ended = not self.running
            self.kill()
            if time.monotonic() > until:
                raise DeadlineError(f"livekit-server did not answer within {_READY_S:.0f} s:\n{last_words}")
            if ended and not taken:
                raise TransportError(f"livekit-server ended at its start:\n{last_words}", provider="livekit")
            time.sleep(_ASK_EVERY_S)

    def kill(self) -> None:
        """Ends it as a crash of its machine would: nobody is told. Nothing if it does not run."""
        if self._process is not None:
            self._earlier_log = self.log
            self._process.kill()
            self._process = None

    async def restart(self) -> None:
        """Kills it and starts it on the same ports, off the loop. Rooms and participants are forgotten."""
        self.kill()
        await asyncio.to_thread(self.start)

    def token(
        self,
        room: str,
        identity: str,
        *,
        kind: Literal["standard", "agent", "sip"] = "standard",
        ttl: float = 3600.0,
        attributes: Mapping[str, str] | None = None,
        grants: Mapping[str, Any] | None = None,
    ) -> str:
        """A token to join `room` with, as `identity`. May do anything in it that a participant may.

        - `ttl`: seconds until it expires; the server allows a minute more.
        - `grants`: laid over livekit-api's `VideoGrants`.

        Raises MissingDependencyError without the extra `livekit`.
        """
        try:
            from livekit import api
        except ImportError as error:
            raise MissingDependencyError("beluga-voice[livekit]", provider="livekit") from error
        allowed: dict[str, Any] = {"room_join": True, "room": room, "can_update_own_metadata": True, **(grants or {})}
        token = api.AccessToken(self.api_key, self.api_secret).with_identity(identity).with_kind(kind)
        token = token.with_ttl(timedelta(seconds=ttl)).with_grants(api.VideoGrants(**allowed))
        return token.with_attributes(dict(attributes or {})).to_jwt()

    @property
    def _chosen(self) -> _Ports:
        if self._ports is None:
            raise ConfigError("the server has no ports yet: allowed: after `start()`")
        return self._ports

    def _spawn(self) -> KeptProcess:
        config = _laid_over(self._own_config(), self._config)
        # In the environment, not among the arguments, which every user of the machine can read.
        return KeptProcess(
            [self._program or livekit_server_program()], environment={"LIVEKIT_CONFIG": json.dumps(config)}
        )

    def _own_config(self) -> dict[str, Any]:
        ports = self._chosen
        relayed = self._media_address != "127.0.0.1"
        return {
            "port": ports.signal,
            "bind_addresses": ["127.0.0.1"],
            "keys": {self.api_key: self.api_secret},
            "rtc": {
                "udp_port": ports.udp,
                "tcp_port": 0 if relayed else ports.tcp,
                "enable_loopback_candidate": True,
                "interfaces": {"includes": ["lo"]},
                "use_external_ip": False,
                "node_ip": self._media_address,
                "use_ice_lite": relayed,
                # Without any the server names public ones, which clients then look up. Nobody answers at this one; at
                # the media port itself somebody would, and then libwebrtc takes media for answers to STUN.
                "stun_servers": ["127.0.0.1:9"],
            },
            "logging": {"level": "info"},
        }

    def _answers(self, until: float) -> bool:
        while self.running and time.monotonic() < until:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=1.0)
            try:
                connection.request("GET", "/")
                if connection.getresponse().status == http.HTTPStatus.OK:
                    return True
            except (OSError, http.client.HTTPException):
                pass
            finally:
                connection.close()
            time.sleep(_ASK_EVERY_S)
        return False


def _laid_over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    laid = dict(below)
    for key, value in above.items():
        under = laid.get(key)
        if isinstance(under, dict) and isinstance(value, dict):
            value = _laid_over(cast("dict[str, Any]", under), cast("dict[str, Any]", value))
        laid[key] = value
    return laid


def _free_ports() -> _Ports:
    free = _free_ports_in(_PORTS)
    return _Ports(*(next(free) for _ in _Ports._fields))


def _free_ports_in(among: range) -> Iterator[int]:
    """Ports that are free for both UDP and TCP; processes that look at the same time begin at different ones."""
    first = (os.getpid() * 97 + time.monotonic_ns() // 1000) % len(among)
    for offset in range(len(among)):
        port = among[(first + offset) % len(among)]
        try:
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                with socket.socket(socket.AF_INET, kind) as tried:
                    tried.bind(("", port))
        except OSError:
            continue
        yield port
    raise TransportError(f"no port is free from {among.start} to {among.stop - 1}")
