"""The best of several seeds against one seed, by a judge that did not choose; and halving.

    python benchmarks/sweep_best_of.py [--prompts 20] [--seeds 8] [--steps 40]

text2image with the mini model, which the mini judge chooses from; the embedded denoiser reports
(see guidance/sweeps/second_judge.py). Reported: the gain of the best seed over the first one with
its 95% interval by bootstrap over prompts; the same by the judge that chose, which is too high; and
for successive halving its share of the gain and of the steps.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
from pathlib import Path

from measure import report

from guidance.cli import main as guide
from guidance.sweeps.leaderboard import bootstrap, read_leaderboard

PROMPTS = Path(__file__).parent / "prompts.txt"


def best(output: str, prompts: Path, words: argparse.Namespace, *more: str) -> dict[str, object]:
    """The leaderboard of a sweep."""
    axes = [f"--prompts={prompts}", f"--best-of={words.seeds}", f"--output={output}"]
    options = [
        f"--steps={words.steps}",
        f"--size={words.size}",
        f"--crops={words.crops}",
        "--device=cpu",
    ]
    try:
        guide(["sweep", "text2image", *axes, *options, "--workers=1", *more])
    except SystemExit as end:
        assert not end.code, end
    (folder,) = Path(output).glob("sweeps/2*")
    return read_leaderboard(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name, usual in (("prompts", 20), ("seeds", 8), ("steps", 40), ("size", 64), ("crops", 2)):
        parser.add_argument(f"--{name}", type=int, default=usual)
    words = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        lines = PROMPTS.read_text(encoding="utf-8").splitlines()[: words.prompts]
        prompts = Path(place) / "prompts.txt"
        prompts.write_text("\n".join(lines), encoding="utf-8")
        full = best(f"{place}/full", prompts, words)
        halved = best(f"{place}/halved", prompts, words, "--halve")
    rows = {row["prompt"]: row for row in full["rows"]}  # type: ignore[attr-defined]
    others = {row["prompt"]: row for row in halved["rows"]}  # type: ignore[attr-defined]
    gains = [row["best"]["report"] - row["first"]["report"] for row in rows.values()]
    mean, (low, high) = bootstrap(gains)
    chosen, between = bootstrap(
        [row["best"]["score"] - row["first"]["score"] for row in rows.values()]
    )
    by_halving, _ = bootstrap(
        [others[prompt]["best"]["report"] - row["first"]["report"] for prompt, row in rows.items()]
    )
    steps = halved["steps"]
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    report(
        f"best of {words.seeds} seeds - first seed, by {full['report_judge']}, {len(rows)} prompts",
        mean,
        "relative denoising error",
        0.0,
        lower_is_better=False,
        more={
            "seeds": words.seeds,
            "steps": words.steps,
            "cpu_seconds_of_the_workers": round(used.ru_utime + used.ru_stime),
            "interval": [round(low, 4), round(high, 4)],  # type: ignore[dict-item]
            "first_seed": round(
                sum(row["first"]["report"] for row in rows.values()) / len(rows), 4
            ),
            "better_prompts": sum(gain > 0 for gain in gains),
            "by_the_judge_that_chose": round(chosen, 4),
            "its_interval": [round(x, 4) for x in between],  # type: ignore[dict-item]
            "gain_with_halving": round(by_halving, 4),
            # Of a gain that may be none, there is no share.
            "halving_share_of_the_gain": round(by_halving / mean, 3) if low > 0 else None,  # type: ignore[dict-item]
            "halving_share_of_the_steps": round(
                steps["done"] / steps["without_halving"],
                3,  # type: ignore[index]
            ),
        },
    )


if __name__ == "__main__":
    main()
