"""What thousands of sessions in one shard cost: `make bench-scale`, benches/results/scale.json.

Virtual sessions, ticked as fast as they can be by benches/scale: Opus packets through the jitter buffer, Silero on all
of them, turns, and where `agent_share` is above 0 an agent who answers. Callers and agents speak a recording over and
over, each session at another place of it. The packets are encoded once and shared, so that the callers' encoders cost
nothing here, and in a caller's pauses none come (DTX). Not in it: sockets, DTLS, encoding the agent, Python.

Figures are CPU time of the one thread that ticks, so that other processes lengthen them only by what they do to the
caches. The first third of the time is not counted: memory is touched for the first time.

- `us_per_session_tick`: 10 ms of one session; of that `us_packet_in` (jitter buffer, decoding), `us_vad`, `us_rest`
  (levels, rings, turns, playout). `us_push`, on top: handing the packets over.
- `times_real_time`: virtual seconds in a second of one core; under 1 a core holds fewer sessions than that.
- `pss_mb`: the process at the end. Per session: when it is new, and when its rings have been written to.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

from bench_result import QUICK, ROOT, print_table, write_result

SPEECH = ROOT / "tests" / "data" / "weather_question.wav"
WEIGHTS = ROOT / "python" / "beluga_voice" / "_models" / "silero_vad_16k.safetensors"

# sessions, talk share and agent's share in percent, virtual seconds in quick mode (a minute otherwise)
ROWS = (
    (100, 40, 0, 24),
    (100, 40, 40, 24),
    (1_000, 40, 0, 12),
    (1_000, 40, 40, 12),
    (1_000, 100, 0, 12),
    # Ten minutes for its minute: a row with the agent speaking says at 1,000 what it would say here.
    (10_000, 40, 0, 3),
)


def cargo(*arguments: str) -> list[str]:
    """A command of cargo, in the shared target directory and with nobody else building meanwhile."""
    gate = str(ROOT / "ci" / "cargo_gate.py")
    manifest = str(ROOT / "benches" / "scale" / "Cargo.toml")
    return [sys.executable, gate, "cargo", *arguments, "--quiet", "--locked", "--release", "--manifest-path", manifest]


def built() -> str:
    """The driver's path. It is run outside of the gate: others may build meanwhile."""
    done = subprocess.run(
        cargo("build", "--message-format", "json"), cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True
    )
    made = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return next(str(each["executable"]) for each in made if each.get("executable"))


def measured(driver: str, sessions: int, talk_share: int, agent_share: int, seconds: int) -> dict[str, Any]:
    """One row, in a process of its own."""
    order = {
        "sessions": sessions, "talk_share": talk_share, "agent_share": agent_share, "seconds": seconds,
        "speech": SPEECH, "weights": WEIGHTS,
    }  # fmt: skip
    command = [driver, *(f"{name}={value}" for name, value in order.items())]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    row: dict[str, Any] = json.loads(done.stdout)
    assert row["turns"] >= sessions * (seconds // 10), "hardly a turn was heard: this measures nothing"
    return {**row, "load_1min": round(os.getloadavg()[0], 1)}


def main() -> None:
    driver = built()
    rows: list[dict[str, Any]] = []
    for sessions, talk_share, agent_share, quick_s in ROWS:
        rows.append(measured(driver, sessions, talk_share, agent_share, quick_s if QUICK else 60))
        print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
    write_result("scale", rows)
    print_table(rows)


if __name__ == "__main__":
    main()
