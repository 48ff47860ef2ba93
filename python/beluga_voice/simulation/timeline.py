"""A picture of a call: `timeline.png`. Extra `[plots]`."""

from __future__ import annotations

import importlib
import importlib.util
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from beluga_voice.simulation.call_log import CallLog, Speech, StateBand, TurnLog
    from beluga_voice.simulation.track import Track

__all__ = ["can_draw", "save_timeline"]

_WIDTH_PX, _HEIGHT_PX, _DPI = 1600, 700, 100

_INK = "#1f2933"
_FAINT = "#9aa5b1"
_GRID = "#eef1f4"
_PAPER = "#ffffff"
_CALLER = "#2f6fb3"
_AGENT = "#c9722b"
_STOP = "#c62f3b"
_TOOL = "#5b7f3a"

_STATE_COLOURS = {
    "speaking": {"user": _CALLER, "agent": _AGENT},
    "thinking": {"agent": "#efcfa8"},
}
_IDLE = "#eceff2"

# Rows of the one drawing, from its top to its bottom, in units of its height.
_CALLER_TEXT_Y = 0.985
_CALLER_Y, _WAVE_HALF = 0.665, 0.105
_USER_BAND_Y, _AGENT_BAND_Y, _BAND_HALF = 0.522, 0.478, 0.011
_AGENT_Y = 0.335
_AGENT_TEXT_Y = 0.205
_BOTTOM_Y = 0.0

_FONT = 9.5
_LINES = 4
_LINE_Y = 0.0365
# Words in less room than this would be a column of syllables.
_NARROWEST_PX = 48
# A call so long that a second is narrower than this has no room for figures between its turns.
_DENSEST_PX_PER_S = 12


def can_draw() -> bool:
    """Whether matplotlib is installed."""
    return importlib.util.find_spec("matplotlib") is not None


def save_timeline(path: Path, log: CallLog, caller: Track, agent: Track, *, title: str) -> None:
    """Draws both sides of a call over its time, with turns, answers, first sounds and interruptions; 1600 x 700."""
    # Without pyplot: no window system is asked for, and no figure outlives this call.
    mpl: Any = importlib.import_module("matplotlib")
    agg: Any = importlib.import_module("matplotlib.backends.backend_agg")
    make_figure: Any = importlib.import_module("matplotlib.figure").Figure
    end_s = max(caller.duration_s, agent.duration_s, 1.0)
    with mpl.rc_context({"font.family": "sans-serif", "font.size": _FONT, "text.color": _INK}):
        figure = make_figure(figsize=(_WIDTH_PX / _DPI, _HEIGHT_PX / _DPI), dpi=_DPI, facecolor=_PAPER)
        canvas = agg.FigureCanvasAgg(figure)
        drawing = _Drawing(figure, canvas.get_renderer(), end_s)
        drawing.heading(title, log)
        drawing.wave(caller, _CALLER_Y, _CALLER, "Caller", [(turn.start_s, turn.end_s) for turn in log.turns])
        drawing.wave(agent, _AGENT_Y, _AGENT, "Agent", [_sounding(speech) for speech in log.speeches])
        drawing.bands(log.bands("user", end_s), "user", _USER_BAND_Y, "caller is")
        drawing.bands(log.bands("agent", end_s), "agent", _AGENT_BAND_Y, "agent is")
        drawing.turns(log)
        canvas.print_png(str(path))


