"""Makes weather_question.wav: python tests/data/make_weather_question.py"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from beluga_voice import _core
from beluga_voice.simulation.caller_voice import CALLER_HZ, CallerVoice
from beluga_voice.simulation.script import CallerScript, Line

SCRIPT = CallerScript(lines=(Line(text="What will the weather be tomorrow in Paris?"),))
MARGIN_S = 0.5


def main() -> None:
    (utterance,) = CallerVoice().speak(SCRIPT)
    margin = np.zeros(round(MARGIN_S * CALLER_HZ))
    sound = np.concatenate([margin, utterance.samples, margin])
    noise = np.random.default_rng(SCRIPT.noise_seed).normal(0.0, 10 ** (SCRIPT.noise_dbfs / 20) * 32_768, len(sound))
    samples = np.clip(np.rint(sound + noise), -32_768, 32_767).astype("<i2")
    path = Path(__file__).with_name("weather_question.wav")
    path.write_bytes(_core.write_wav(samples.tobytes(), sample_rate=CALLER_HZ))


if __name__ == "__main__":
    main()
