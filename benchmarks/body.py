"""Speed of posing the embedded body; dense skinning weights against the four largest gathered.

`python -m benchmarks.body --json benchmarks/results/body.json`
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from guidance.body.body import Body
from guidance.body.load import load_body

POSES, REPEATS = 8, 15


def gathered(body: Body, transforms: Tensor, vertices: Tensor) -> Tensor:
    """The same skinning with the transforms of four joints gathered for each vertex."""
    weights, joints = body.weights.topk(4, 1)
    blended = (transforms[:, joints] * weights[..., None]).sum(2)
    matrices = blended.unflatten(-1, (3, 4))
    return (matrices[..., :3] @ vertices[..., None])[..., 0] + matrices[..., 3]


def seconds(run: Callable[[], Tensor]) -> float:
    """The shortest of several forward and backward passes."""
    found = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        run().sum().backward()
        found.append(time.perf_counter() - start)
    return min(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    body = load_body("cc0")
    rotations = torch.eye(3).repeat(POSES, 22, 1, 1).requires_grad_()
    root = body.rest[0].repeat(POSES, 1).requires_grad_()
    betas = torch.zeros(1, body.num_components, requires_grad=True)
    offsets = torch.zeros(1, len(body.template), 3, requires_grad=True)
    posed = seconds(lambda: body.posed(rotations, root, betas, offsets))
    transforms = torch.eye(3, 4).flatten().repeat(POSES, len(body.names), 1).requires_grad_()
    vertices = body.template.repeat(POSES, 1, 1).requires_grad_()

    def dense() -> Tensor:
        blended = (transforms.mT @ body.weights.mT).unflatten(1, (3, 4))
        moved = (blended[:, :, :3] * vertices.mT[:, None]).sum(2) + blended[:, :, 3]
        return moved.mT.contiguous()

    with_dense = seconds(dense)
    with_gather = seconds(lambda: gathered(body, transforms, vertices))
    report = {
        "poses": POSES,
        "vertices": len(body.template),
        "posed_forward_backward_ms": round(posed * 1000, 1),
        "skinning_gathered_over_dense": round(with_gather / with_dense, 2),
        "machine": f"1 thread, torch {torch.__version__}",
    }
    print(json.dumps(report, indent=2))
    if args.json:
        args.json.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
