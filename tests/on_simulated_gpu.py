"""What only a process with the simulated GPU can check; prints JSON for `test_waits`."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

import simulated_gpu
import waits
from simulated_gpu import DEVICE, Waits

from guidance import transfers
from guidance.errors import Diverged
from guidance.loop.events import Event, StepEvent
from guidance.loop.optimize import optimize
from guidance.loop.readings import TOGETHER
from guidance.loop.settings import Settings
from guidance.outputs import Rendering
from guidance.types import StepContext
from tests.stand_ins import Canvas, Target

CASES = ("text2image", "text2mesh, torch", "text2mesh, nvdiffrast")


def operations() -> dict[str, Any]:
    """What is found in operations that wait, and in their counterparts that do not."""
    with Waits() as found:
        values = torch.arange(6.0).to(DEVICE)
        chosen, places = values > 2, torch.tensor([0, 2]).to(DEVICE)
        host = torch.arange(6.0)
        works = {
            "item": lambda: float(values.sum()),
            "if": lambda: bool(chosen.any()),
            "tolist": values.tolist,
            "nonzero": chosen.nonzero,
            "mask": lambda: values[chosen],
            "mask assigned": lambda: values.clone().index_put_((chosen,), values[:1]),
            "unique": values.unique,
            "equal": lambda: torch.equal(values, values),
            "repeat_interleave": lambda: torch.repeat_interleave(places),
            "to the host": values.cpu,
            "to the device": lambda: host.to(DEVICE),
            "not pinned": lambda: host.to(DEVICE, non_blocking=True),
            "new tensor": lambda: torch.tensor([1.0, 2.0], device=DEVICE),
            "index on the host": lambda: values[torch.tensor([1, 2])],
            "- sum": values.sum,
            "- where": lambda: torch.where(chosen, values, 0.0),
            "- index": lambda: values[places],
            "- zeros": lambda: torch.zeros(3, device=DEVICE),
            "- repeat_interleave": lambda: torch.repeat_interleave(places, output_size=2),
            "- pinned": lambda: simulated_gpu.pinned(host).to(DEVICE, non_blocking=True),
            "- on the host": lambda: float(host[host > 2].sum()),
        }
        result = {}
        for name, work in works.items():
            found.found.clear()
            with found.counted():
                work()
            result[name] = found.found.total()
    return result


class NotFinite(Target):
    """NaN at some steps."""

    def __init__(self, at: set[int]) -> None:
        super().__init__([0.1, 0.9])
        self.at = at

    def forward(self, rendering: Rendering, context: StepContext) -> Tensor:
        wanted = transfers.constant((0.1, 0.9), rendering.device).view(2, 1)
        value = (rendering.image.flatten(1) - wanted).square().mean(1)
        return value * math.nan if context.phase == "step" and context.step in self.at else value


class Watch:
    """A listener that needs only some steps."""

    def __init__(self, steps: set[int]) -> None:
        self.steps, self.seen = steps, []
        self.snapshots: dict[int, dict[str, Tensor]] = {}

    def __call__(self, event: Event) -> None:
        if isinstance(event, StepEvent):
            assert all(value.device.type == "cpu" for value in event.losses.values())
            self.seen.append((event.step, event.skipped, event.is_latest))
            if event.is_latest:
                self.snapshots[event.step] = event.snapshot()

    def needs(self, step: int) -> bool:
        return step in self.steps


def run(device: str, at: set[int], watch: Watch, optimizer: str = "adam", **more: Any) -> Any:
    """The losses and the image of a run with NaN at some steps."""
    settings = Settings(steps=40, device=device, optimizer=optimizer, validations=2)
    try:
        result = optimize(Canvas(), NotFinite(at), settings, listeners=[watch], **more)
    except Diverged as error:
        return str(error)
    losses = [None if math.isnan(loss) else loss for loss in result.losses]
    return [losses, result.skipped, result.images.cpu().flatten().tolist()]


def loops() -> dict[str, Any]:
    """Runs on the CPU and on the simulated GPU."""
    found: dict[str, Any] = {"together": TOGETHER}
    cases = {"few": {3, 4, 11}, "rollback": set(range(6, 16)), "diverged": set(range(5, 99))}
    queued = mock.patch.object(transfers, "QUEUED", {"gpu"})
    pinning = mock.patch.object(Tensor, "pin_memory", simulated_gpu.pinned)
    with Waits(), queued, pinning:
        for name, at in cases.items():
            for optimizer in ("adam", "sgd"):
                for device in ("cpu", DEVICE):
                    watch = Watch({13})
                    key = f"{name} {optimizer} {device[:3]}"
                    found[key] = [run(device, at, watch, optimizer), watch.seen]
        late = Watch({13})
        found["whole"] = run(DEVICE, {3, 4, 11}, late)
        found["resumed"] = run(DEVICE, {3, 4, 11}, Watch(set()), resume=late.snapshots[13])
    return found


def main() -> None:
    simulated_gpu.install()
    counts = {}
    for name, (task, renderer, bar) in waits.cases(tiny=True).items():
        if name in CASES:
            counts[name] = waits.count(task(), renderer) | {"bar": bar}
    print(json.dumps({"counts": counts, "operations": operations(), "loops": loops()}))


if __name__ == "__main__":
    main()
