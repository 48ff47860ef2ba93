"""Moved: `beluga_voice.testing.tone_words`."""

from __future__ import annotations

from beluga_voice.testing.tone_words import *  # noqa: F403