class _Drawing:
    """The one pair of axes: x is the session's time, y the rows above."""

    def __init__(self, figure: Any, renderer: Any, end_s: float) -> None:
        self._figure = figure
        self._renderer = renderer
        self._end_s = end_s
        self._axes = figure.add_axes((0.062, 0.062, 0.926, 0.83))
        self._px_per_s = 0.926 * _WIDTH_PX / end_s
        axes = self._axes
        axes.set_xlim(0.0, end_s)
        axes.set_ylim(_BOTTOM_Y, 1.0)
        axes.set_yticks([])
        axes.xaxis.set_major_locator(_seconds_locator(end_s))
        axes.xaxis.set_major_formatter(_minutes)
        axes.tick_params(axis="x", length=0, labelcolor=_FAINT, pad=6)
        axes.grid(axis="x", color=_GRID, linewidth=1.0, zorder=0)
        axes.set_axisbelow(True)
        for side in axes.spines.values():
            side.set_visible(False)

    def heading(self, title: str, log: CallLog) -> None:
        """Title, the figures that matter, and what the colours mean."""
        self._figure.text(0.012, 0.948, title, fontsize=15, fontweight="bold", va="center")
        totals = [turn.stages_ms["total"] for turn in log.turns if "total" in turn.stages_ms]
        parts = [f"{len(log.turns)} turn{'s' * (len(log.turns) != 1)}", f"{self._end_s:.0f} s"]
        if totals:
            parts.append(f"median answer {sorted(totals)[len(totals) // 2] / 1000:.2f} s after the caller's last sound")
        self._figure.text(0.012, 0.913, "   ·   ".join(parts), fontsize=10, color="#616e7c", va="center")
        x = float(_WIDTH_PX - 12)
        for label, colour, marker in (
            ("interruption", _STOP, "X"),
            ("agent thinks", _STATE_COLOURS["thinking"]["agent"], "s"),
            ("agent speaks", _AGENT, "s"),
            ("caller speaks", _CALLER, "s"),
        ):
            x -= self._width_px(label, 9.5) + 28
            self._figure.add_artist(_marker((x + 5) / _WIDTH_PX, 0.932, colour, marker))
            self._figure.text((x + 15) / _WIDTH_PX, 0.931, label, fontsize=9.5, color="#52606d", va="center")

    def wave(
        self, track: Track, y: float, colour: str, label: str, spans: list[tuple[float | None, float | None]]
    ) -> None:
        """One side's sound, with what the session took for speech behind it."""
        axes = self._axes
        for start_s, end_s in spans:
            if start_s is not None:
                width = (end_s if end_s is not None else self._end_s) - start_s
                axes.add_patch(_box(start_s, y - _WAVE_HALF, width, 2 * _WAVE_HALF, colour, 0.10))
        times, low, high = _envelope(track, round(self._px_per_s * self._end_s))
        axes.plot([0.0, self._end_s], [y, y], color=colour, linewidth=0.8, alpha=0.5, zorder=2)
        axes.fill_between(
            times, y + _WAVE_HALF * 0.94 * low, y + _WAVE_HALF * 0.94 * high, color=colour, linewidth=0, zorder=3
        )
        self._label(y, label, colour, size=11, bold=True)

    def bands(self, bands: list[StateBand], who: str, y: float, label: str) -> None:
        """What one side was doing."""
        for band in bands:
            colour = _STATE_COLOURS.get(band.state, {}).get(who, _IDLE)
            self._axes.add_patch(
                _box(band.start_s, y - _BAND_HALF, band.end_s - band.start_s, 2 * _BAND_HALF, colour, 1.0)
            )
        self._label(y, label, "#7b8794", size=8.5)

    def turns(self, log: CallLog) -> None:
        """The words, how long each answer took, and where the caller cut in."""
        rooms = _rooms(log, self._end_s)
        for number, (turn, room_s) in enumerate(zip(log.turns, rooms, strict=True), start=1):
            self._heard(number, turn, room_s)
            if turn.end_s is not None and turn.first_audio_s is not None and turn.first_audio_s > turn.end_s:
                self._gap(turn.end_s, turn.first_audio_s)
        speeches = log.speeches
        for index, speech in enumerate(speeches):
            until_s = speeches[index + 1].start_s if index + 1 < len(speeches) else None
            self._said(log, speech, (until_s or self._end_s) - (speech.start_s or 0.0))
            if speech.interrupted and speech.stopped_at_s is not None:
                self._interruption(speech)

    def _heard(self, number: int, turn: TurnLog, room_s: float) -> None:
        axes = self._axes
        axes.plot(
            [turn.start_s, turn.start_s],
            [_CALLER_Y + _WAVE_HALF, _CALLER_TEXT_Y],
            color=_CALLER,
            linewidth=0.9,
            alpha=0.5,
        )
        left_s = turn.start_s + 7 / self._px_per_s
        heading = axes.text(
            left_s, _CALLER_TEXT_Y, f"{number}", color=_PAPER, fontsize=8.5, fontweight="bold", va="top",
            bbox={"boxstyle": "round,pad=0.28,rounding_size=0.7", "facecolor": _CALLER, "edgecolor": "none"},
        )  # fmt: skip
        heading.set_zorder(6)
        text = turn.heard or "(nothing understood)"
        self._words(left_s, _CALLER_TEXT_Y - 0.052, text, room_s, colour="#1d4f85" if turn.heard else _FAINT)

    def _said(self, log: CallLog, speech: Speech, room_s: float) -> None:
        start_s = speech.start_s or 0.0
        axes = self._axes
        axes.plot([start_s, start_s], [_AGENT_Y - _WAVE_HALF, _BOTTOM_Y + 0.02], color=_AGENT, linewidth=0.9, alpha=0.5)
        left_s = start_s + 7 / self._px_per_s
        text = (speech.text or "(nothing heard)") + (" …" if speech.interrupted else "")
        lines = self._words(left_s, _AGENT_TEXT_Y, text, room_s, colour="#8a4a17")
        turn = log.turn(speech.turn_id)
        if turn is not None and turn.tools:
            names = ", ".join(f"{tool.name}({', '.join(map(str, tool.arguments.values()))})" for tool in turn.tools)
            y = _AGENT_TEXT_Y - _LINE_Y * lines - 0.008
            self._words(left_s, y, names, room_s, colour=_TOOL, family="monospace", size=_FONT - 1.5)

    def _words(
        self, left_s: float, y: float, text: str, room_s: float, *, colour: str, family: str = "sans-serif",
        size: float = _FONT,
    ) -> int:  # fmt: skip
        """Text in the room that is left before the next one; returns its number of lines."""
        room_px = min(room_s, self._end_s - left_s) * self._px_per_s - 16
        if room_px < _NARROWEST_PX:
            return 0
        lines = self._wrapped(text, room_px, size, family)
        self._axes.text(
            left_s, y, "\n".join(lines), color=colour, fontsize=size, family=family,
            va="top", linespacing=1.35, zorder=6,
        )  # fmt: skip
        return len(lines)

    def _wrapped(self, text: str, room_px: float, size: float, family: str) -> list[str]:
        """`text` cut into at most `_LINES` lines that fit, by the width that it will really have."""
        lines = [""]
        for word in text.split():
            longer = f"{lines[-1]} {word}".strip()
            if not lines[-1] or self._width_px(longer, size, family) <= room_px:
                lines[-1] = longer
            elif len(lines) < _LINES:
                lines.append(word)
            else:
                lines[-1] = self._shortened(lines[-1], room_px, size, family)
                break
        return lines

    def _shortened(self, line: str, room_px: float, size: float, family: str) -> str:
        """`line` and a mark that more was said, in the same room."""
        words = line.split()
        while len(words) > 1 and self._width_px(f"{' '.join(words)} …", size, family) > room_px:
            words.pop()
        return f"{' '.join(words)} …"

    def _width_px(self, text: str, size: float, family: str = "sans-serif") -> float:
        from matplotlib.font_manager import FontProperties

        font = FontProperties(family=family, size=size)
        width, _, _ = self._renderer.get_text_width_height_descent(text, font, ismath=False)
        return float(width)

    def _gap(self, end_s: float, first_s: float) -> None:
        """The caller's last sound to the agent's first."""
        y = _CALLER_Y - _WAVE_HALF - 0.012
        axes = self._axes
        for x, reach in ((end_s, _CALLER_Y - _WAVE_HALF), (first_s, _AGENT_Y + _WAVE_HALF)):
            axes.plot([x, x], [y, reach], color=_INK, linewidth=0.8, linestyle=(0, (2, 2)), alpha=0.6, zorder=4)
        axes.plot([end_s, first_s], [y, y], color=_INK, linewidth=1.2, solid_capstyle="butt", zorder=5)
        axes.plot([first_s], [_AGENT_Y + _WAVE_HALF], marker="v", markersize=6, color=_AGENT, zorder=7)
        if self._px_per_s < _DENSEST_PX_PER_S:
            return
        axes.text(
            (end_s + first_s) / 2, y + 0.008, f"{first_s - end_s:.2f} s", fontsize=8.5, fontweight="bold", ha="center",
            va="bottom", zorder=7,
            bbox={"boxstyle": "round,pad=0.12", "facecolor": _PAPER, "edgecolor": "none", "alpha": 0.85},
        )  # fmt: skip

    def _interruption(self, speech: Speech) -> None:
        """From the caller's first sound over the agent's to the moment at which it gives way."""
        stopped_s = speech.stopped_at_s or 0.0
        onset_s = speech.onset_s if speech.onset_s is not None else stopped_s
        axes = self._axes
        bottom, top = _AGENT_Y - _WAVE_HALF, _CALLER_Y + _WAVE_HALF
        axes.add_patch(_box(onset_s, bottom, stopped_s - onset_s, top - bottom, _STOP, 0.09))
        axes.plot([stopped_s, stopped_s], [bottom, top], color=_STOP, linewidth=1.4, zorder=6)
        axes.plot([stopped_s], [_AGENT_Y], marker="X", markersize=9, color=_STOP, markeredgecolor=_PAPER, zorder=8)
        axes.text(
            stopped_s + 6 / self._px_per_s, top + 0.008, f"gives way after {stopped_s - onset_s:.2f} s",
            color=_STOP, fontsize=8.5, fontweight="bold", va="bottom", zorder=8,
        )  # fmt: skip

    def _label(self, y: float, text: str, colour: str, *, size: float, bold: bool = False) -> None:
        x = -10 / (0.926 * _WIDTH_PX)
        self._axes.text(
            x, y, text, transform=self._axes.get_yaxis_transform(), ha="right", va="center", color=colour,
            fontsize=size, fontweight="bold" if bold else "normal",
        )  # fmt: skip


