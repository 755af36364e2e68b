"""Writes exported bodies and the expected positions of their joints; see README.md."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch

from guidance.body.body import Body
from guidance.body.export.glb import write_body_glb
from guidance.body.export.vrm import write_vrm, write_vrma
from guidance.body.joint_names import NAMES
from guidance.body.load import load_body
from guidance.body.skeleton import canonical
from guidance.motion.motion import Motion

FRAMES, FPS = 31, 30.0
TIMES = (0.0, 0.5, 1.0)
#: Rotation vectors at the end of the motion.
END = {
    "left_shoulder": (0.0, 0.0, -1.2),
    "right_shoulder": (0.0, 0.0, -1.0),
    "right_elbow": (0.0, 1.5, 0.0),
    "left_hip": (-1.0, 0.0, 0.0),
    "left_knee": (1.2, 0.0, 0.0),
    "spine2": (0.0, 0.3, 0.0),
    "head": (0.0, 0.5, 0.0),
}


def motion() -> Motion:
    """One second: a leg and an arm are lifted while the person moves to the left."""
    time = torch.linspace(0, 1, FRAMES)
    vectors = torch.zeros(FRAMES, len(NAMES), 3)
    for name, end in END.items():
        vectors[:, NAMES.index(name)] = time[:, None] * torch.tensor(end)
    x, y, z = vectors.unbind(-1)
    zero = torch.zeros_like(x)
    skew = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).reshape(FRAMES, -1, 3, 3)
    root = canonical().rest[0] + time[:, None] * torch.tensor([0.3, -0.05, 0.0])
    return Motion(torch.linalg.matrix_exp(skew), root, FPS, "raise")


def expected(body: Body, clip: Motion) -> dict[str, list[list[float]]]:
    """Positions of the joints in the scene of the file, at `TIMES`."""
    frames = [round(time * FPS) for time in TIMES]
    root = body.placed(clip.root[frames])
    positions = body.joints(clip.rotations[frames], root)[1]
    if body.rig is not None:
        back = torch.linalg.inv(body.rig.to_body).float()
        positions = positions @ back[:3, :3].mT + back[:3, 3]
    return {name: positions[:, joint].tolist() for joint, name in enumerate(body.names)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--body", type=Path, action="append", default=[])
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    clip, found = motion(), {}
    for source in ("capsule", "cc0", *args.body):
        body, name = load_body(source), Path(source).stem
        (args.out / f"{name}.glb").write_bytes(write_body_glb(body, [clip]))
        (args.out / f"{name}.vrm").write_bytes(write_vrm(body))
        (args.out / f"{name}.vrma").write_bytes(write_vrma(body, clip))
        found[name] = expected(body, clip)
    (args.out / "expected.json").write_text(json.dumps({"times": TIMES, "joints": found}))


if __name__ == "__main__":
    main()
