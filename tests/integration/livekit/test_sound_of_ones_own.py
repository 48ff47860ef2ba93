"""Sound that an application publishes by itself, beside any session: music, a recorded voice."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from support.room_session import MEDIA, joined

from beluga_voice import livekit
from beluga_voice.clock import now
from beluga_voice.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from numpy.typing import NDArray
    from support.sdk_caller import SdkCaller

    from beluga_voice.testing import LiveKitServer

HZ, TONE_HZ, SECONDS = 48_000, 700.0, 2.0
FRAME = HZ // 100


@asynccontextmanager
async def published(
    room: livekit.Room, options: livekit.TrackPublishOptions | None = None
) -> AsyncGenerator[livekit.AudioSource]:
    source = livekit.AudioSource(HZ, 1)
    track = livekit.LocalAudioTrack.create_audio_track("music", source)
    publication = await room.local_participant.publish_track(track, options or livekit.TrackPublishOptions())
    try:
        yield source
    finally:
        await room.local_participant.unpublish_track(publication.sid)


async def play(source: livekit.AudioSource, sound: NDArray[np.int16]) -> None:
    for first in range(0, len(sound), FRAME):
        piece = sound[first : first + FRAME]
        await source.capture_frame(livekit.AudioFrame(piece.tobytes(), HZ, 1, len(piece)))
    await source.wait_for_playout()


def noise(seconds: float) -> NDArray[np.int16]:
    return np.random.default_rng(3).normal(0, 3_000, round(seconds * HZ)).astype(np.int16)


async def heard_bytes(ada: SdkCaller) -> int:
    return sum(int(each["inboundRtp"]["inbound"]["bytesReceived"]) for each in await ada.stats("agent"))


@pytest.mark.parametrize("media", MEDIA)
async def test_a_track_of_ones_own_is_heard_as_loud_as_it_was_captured(
    livekit_server: LiveKitServer, ada: SdkCaller, room_name: str, media: Any
) -> None:
    times = np.arange(round(SECONDS * HZ)) / HZ
    tone = np.rint(3_000 * np.sin(2 * np.pi * TONE_HZ * times)).astype(np.int16)
    async with joined(livekit_server, room_name, media=media) as room, published(room) as source:
        await ada.sees("agent")
        await play(source, tone)
        ended_s = await ada.silence_from("agent")
        heard = (await ada.heard("agent")).between(ended_s - SECONDS, ended_s)
    loud = [hz for _, hz in heard.tones_hz() if hz is not None]
    assert len(loud) >= 15, "1.5 s of it"
    assert sum(abs(hz - TONE_HZ) < 10.0 for hz in loud) >= 0.9 * len(loud)
    middle = heard.between(ended_s - 1.4, ended_s - 0.8)
    assert middle.tone_dbfs(TONE_HZ) == pytest.approx(20 * np.log10(3_000 / 2**0.5 / 32_768), abs=1.5)


@pytest.mark.parametrize("media", MEDIA)
async def test_music_is_sent_at_the_bitrate_that_was_asked_for(
    livekit_server: LiveKitServer, ada: SdkCaller, room_name: str, media: Any
) -> None:
    received: dict[int, int] = {}
    async with joined(livekit_server, room_name, media=media) as room:
        for bitrate_bps in (16_000, 96_000):
            options = livekit.TrackPublishOptions(
                audio_encoding=livekit.AudioEncoding(max_bitrate=bitrate_bps), red=False
            )
            async with published(room, options) as source:
                await ada.sees("agent")
                began_s = await _voice_of(ada, source)
                before = await heard_bytes(ada)
                await play(source, noise(SECONDS))
                received[bitrate_bps] = await heard_bytes(ada) - before
                await ada.silence_from("agent", since=began_s)
    # Noise takes all that an encoder is given: a sixth of the bytes, but for what was under way at either end.
    assert 0.8 < received[96_000] * 8 / SECONDS / 96_000 < 1.2
    assert 0.5 < received[16_000] * 8 / SECONDS / 16_000 < 1.5


async def _voice_of(ada: SdkCaller, source: livekit.AudioSource) -> float:
    """The track is subscribed to, and its encoder warm."""
    since = now()
    await play(source, noise(1.0))
    return await ada.voice_from("agent", since=since)


@pytest.mark.parametrize("max_bitrate", [1_000, -1])
async def test_a_bitrate_that_opus_does_not_have_is_refused_by_name(
    livekit_server: LiveKitServer, room_name: str, max_bitrate: int
) -> None:
    options = livekit.TrackPublishOptions(audio_encoding=livekit.AudioEncoding(max_bitrate=max_bitrate))
    async with joined(livekit_server, room_name, media="native") as room:
        with pytest.raises(ConfigError, match="bitrate"):
            async with published(room, options):
                pass


async def test_what_only_the_sdk_sends_is_warned_of(
    livekit_server: LiveKitServer, room_name: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with (
        joined(livekit_server, room_name, media="native") as room,
        published(room, livekit.TrackPublishOptions(red=True)),
    ):
        pass
    assert "sent once" in caplog.text
