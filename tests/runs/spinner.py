"""A thing that is seen from around: red from the front, blue from behind."""

from __future__ import annotations

import struct
from pathlib import Path

import torch

from guidance.outputs import Rendering
from guidance.runs.artifacts.contact_sheet import ContactSheet
from guidance.runs.artifacts.turntable import Turntable
from guidance.runs.plan import Plan
from guidance.tasks.base import Task
from guidance.types import StepContext
from guidance.views import Cameras
from tests.stand_ins import Canvas, Target


def around(num_samples: int, views: int) -> Cameras:
    """Cameras that know their azimuth and nothing else."""
    matrices = torch.eye(4).expand(num_samples, views, 4, 4)
    azimuths = (torch.arange(views) * 360 / views).expand(num_samples, views)
    light = torch.zeros(num_samples, views, 3)
    return Cameras(matrices, matrices, light, azimuths, torch.zeros_like(azimuths), 8, 8)


class Thing(Canvas):
    """Its colour turns with the camera."""

    def forward(self, cameras: Cameras | None = None) -> Rendering:
        assert cameras is not None
        behind = (cameras.azimuth_deg - 180).abs().lt(90).float()[..., None, None, None]
        color = torch.cat([1 - behind, 0 * behind, behind], 2)
        return Rendering(
            color
            * self.pixels[:, None]
            .mean((-1, -2), keepdim=True)
            .expand(-1, behind.shape[1], 3, 8, 8),
            cameras=cameras,
        )

    def export(self, folder: Path, sample: int) -> list[Path]:
        text = b'{"asset":{"version":"2.0"}} '
        head = struct.pack("<4sIII4s", b"glTF", 2, 20 + len(text), len(text), b"JSON")
        (folder / "mesh.glb").write_bytes(head + text)
        (folder / "mesh.obj").write_text("v 0 0 0\n")
        return [folder / "mesh.glb", folder / "mesh.obj"]


class Spinner(Task):
    """Something with cameras, a turntable and a mesh."""

    steps: int = 4
    judge: bool = False

    def build(self) -> Plan:
        n = len(self.sample_prompts)

        def views(context: StepContext) -> Cameras:
            return around(len(context.seeds), 2)

        def ring(count: int) -> Cameras:
            return around(n, count)

        return Plan(
            Thing(n),
            Target([0.5] * n),
            self.settings(),
            self.sample_prompts,
            views,
            artifacts=(Turntable(ring), ContactSheet(ring)),
        )
