"""What happens around a run: memory that it no longer needs is given back."""

from __future__ import annotations

from pathlib import Path

from guidance.encoders import load_encoder
from guidance.loop.optimize import Event
from guidance.tasks.text2image import TextToImage


def test_text_towers_are_dropped_when_the_prompts_are_encoded(tmp_path: Path) -> None:
    encoder = load_encoder("mini")
    encoder.encode_text(["something"])
    there = []

    def listen(event: Event) -> None:
        there.append(encoder._text is not None)

    small = {"size": 16, "finest": 8, "crops": 1, "steps": 2}
    TextToImage(prompt="a heart", **small, judge=False, output=tmp_path).run([listen])
    assert len(there) > 2 and not any(there)
