"""The run that most scenarios repeat."""

from __future__ import annotations

STEPS = 8
#: The smallest real run that goes through everything: judge, checkpoints, previews, video.
RUN = (
    *("run", "text2image", "--prompt", "a red heart", "--contrastive-weight", "0"),
    *("--size", "32", "--crops", "2", "--steps", str(STEPS), "--device", "cpu"),
)
