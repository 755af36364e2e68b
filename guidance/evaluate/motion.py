"""The held-out judge of motions: scores by an encoder of joints and texts that sees no image.

Losses of text2motion look at renders through image-text models. This judge reads the positions of
the joints, knows no image-text model, and is never a loss, so what fools the one does not fool the
other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor

from guidance.body.skeleton import canonical
from guidance.errors import InputError
from guidance.evaluate.judge import Score, normalize_text
from guidance.motion.bank import load_bank
from guidance.motion.motion import Motion
from guidance.motion.networks.encoder import MotionTextEncoder, load_encoder

#: A distractor whose text is closer to the prompt than this is the same action.
SAME = 0.8


class MotionJudge:
    """Scores of motions for prompts, with the rank of the prompt among other actions.

    Args:
        encoder: by default the embedded one.
        distractors: texts of other actions; by default the labels of the included bank. Those that
            mean the same as a prompt do not compete with it.
        pelvis_height: of the body at rest whose motions are scored, in meters; by default that of
            the canonical skeleton.
    """

    name = family = "mini-tmr"

    def __init__(
        self,
        encoder: MotionTextEncoder | None = None,
        distractors: Sequence[str] | None = None,
        pelvis_height: float | None = None,
    ) -> None:
        self.encoder = encoder or load_encoder()
        own = float(canonical().rest[0, 1])
        self.scale = own / (pelvis_height or own)
        if distractors is None:
            distractors = [clip.label for clip in load_bank().labels.values()]
        self.distractors = tuple(distractors)

    @cached_property
    def _vectors(self) -> Float[Tensor, "m d"]:
        return self.encoder.encode_text(self.distractors)

    def scores(self, motions: Sequence[Motion], prompts: Sequence[str]) -> list[Score]:
        """The cosine of each motion and its prompt, and the rank of the prompt.

        Prompts of the other samples compete too.

        Raises:
            InputError: the numbers of prompts and motions differ, or a prompt has no known word.
        """
        if len(prompts) != len(motions):
            raise InputError(
                f"judge: expected one prompt for each of {len(motions)} motions, got {len(prompts)}"
            )
        own = self._prompts(list(prompts))
        texts = torch.cat([own, self._vectors]) if self.distractors else own
        names = [normalize_text(text) for text in (*prompts, *self.distractors)]
        result = []
        for sample, vector in enumerate(self._motions(motions)):
            cosines = texts @ vector
            rivals = {
                name: float(cosine)
                for name, cosine, near in zip(names, cosines, texts @ own[sample], strict=True)
                if near < SAME and name != names[sample]
            }
            similarity = float(cosines[sample])
            better = sum(cosine > similarity for cosine in rivals.values())
            result.append(Score(similarity, better + 1, len(rivals) + 1))
        return result

    def similarity(self, motions: Sequence[Motion], prompts: Sequence[str]) -> Float[Tensor, "n"]:
        """The cosine of each motion and its prompt. Raises InputError as `scores`."""
        return (self._motions(motions) * self._prompts(list(prompts))).sum(1)

    def knows(self, prompt: str) -> bool:
        """Whether a prompt has a word that the judge can read."""
        return bool(self.encoder.bags([prompt]).any())

    def _motions(self, motions: Sequence[Motion]) -> Float[Tensor, "n d"]:
        scaled = [replace(motion, root=motion.root * self.scale) for motion in motions]
        return torch.stack([self.encoder.encode_motion(motion) for motion in scaled])

    def _prompts(self, prompts: list[str]) -> Float[Tensor, "n d"]:
        for prompt in prompts:
            if not self.knows(prompt):
                raise InputError(
                    f"{prompt!r:.100}: the judge of motions knows none of its words; name the "
                    "action in other words"
                )
        return self.encoder.encode_text(prompts)
