"""A wire in front of a server's signalling port, to be cut while media, which does not pass here, goes on."""

from __future__ import annotations

import asyncio
import contextlib
from types import TracebackType
from typing import Self

from beluga_voice.tasks import Tasks

CHUNK_BYTES = 65_536


class SignalRelay:
    """async with SignalRelay(server.port) as relay:
        await ada.join("a-room", url=relay.url)
        relay.cut()         # connections are reset, and new ones too
        relay.mend()
        relay.hold()        # connections stay and nothing passes, as when a cable is pulled
    ...
    """

    def __init__(self, port: int) -> None:
        self.accepted = 0
        """Connections so far, those that were reset at once among them."""
        self._target = port
        self._tasks = Tasks(self._failed)
        self._open: set[asyncio.StreamWriter] = set()
        self._is_cut = False
        self._flows = asyncio.Event()
        self._flows.set()
        self._server: asyncio.Server | None = None
        self._error: BaseException | None = None

    @property
    def port(self) -> int:
        assert self._server is not None
        return self._server.sockets[0].getsockname()[1]

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        self._reset()
        await self._tasks.cancel()
        if self._error is not None:
            raise self._error

    @property
    def connections(self) -> int:
        """Open ones."""
        return len(self._open) // 2

    def cut(self) -> None:
        self._is_cut = True
        self._reset()

    def hold(self) -> None:
        self._flows.clear()

    def mend(self) -> None:
        self._is_cut = False
        self._flows.set()

    def _reset(self) -> None:
        for writer in self._open:
            writer.transport.abort()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        if self._is_cut:
            writer.transport.abort()
        else:
            self._tasks.start(self._carry(reader, writer), name="signal relay")

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:  # the server is down, and whoever asks shall notice
            writer.transport.abort()
            return
        both = {writer, far_writer}
        self._open |= both
        try:
            async with asyncio.TaskGroup() as ways:
                ways.create_task(self._pump(reader, far_writer))
                ways.create_task(self._pump(far_reader, writer))
        finally:
            self._open -= both
            for each in both:
                each.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while piece := await reader.read(CHUNK_BYTES):
                await self._flows.wait()
                writer.write(piece)
                await writer.drain()
        if writer.can_write_eof():
            with contextlib.suppress(OSError):
                writer.write_eof()

    def _failed(self, error: BaseException) -> None:
        self._error = error
