"""Decodes the embedding of an image with a language model that was trained on texts only.

Source: DeCap (arXiv 2303.03032). The image is projected into the space of texts: the mean of the
memory's vectors, weighted by a softmax of their cosines with the image. A linear layer makes four
tokens of it, after which the mini LM writes a caption; `recipes/mini_lm.py` trained both.
Deviations: beam search, and of the beams the encoder chooses the best.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from guidance import options as house
from guidance.captions.beams import Beam, Beams
from guidance.captions.captioner import Caption, Captioner
from guidance.captions.memory.texts import FOLDER, load_memory
from guidance.captions.scores import TextScores
from guidance.encoders.base import Encoder
from guidance.errors import InputError
from guidance.language.causal import LanguageModel
from guidance.language.files import MINI

PREFIX = FOLDER / "prefix.safetensors"
#: Texts end before this number of tokens.
LONGEST = 24


class Fast(Captioner):
    """A decoder of embeddings of the mini encoder, which was trained on texts only."""

    class Options(house.Options):
        beams: int = Field(4, ge=1, le=16)
        """Texts that are continued side by side."""
        sharpness: float = Field(100.0, gt=0)
        """Factor on the cosines of the image and the memory, before the softmax."""

    def __init__(
        self,
        encoder: Encoder,
        model: LanguageModel,
        vectors: Float[Tensor, "m d"],
        layer: tuple[Tensor, Tensor],
        options: Options,
    ) -> None:
        self.encoder, self.model, self.options = encoder, model, options
        self._memory, (self._weight, self._bias) = vectors, layer

    @classmethod
    def load(cls, encoder: Encoder, options: house.Options) -> Fast:
        assert isinstance(options, cls.Options)
        if encoder.name != "mini":
            raise InputError(
                f"--method fast decodes embeddings of mini only, not of {encoder.name}; use "
                "--method memory or context"
            )
        from safetensors.torch import load_file

        device = encoder.encode_text(["a"]).device
        found = load_file(PREFIX, device=str(device))
        layer = found["weight"].float(), found["bias"].float()
        model = LanguageModel.load(MINI, device)
        return cls(encoder, model, load_memory(None, encoder).vectors, layer, options)

    @torch.no_grad()
    def caption(self, vectors: Float[Tensor, "b d"], seed: int = 0) -> list[Caption]:
        """A caption for each unit vector; `seed` changes nothing."""
        prefix = self._prefix(self.project(vectors))
        beams = Beams(len(vectors), (self.model.start,), self.options.beams, self.model.end)
        for _ in range(LONGEST):
            if not beams.open:
                break
            tokens = torch.tensor([beam.tokens for beam in beams.open], device=self.model.device)
            before = prefix[[beam.image for beam in beams.open]]
            logits = self.model.after(torch.cat([before, self.model.embed(tokens)], 1))
            logits = logits.masked_fill(self.model.forbidden, -torch.inf)
            beams.advance(logits.log_softmax(-1))
        scores = TextScores(self.encoder)
        return [self._best(beams.of(i), vectors[i], scores) for i in range(len(vectors))]

    def project(self, vectors: Float[Tensor, "b d"]) -> Float[Tensor, "b d"]:
        """Unit vectors among texts: weighted means of the memory."""
        weights = (self.options.sharpness * vectors @ self._memory.T).softmax(-1)
        return F.normalize(weights @ self._memory, dim=-1)

    def _prefix(self, vectors: Float[Tensor, "b d"]) -> Float[Tensor, "b p width"]:
        """The input embeddings that stand for the vectors."""
        width = self.model.embed(torch.tensor([[0]], device=self.model.device)).shape[-1]
        return (vectors @ self._weight.T + self._bias).view(len(vectors), -1, width)

    def _best(self, own: list[Beam], vector: Tensor, scores: TextScores) -> Caption:
        """The beam that matches best."""
        before = scores.encodes
        texts = [self.model.write(list(beam.tokens)) for beam in own]
        texts = list(dict.fromkeys(text for text in texts if text)) or ["a picture"]
        cosines = scores(vector, texts)
        order = cosines.argsort(descending=True).tolist()
        ranked = [texts[i] for i in order]
        similarity = float(cosines[order[0]])
        return Caption(ranked[0], similarity, tuple(ranked[1:]), scores.encodes - before)
