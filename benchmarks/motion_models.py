"""The models of motions: constraints by noise, what stays natural, and what the judge sees.

    PYTHONPATH=. python benchmarks/motion_models.py [--json FILE]

For clips of the bank, the right hand goes to a point 0.3 m from where it is at 1 s, or the pelvis
to a point on the ground 0.6 m from where it is at the end. The noise of the diffusion is optimized
for this error and the priors of text2motion. The error is given as the optimization leaves it,
without inverse kinematics or locked feet afterwards. The same
clips without a constraint, and as the generator starts with them, are the measure of what is
natural; random motions are in the card of the model. `judge` is the rank of the clip's label among
all labels.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from measure import machine
from torch import Tensor

from guidance.body.capsule import capsule_body
from guidance.body.joint_names import NAMES
from guidance.body.skeleton import canonical
from guidance.evaluate.motion import MotionJudge
from guidance.generators.motion.noise import Noise
from guidance.generators.motion.param.base import MotionStage
from guidance.losses.foot_skate import FootSkate
from guidance.losses.ground import Ground
from guidance.losses.joint_limits import JointLimits
from guidance.losses.start_distance import StartDistance
from guidance.motion.bank import load_bank
from guidance.motion.cleaning import foot_locked
from guidance.motion.compose import compose
from guidance.motion.joining import repeated
from guidance.motion.metrics import quality
from guidance.motion.motion import Motion

CLIPS = ("walk", "wave", "kick")
STEPS, RATE, FRAMES = 100, 0.05, 59
HAND = NAMES.index("right_wrist")
PRIORS = ((StartDistance, 1.0), (Ground, 20.0), (JointLimits, 1.0), (FootSkate, 0.05))
#: Composed prompts, and prompts that name another order or action.
COMPOSED = (
    ("walks forward, then waves", "kicks, then sits down"),
    ("jumps, then bows", "walks forward, then crawls"),
    ("waves while walking", "crawls"),
    ("kicks, then claps", "swims"),
    ("squats, then cheers", "marches"),
    ("runs, then falls down dead", "reads a book"),
    ("sits down, then shrugs", "does jumping jacks"),
    ("dances, then salutes", "digs with a shovel"),
)


def clip(name: str) -> Motion:
    """Two seconds of a clip."""
    bank = load_bank()
    motion = bank.clips[name]
    if bank.labels[name].loop:
        motion = repeated(motion, 5, loop=True)
    return replace(motion, rotations=motion.rotations[:FRAMES], root=motion.root[:FRAMES])


def stage(motion: Motion) -> MotionStage:
    """The clip on a body with the size of the canonical skeleton."""
    body = capsule_body()
    scale = float(body.skeleton.rest[0, 1] / canonical().rest[0, 1])
    return MotionStage((0,), (replace(motion, root=motion.root * scale),), body)


def reach(motion: Motion, error: Callable[[Tensor], Tensor]) -> tuple[Noise, list[float]]:
    """The generator after the optimization, and its errors in meters."""
    generator = Noise(stage(motion))
    (group,) = generator.param_groups()
    optimizer = torch.optim.Adam(group["params"], RATE, betas=(0.9, 0.99))
    errors, priors = [], [(kind(), weight) for kind, weight in PRIORS]
    for prior, _ in priors:
        prior.begin(generator().detach())
    for step in range(STEPS):
        output = generator()
        found = error(output.joints[0])
        errors.append(found.item())
        loss = 30 * found.square()
        for prior, weight in priors:
            loss = loss + weight * prior.of_motions(output).sum()
        for each in optimizer.param_groups:
            each["lr"] = RATE * (1 - step / STEPS)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        with torch.no_grad():
            generator.project()
    errors.append(error(generator().joints[0]).item())
    return generator, errors


def measures(motion: Motion) -> dict[str, float]:
    """The quality of a motion of the capsule body."""
    return asdict(quality(motion, capsule_body().skeleton))


def constraints(judge: MotionJudge) -> dict[str, Any]:
    """Errors and measures of all clips for both constraints."""
    rows, natural, again = [], [], []
    for name in CLIPS:
        motion, label = clip(name), load_bank().labels[name].label
        natural.append(measures(stage(motion).start[0]))
        start = Noise(stage(motion))().motion(0)
        again.append(measures(start))
        joints = stage(motion).body.skeleton.pose(start.rotations, start.root)[1]
        at = min(30, len(joints) - 1)
        hand = joints[at, HAND] + torch.tensor([0.17, 0.17, 0.17])
        goal = joints[-1, 0, [0, 2]] + torch.tensor([0.42, 0.42])
        goals: dict[str, Callable[[Tensor], Tensor]] = {
            "hand": lambda j, at=at, hand=hand: (j[at, HAND] - hand).norm(),
            "root": lambda j, goal=goal: (j[-1, 0, [0, 2]] - goal).norm(),
        }
        for kind, error in goals.items():
            began = time.process_time()
            generator, errors = reach(motion, error)
            found = generator().motion(0)
            score = judge.scores([found], [label])[0]
            rows.append(
                {
                    "clip": name,
                    "constraint": kind,
                    "start_cm": round(100 * errors[0], 1),
                    "error_cm": round(100 * errors[-1], 2),
                    "moved_cm": round(100 * moved(generator, start), 1),
                    "judge": score.rank,
                    "seconds": round(time.process_time() - began, 1),
                    **{key: round(value, 2) for key, value in measures(found).items()},
                    "skate_cm_s_with_locked_feet": round(
                        measures(foot_locked(found, skeleton=capsule_body().skeleton))[
                            "skate_cm_s"
                        ],
                        2,
                    ),
                }
            )
            print(rows[-1], flush=True)
    return {
        "clips": mean(natural),
        "clips_from_noise": mean(again),
        "constrained": mean(rows),
        "worst_error_cm": max(row["error_cm"] for row in rows),
        "share_within_1_cm": round(sum(row["error_cm"] <= 1 for row in rows) / len(rows), 3),
        "rows": rows,
    }


def moved(generator: Noise, start: Motion) -> float:
    """How far joints are from where they were, relative to the pelvis, in meters."""
    skeleton = generator.skeleton
    before, after = (skeleton.pose(m.rotations, m.root)[1] for m in (start, generator().motion(0)))
    return float(((after - after[:, :1]) - (before - before[:, :1])).norm(dim=-1).mean())


def mean(rows: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Means of the numbers."""
    keys = [key for key, value in rows[0].items() if not isinstance(value, str)]
    return {key: round(statistics.mean(row[key] for row in rows), 3) for key in keys}


def composed(judge: MotionJudge) -> dict[str, Any]:
    """Whether a composition fits its prompt better than another prompt, and its rank."""
    rows = []
    for prompt, other in COMPOSED:
        motion = compose(prompt)
        own, wrong = judge.scores([motion, motion], [prompt, other])
        rows.append({"prompt": prompt, "similarity": round(own.similarity, 3), "rank": own.rank,
                     "of_another_prompt": round(wrong.similarity, 3)})  # fmt: skip
    return {
        "better_than_another_prompt": sum(r["similarity"] > r["of_another_prompt"] for r in rows),
        "rank_within_three": sum(row["rank"] <= 3 for row in rows),
        "count": len(rows),
        "rows": rows,
    }


def main() -> None:
    torch.set_num_threads(1)
    judge = MotionJudge()
    result = {
        "machine": machine(),
        "steps": STEPS,
        "composed_prompts": composed(judge),
        "constraints": constraints(judge),
    }
    print(json.dumps({k: v for k, v in result["constraints"].items() if k != "rows"}, indent=1))
    if "--json" in sys.argv:
        path = Path(sys.argv[sys.argv.index("--json") + 1])
        path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
