"""Around a run: the text towers of encoders are freed once the prompts are encoded."""

from __future__ import annotations

from pathlib import Path

from guidance.encoders import load_encoder
from guidance.loop.events import Event
from guidance.tasks.text2image import TextToImage


def test_text_towers_are_freed_when_the_prompts_are_encoded(tmp_path: Path) -> None:
    encoder = load_encoder("mini")
    encoder.encode_text(["something"])
    loaded = []

    def listen(event: Event) -> None:
        loaded.append(encoder._text is not None)

    small = {"size": 16, "generator": {"kind": "cutout", "finest": 8}, "crops": 1, "steps": 2}
    TextToImage(prompt="a heart", **small, judge=False, output=tmp_path).run([listen])
    assert len(loaded) > 2 and not any(loaded)
