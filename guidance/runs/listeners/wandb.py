"""Losses and previews of a run for Weights & Biases."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import wandb

from guidance.loop.events import DoneEvent, Event
from guidance.runs.listeners.values import images, values

PROJECT = "guidance"


class WeightsAndBiases:
    """Logs to the project "guidance"; account and mode are those of wandb (WANDB_MODE=offline)."""

    def __init__(self, folder: Path, title: str, config: Mapping[str, Any]) -> None:
        self.folder, self.title, self.config = folder, title, dict(config)
        self.run: Any = None  # created at the first event

    def __call__(self, event: Event) -> None:
        if self.run is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.run = wandb.init(
                project=PROJECT, name=self.title, config=self.config, dir=str(self.folder)
            )
        found: dict[str, Any] = dict(values(event))
        if (shown := images(event)) is not None:
            found["preview"] = [wandb.Image(image) for image in shown]
        if found:
            self.run.log({**found, "step": event.step})
        if isinstance(event, DoneEvent):
            self.run.finish()

    def needs(self, step: int) -> bool:
        """No event is needed before the next step."""
        return False
