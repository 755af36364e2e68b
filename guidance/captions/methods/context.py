"""Optimizes the context of a language model, token by token, until the text matches the image.

Source: ZeroCap (arXiv 2111.14447). For each token, some gradient steps change the keys and values
of the tokens before it, so that continuations become probable which the encoder matches with the
image. The steps are those of `guidance.loop.optimize`; the generator is the context. Where the
original encodes 512 texts in each step, here the candidates of a token are encoded once, each
with its word finished by the model.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor

from guidance import options as house
from guidance.captions.beams import Beam, Beams
from guidance.captions.captioner import Caption, Captioner
from guidance.captions.scores import TextScores
from guidance.encoders.base import Encoder
from guidance.errors import InputError
from guidance.generators.language.context import Context
from guidance.language.causal import LanguageModel
from guidance.language.files import MINI
from guidance.language.words import with_article
from guidance.loop.optimize import optimize
from guidance.loop.settings import Settings
from guidance.losses.language.candidates import Candidates

#: Each text starts with it; a caption is what follows "of".
PREFIX, ARTICLE = "a picture of", "a"
#: ZeroCap's weight of the optimized distribution in the geometric mean with the unchanged one.
FUSION = 0.99
#: Weight of the mean log-probability of a token beside the cosine, when the best beam is chosen.
LIKELY = 0.03
#: Candidates and gradient steps of the original, for `original_encodes`.
ORIGINAL_CANDIDATES, ORIGINAL_STEPS = 512, 5


def original_encodes(length: int, beams: int) -> int:
    """How many texts the original encodes for a caption of this many tokens.

    It encodes 512 candidates of each beam in each of 5 steps; the first token has one beam. For 15
    tokens and 5 beams these are 181,760 texts.
    """
    return ORIGINAL_CANDIDATES * ORIGINAL_STEPS * (1 + (length - 1) * beams)


class ContextCaptioner(Captioner):
    """Gradient steps on the key-value cache of a language model, for each token of a caption."""

    class Options(house.Options):
        language_model: str = MINI
        """A causal language model of transformers: mini-lm, a folder, or hf-hub:org/repository."""
        length: int = Field(6, ge=1, le=64)
        """The most tokens of a caption."""
        beams: int = Field(3, ge=1, le=16)
        """Texts that are continued side by side."""
        candidates: int = Field(64, ge=2, le=2048)
        """Continuations of each text that the encoder scores for a token."""
        steps: int = Field(5, ge=1, le=100)
        """Gradient steps for each token."""
        step_size: float = Field(0.1, gt=0)
        """Learning rate of keys and values."""
        fluency: float = Field(0.2, ge=0)
        """Weight of the distance to the unchanged language model."""
        temperature: float = Field(0.01, gt=0)
        """Temperature of the encoder's scores."""

    Options.chosen_as = "context"

    def __init__(self, encoder: Encoder, model: LanguageModel, options: Options) -> None:
        self.encoder, self.model, self.options = encoder, model, options
        text = f"{PREFIX} {ARTICLE}"
        # Byte-level tokenizers write a word in the middle of a text with the space before it.
        spaced = model.tokenizer.token_to_id("Ġa") is not None
        self._start = (model.start, *model.read(f" {text}" if spaced else text))
        if len(self._start) + options.length > model.context_length:
            raise InputError(
                f"{model.name}: reads {model.context_length} tokens; use a --length of at most "
                f"{model.context_length - len(self._start)}"
            )

    @classmethod
    def load(cls, encoder: Encoder, options: house.Options) -> ContextCaptioner:
        assert isinstance(options, cls.Options)
        device = encoder.encode_text(["a"]).device
        return cls(encoder, LanguageModel.load(options.language_model, device), options)

    def caption(self, vectors: Float[Tensor, "b d"], seed: int = 0) -> list[Caption]:
        """A caption for each unit vector."""
        scores, options = TextScores(self.encoder), self.options
        beams = Beams(len(vectors), self._start, options.beams, self.model.end)
        for _ in range(options.length):
            if not beams.open:
                break
            beams.advance(self._next(beams.open, vectors, scores, seed))
        each = scores.encodes // len(vectors)
        return [self._best(beams.of(i), vectors[i], scores, each) for i in range(len(vectors))]

    def _next(
        self, open_beams: list[Beam], vectors: Tensor, scores: TextScores, seed: int
    ) -> Float[Tensor, "n tokens"]:
        """Log-probabilities of the next token of each beam, after the gradient steps."""
        options = self.options
        tokens = torch.tensor([beam.tokens for beam in open_beams], device=self.model.device)
        past, last = self.model.cache(tokens[:, :-1]), tokens[:, -1]
        with torch.no_grad():
            start = self._allowed(self.model.next(last, past))
        candidates = start.topk(min(options.candidates, int(start[0].isfinite().sum()))).indices
        texts = self._texts(open_beams, candidates)
        flat = scores.vectors(texts)
        wanted = torch.stack([vectors[beam.image] for beam in open_beams]).to(flat.device)
        cosines = (flat.view(len(open_beams), -1, flat.shape[-1]) @ wanted[:, :, None])[..., 0]
        loss = Candidates(
            self.encoder,
            candidates,
            cosines,
            start,
            temperature=options.temperature,
            fluency=options.fluency,
        )
        context = Context(self.model, last, past, options.step_size)
        settings = Settings(
            options.steps, seed, "sgd", validations=1, device=str(self.model.device)
        )
        result = optimize(context, loss, settings, quiet=True)
        logits = self._allowed(result.rendering.logits)  # type: ignore[attr-defined]
        fused = FUSION * logits.log_softmax(-1) + (1 - FUSION) * start.log_softmax(-1)
        return fused.log_softmax(-1)

    def _texts(self, open_beams: list[Beam], candidates: Int[Tensor, "n k"]) -> list[str]:
        """The text of each beam with each candidate, whose word is finished by the model.

        An encoder cannot judge the first piece of a word.
        """
        count = candidates.shape[1]
        tokens = torch.tensor([beam.tokens for beam in open_beams], device=self.model.device)
        past = [
            (key.repeat_interleave(count, 0), value.repeat_interleave(count, 0))
            for key, value in self.model.cache(tokens)
        ]
        rests = self.model.finish_words(candidates.flatten(), past, ~self.model.forbidden)
        pairs = zip(candidates.flatten().tolist(), rests, strict=True)
        starts = [beam.tokens for beam in open_beams for _ in range(count)]
        return [
            self.model.write([*start, token, *(rest if token != self.model.end else [])])
            for start, (token, rest) in zip(starts, pairs, strict=True)
        ]

    def _allowed(self, logits: Tensor) -> Tensor:
        """Logits without the tokens that no caption contains."""
        return logits.masked_fill(self.model.forbidden, -torch.inf)

    def _best(self, own: list[Beam], vector: Tensor, scores: TextScores, encodes: int) -> Caption:
        """The beam that matches best, if it is probable too."""
        chosen = {text: beam.score for beam in reversed(own) if (text := self._text(beam))}
        texts = list(chosen) or [PREFIX]
        cosines = scores(vector, texts)
        likely = torch.tensor(list(chosen.values()) or [0.0], device=cosines.device)
        order = (cosines + LIKELY * likely).argsort(descending=True).tolist()
        ranked = tuple(texts[i] for i in order)
        return Caption(ranked[0], float(cosines[order[0]]), ranked[1:], encodes)

    def _text(self, beam: Beam) -> str:
        """The caption of a beam, with the right article."""
        text = self.model.write(list(beam.tokens)).removeprefix(PREFIX).strip(" .,'-")
        words = text.split()
        if words == [ARTICLE]:
            return ""
        return with_article(" ".join(words[1:])) if words[:1] == [ARTICLE] else text
