"""A folder of images that are kept during a run, one PNG per step with all samples tiled."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from guidance.media.pixels import Frame, tiled, untiled
from guidance.media.read_image import read_png
from guidance.media.write_image import encode_png
from guidance.runs.atomic import os_errors, write_bytes


@dataclass(frozen=True)
class FrameFolder:
    """Images named by their step.

    Args:
        synced: fsync each frame. Without it, a frame lost in a power cut makes a video one frame
            shorter.
    """

    path: Path
    synced: bool = False

    def prepare(self, step: int) -> None:
        """Creates the folder, and removes frames after `step` that a killed process left."""
        with os_errors(self.path):
            self.path.mkdir(exist_ok=True)
            for path in self.path.glob("*.tmp"):
                path.unlink()
            for path in self.path.glob("*.png"):
                if not path.stem.isdecimal() or int(path.stem) > step:
                    path.unlink()

    def keep(self, step: int, images: Float[Tensor, "n 3 h w"]) -> None:
        """Writes the frame of a step."""
        path = self.path / f"{step:07d}.png"
        content = encode_png(tiled(images), compress_level=1)  # fast rather than small
        if self.synced:
            write_bytes(path, content)
            return
        temporary = path.with_suffix(".tmp")
        with os_errors(path):
            temporary.write_bytes(content)
            temporary.replace(path)

    def __len__(self) -> int:
        return len(self._paths())

    def of_sample(self, sample: int, num_samples: int) -> Iterator[Frame]:
        """The frames of one sample, in the order of their steps."""
        for path in self._paths():
            yield untiled(read_png(path), sample, num_samples)

    def of_samples(self, samples: range, num_samples: int) -> list[list[Frame]]:
        """The frames of some samples; each image is decoded once for all of them."""
        found: list[list[Frame]] = [[] for _ in samples]
        for path in self._paths():
            image = read_png(path)
            for frames, sample in zip(found, samples, strict=True):
                frames.append(untiled(image, sample, num_samples).copy())
        return found

    def _paths(self) -> list[Path]:
        return sorted(self.path.glob("*.png"))
