"""A picture of every stage's distribution against its budget."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl

from load.share_run import ShareRun

mpl.use("Agg")

from matplotlib import pyplot as plt

__all__ = ["draw"]


def draw(runs: list[ShareRun], limits_ms: dict[str, float | None], path: Path) -> Path:
    """One panel for each stage: the share of all turns that took longer, a line for each number of sessions."""
    figure, panels = plt.subplots(2, 4, figsize=(18, 8), layout="constrained")
    for panel, (stage, limit_ms) in zip(panels.flat, limits_ms.items(), strict=False):
        for run in runs:
            values = sorted(run.samples[stage])
            longer = [1 - place / len(values) for place in range(len(values))]
            panel.step(values, longer, label=f"{run.sessions} sessions{', saturated' if run.saturated else ''}")
        if limit_ms is not None:
            panel.axvline(limit_ms, color="black", linestyle="--", label="budget")
        panel.set(title=stage, xlabel="ms", ylabel="share that took longer", yscale="log", ylim=(5e-4, 1))
        panel.grid(alpha=0.3)
        panel.legend()
    for panel in panels.flat[len(limits_ms) :]:
        panel.axis("off")
    figure.suptitle(f"The framework's own share, {runs[0].script.talk_share} % talk, components of 0 ms")
    figure.savefig(path, dpi=110)
    plt.close(figure)
    return path
