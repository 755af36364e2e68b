"""Counts where a step on a GPU makes the host wait; needs no GPU.

    python benchmarks/waits.py [--tiny] [--out benchmarks/results/waits.json]

Runs text2image and text2mesh with their defaults on a GPU that is simulated on the CPU, and counts
the operations of a step at which the host waits for the device: reads of values, shapes that depend
on values, and copies that are not queued (see `simulated_gpu`). Meshes are rendered by the renderer
in torch, and by the one with nvdiffrast, whose visibility is replaced by that of torch, uncounted.
The first steps, which fill caches, are not counted, nor is validation. The loop reads values once
in several steps; this is reported beside the steps.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import simulated_gpu
from measure import machine
from simulated_gpu import DEVICE, OnDevice, Waits
from torch import Tensor

from guidance import transfers
from guidance.loop import optimize as loop
from guidance.rendering.rasterizer import contract, nvdiffrast, reference
from guidance.tasks.base import Task
from guidance.tasks.stylize import Stylize
from guidance.tasks.text2image import TextToImage
from guidance.tasks.text2mesh import TextToMesh

HERE = Path(__file__).resolve().parent
PHOTO = HERE.parent / "configs" / "assets" / "photo.jpg"
WARM_UP, STEPS = 3, 8
TINY: dict[str, dict[str, Any]] = {
    "text2image": {"size": 64},
    "stylize": {"size": 64},
    "text2mesh": {"crops": 4, "cameras": {"kind": "orbit", "views": 2, "resolution": 32}},
}


def stand_in(clip: Tensor, faces: Tensor, height: int, width: int) -> tuple[Tensor, Tensor, None]:
    """The visibility of nvdiffrast: the nearest face and its depth, without any wait."""
    if not isinstance(clip, OnDevice) or not isinstance(faces, OnDevice):
        return reference.visible(clip, faces, height, width)
    triangles, depth, _ = reference.visible(clip.held, faces.held, height, width)
    return OnDevice(triangles), OnDevice(depth), None


@contextmanager
def patched(renderer: str) -> Iterator[None]:
    """The package with the simulated device in place of CUDA."""
    backend = nvdiffrast.BACKEND
    with (
        mock.patch.object(contract, "choose_backend", lambda choice, device: renderer),
        mock.patch.object(
            nvdiffrast, "BACKEND", type(backend)(**vars(backend) | {"visible": stand_in})
        ),
        mock.patch.object(transfers, "QUEUED", {"gpu"}),
        mock.patch.object(Tensor, "pin_memory", simulated_gpu.pinned),
    ):
        yield


def count(task: Task, renderer: str) -> dict[str, Any]:
    """The waits of the steps of a task, and of the loop between them."""
    with Waits() as waits, patched(renderer):
        plan = task.build()
        steps, between = Tally(waits), Tally(waits)
        with (
            mock.patch.object(loop._Run, "_step", steps.counting(loop._Run._step)),
            mock.patch.object(loop._Run, "_read", between.counting(loop._Run._read)),
        ):
            settings = replace(plan.settings, device=DEVICE, steps=WARM_UP + STEPS, validations=1)
            views, warps = plan.views, plan.warps
            loop.optimize(
                plan.generator, plan.losses, settings, views=views, warps=warps, quiet=True
            )
    return {
        "waits_per_step": max(steps.totals),
        "waits_between_steps": round(sum(between.totals) / STEPS, 3),
        "operations_per_step": round(steps.operations / STEPS),
        "where": [
            {"operation": operation, "line": line, "per_step": round(number / STEPS, 3)}
            for (operation, line), number in steps.found.most_common()
        ],
    }


class Tally:
    """The waits in calls of a method of the loop, after the first steps."""

    def __init__(self, waits: Waits) -> None:
        self.waits = waits
        self.totals: list[int] = []  # of each call
        self.found: Counter[tuple[str, str]] = Counter()
        self.operations = 0

    def counting(self, method: Callable[..., Any]) -> Callable[..., Any]:
        """The method, whose waits are counted."""

        def counted(run: Any, *args: Any) -> Any:
            if run.step < WARM_UP:
                return method(run, *args)
            self.waits.found.clear()
            self.waits.operations = 0
            with self.waits.counted():
                result = method(run, *args)
            self.totals.append(self.waits.found.total())
            self.found.update(self.waits.found)
            self.operations += self.waits.operations
            return result

        return counted


def cases(tiny: bool) -> dict[str, tuple[Callable[[], Task], str, int]]:
    """Task, renderer and the largest number of waits of each case."""

    def task(kind: type[Task], name: str, **options: Any) -> Callable[[], Task]:
        given = {"prompt": "a red apple", "device": DEVICE} | (TINY[name] if tiny else {})
        return lambda: kind(**given | options)

    picture, mesh = (TextToImage, "text2image"), (TextToMesh, "text2mesh")
    return {
        "text2image": (task(*picture), "torch", 0),
        "text2image, grid": (task(*picture, generator="pixels"), "torch", 0),
        "text2image --loss fsd": (task(*picture, loss="fsd", generator="latent"), "torch", 0),
        "stylize": (task(Stylize, "stylize", image=PHOTO), "torch", 0),
        "text2mesh, torch": (task(*mesh), "torch", 2),
        "text2mesh, nvdiffrast": (task(*mesh), "nvdiffrast", 2),
        "text2mesh --mode texture, torch": (task(*mesh, mode="texture"), "torch", 2),
        "text2mesh --mode texture, nvdiffrast": (task(*mesh, mode="texture"), "nvdiffrast", 2),
        "text2mesh --mode generate, torch": (task(*mesh, mode="generate"), "torch", 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tiny", action="store_true", help="small images, for the test")
    parser.add_argument("--only", nargs="*", help="cases; by default all")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "waits.json")
    arguments = parser.parse_args()
    simulated_gpu.install()
    rows = []
    for name, (task, renderer, bar) in cases(arguments.tiny).items():
        if arguments.only and name not in arguments.only:
            continue
        row = {"case": name, "bar": bar} | count(task(), renderer)
        row["holds"] = row["waits_per_step"] <= bar
        inside, between = row["waits_per_step"], row["waits_between_steps"]
        operations = row["operations_per_step"]
        print(f"{name}: {inside} waits in a step, {between} between steps, {operations} operations")
        for each in row["where"]:
            print(f"    {each['per_step']:>6} x {each['operation']}: {each['line']}")
        rows.append(row)
    content = {"name": "waits of the host in a step on a GPU", "rows": rows, "machine": machine()}
    arguments.out.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
