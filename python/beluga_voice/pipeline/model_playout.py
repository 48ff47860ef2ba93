"""What a model of speech says, as far as it is sound: playout that tells when a speech stops and when it is over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from beluga_voice.pipeline.playout import Playout

if TYPE_CHECKING:
    from collections.abc import Callable

    from beluga_voice.call_link import CallLink
    from beluga_voice.config import Interruption as InterruptionRules
    from beluga_voice.pipeline.processing import Processing
    from beluga_voice.pipeline.reporter import Reporter
    from beluga_voice.pipeline.speech import Speech

__all__ = ["ModelPlayout"]


class ModelPlayout(Playout):
    """See the module.

    `on_stopped` is called when a speech is to stop, `on_finished` when the caller has heard all that he will of it.
    """

    def __init__(
        self,
        link: CallLink,
        *,
        processing: Processing,
        interruption: InterruptionRules,
        report: Reporter,
        on_played: Callable[[Speech], None],
        on_stopped: Callable[[Speech], None],
        on_finished: Callable[[Speech], None],
    ) -> None:
        super().__init__(
            link,
            processing=processing,
            stage="post_s2s",
            interruption=interruption,
            report=report,
            on_played=on_played,
        )
        self._on_stopped = on_stopped
        self._on_finished = on_finished

    def interrupt(self, speech: Speech) -> None:
        if not speech.finished.is_set():
            self._on_stopped(speech)
        super().interrupt(speech)

    def _finish(self, speech: Speech) -> None:
        first = not speech.finished.is_set()
        super()._finish(speech)
        if first:
            self._on_finished(speech)