def _sounding(speech: Speech) -> tuple[float | None, float | None]:
    """From a speech's first sample to its last: to the fade, where it was talked over."""
    stopped_s = speech.stopped_at_s if speech.interrupted else None
    return speech.start_s, stopped_s if stopped_s is not None else speech.end_s


def _rooms(log: CallLog, end_s: float) -> list[float]:
    """How far each turn's text may reach: to the next turn."""
    starts = [turn.start_s for turn in log.turns]
    return [following - start for start, following in zip(starts, [*starts, end_s][1:], strict=True)]


def _envelope(track: Track, columns: int) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Lowest and highest sample of each column of pixels, of full scale 1 at the track's own peak."""
    import numpy as np

    samples = np.frombuffer(track.pcm, dtype="<i2").astype(np.float64)
    if not len(samples):
        return np.zeros(1), np.zeros(1), np.zeros(1)
    edges = np.linspace(0, len(samples), min(columns, len(samples)) + 1).astype(int)[:-1]
    low, high = np.minimum.reduceat(samples, edges), np.maximum.reduceat(samples, edges)
    # A quiet side is shown as large as a loud one, but noise alone is not blown up to a voice.
    peak = max(float(np.max(np.abs(samples))), 1_000.0)
    return edges / track.sample_rate, low / peak, high / peak


def _minutes(seconds: float, _: object) -> str:
    return f"{int(seconds) // 60}:{seconds % 60:02.0f}"


def _seconds_locator(end_s: float) -> Any:
    from matplotlib.ticker import MultipleLocator

    steps = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600)
    return MultipleLocator(next((step for step in steps if end_s / step <= 24), 900))


def _box(x: float, y: float, width: float, height: float, colour: str, alpha: float) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((x, y), max(width, 0.0), height, facecolor=colour, alpha=alpha, edgecolor="none", zorder=1)


def _marker(x: float, y: float, colour: str, marker: str) -> Any:
    from matplotlib.lines import Line2D

    return Line2D([x], [y], marker=marker, markersize=8, color=colour, linestyle="none", markeredgecolor="none")
