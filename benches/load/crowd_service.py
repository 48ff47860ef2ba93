"""What a process of a `Crowd` does, whoever is in it: its commands a line each, until it is told to end."""

from __future__ import annotations

from typing import Any, Protocol

from beluga_voice.errors import BelugaVoiceError
from beluga_voice.simulation.line_service import LineService

__all__ = ["CrowdProcess", "serve_crowd"]


class CrowdProcess(Protocol):
    """One end of many rooms. `Crowd` says what its commands mean."""

    async def ready(self) -> None: ...

    async def join(
        self, seats: list[tuple[str, str]], *, listens: bool, talk_share: int | None, dtx: bool, seed: int
    ) -> None: ...

    async def counters(self) -> dict[str, Any]: ...

    async def leave(self) -> None: ...


def code(error: Exception) -> dict[str, Any]:
    """What a refusal is told by, whatever its text says."""
    return {"code": error.code} if isinstance(error, BelugaVoiceError) else {}


async def serve_crowd(crowd: CrowdProcess) -> None:
    """Serves its commands; in the end everyone leaves."""
    service = LineService(error_facts=code)
    try:
        await service.serve({"ready": crowd.ready, "join": crowd.join, "counters": crowd.counters})
    finally:
        await crowd.leave()
