"""Losses and previews of a run for TensorBoard."""

from __future__ import annotations

from pathlib import Path

from torch.utils.tensorboard import SummaryWriter

from guidance.loop.events import DoneEvent, Event
from guidance.runs.listeners.values import images, values


class TensorBoard:
    """Writes to a folder that `tensorboard --logdir FOLDER` shows."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.writer: SummaryWriter | None = None  # created at the first event

    def __call__(self, event: Event) -> None:
        if self.writer is None:
            self.writer = SummaryWriter(str(self.folder))
        for name, value in values(event).items():
            self.writer.add_scalar(name, value, event.step)
        if (shown := images(event)) is not None:
            self.writer.add_images("preview", shown, event.step)
        if isinstance(event, DoneEvent):
            self.writer.close()

    def needs(self, step: int) -> bool:
        """No event is needed before the next step."""
        return False
