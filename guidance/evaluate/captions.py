"""Metrics of captions.

Those with an encoder take a judge of another family than the encoder that made the captions: a
caption that was chosen by an encoder always scores well with it. Text is compared in lower case,
without punctuation.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from guidance.encoders.base import Encoder
from guidance.errors import InputError
from guidance.evaluate.judge import HasFamily, check_judge, embed_images, legible

#: CLIPScore's factor (arXiv 2104.08718, equation 1).
WEIGHT = 2.5
#: CIDEr-D's longest n-grams, the standard deviation of its penalty of lengths, and its factor.
LONGEST, SIGMA, FACTOR = 4, 6.0, 10.0

Grams = Counter[tuple[str, ...]]


def words_of(text: str) -> list[str]:
    """The words of a text as metrics compare them."""
    return re.findall(r"[^\W_]+(?:['’-][^\W_]+)*", text.lower())


def clip_score(
    judge: Encoder,
    images: Float[Tensor, "b 3 h w"],
    captions: Sequence[str],
    made_by: Sequence[HasFamily],
) -> list[float]:
    """CLIPScore of each image and caption: 2.5 * max(cosine, 0).

    Args:
        judge: an encoder that made no caption.
        images: sRGB in [0, 1].
        made_by: the encoders that made the captions.

    Raises:
        InputError: the judge is of a family that made the captions; the numbers differ.

    Source: Hessel et al., arXiv 2104.08718, with a held-out judge and without the prefix "A photo
    depicts", which belongs to one encoder.
    """
    check_judge(judge, made_by)
    cosines = _cosines(judge, images, captions)
    return [WEIGHT * max(value, 0.0) for value in cosines.tolist()]


def ref_clip_score(
    judge: Encoder,
    images: Float[Tensor, "b 3 h w"],
    captions: Sequence[str],
    references: Sequence[Sequence[str]],
    made_by: Sequence[HasFamily],
) -> list[float]:
    """RefCLIPScore: the harmonic mean of CLIPScore and the best cosine with a reference."""
    _check_counts(captions, references)
    scores = clip_score(judge, images, captions, made_by)
    found = []
    for score, caption, several in zip(scores, captions, references, strict=True):
        own, *others = _text_vectors(judge, [caption, *several])
        best = max(0.0, *(float(own @ other) for other in others))
        found.append(2 * score * best / (score + best) if score + best > 0 else 0.0)
    return found


def cider_d(captions: Sequence[str], references: Sequence[Sequence[str]]) -> list[float]:
    """CIDEr-D of each caption, with document frequencies of these references.

    Source: Vedantam et al., arXiv 1411.5726, equation 5: n-grams of 1 to 4 words, sigma 6.
    """
    _check_counts(captions, references)
    texts = [[_grams(words_of(text)) for text in several] for several in references]
    documents: Counter[tuple[str, ...]] = Counter()
    for grams in texts:
        documents.update({gram for text in grams for size in text for gram in size})
    total = math.log(max(1, len(references)))

    def weigh(sizes: list[Grams]) -> list[dict[tuple[str, ...], float]]:
        return [
            {gram: n * (total - math.log(max(1, documents[gram]))) for gram, n in size.items()}
            for size in sizes
        ]

    scores = []
    for caption, several in zip(captions, references, strict=True):
        words = words_of(caption)
        own = weigh(_grams(words))
        each = [
            _similarity(own, weigh(_grams(words_of(text))), len(words) - len(words_of(text)))
            for text in several
        ]
        scores.append(FACTOR * sum(each) / len(each))
    return scores


def _similarity(
    own: list[dict[tuple[str, ...], float]],
    other: list[dict[tuple[str, ...], float]],
    longer: int,
) -> float:
    """The mean over n of the clipped cosine, times the penalty of the difference of lengths."""
    total = 0.0
    for one, two in zip(own, other, strict=True):
        norms = math.sqrt(sum(x * x for x in one.values()) * sum(x * x for x in two.values()))
        product = sum(min(x, two[gram]) * two[gram] for gram, x in one.items() if gram in two)
        total += product / norms if norms > 0 else 0.0
    return total / LONGEST * math.exp(-(longer**2) / (2 * SIGMA**2))


def bleu(captions: Sequence[str], references: Sequence[Sequence[str]], longest: int = 4) -> float:
    """Corpus BLEU with n-grams of up to `longest` words, without smoothing, in [0, 1].

    Source: Papineni et al., ACL 2002.
    """
    _check_counts(captions, references)
    matched, possible = [0] * longest, [0] * longest
    length = reference_length = 0
    for caption, several in zip(captions, references, strict=True):
        words, texts = words_of(caption), [words_of(text) for text in several]
        length += len(words)
        reference_length += min((abs(len(t) - len(words)), len(t)) for t in texts)[1]
        for n in range(1, longest + 1):
            own = _counts(words, n)
            limits: Grams = Counter()
            for text in texts:
                limits |= _counts(text, n)
            matched[n - 1] += sum((own & limits).values())
            possible[n - 1] += sum(own.values())
    if not all(matched):
        return 0.0
    mean = sum(math.log(m / p) for m, p in zip(matched, possible, strict=True)) / longest
    return math.exp(mean + min(0.0, 1 - reference_length / length))


def distinct(captions: Iterable[str], n: int) -> float:
    """The share of different ones among all n-grams of the captions."""
    found: Grams = Counter()
    for caption in captions:
        found += _counts(words_of(caption), n)
    return len(found) / max(1, sum(found.values()))


def hallucinated(nouns: Sequence[Iterable[str]], true: Sequence[Iterable[str]]) -> float:
    """The share of nouns of all captions that are not true of their image.

    Args:
        nouns: of each caption.
        true: nouns that are true of each image.
    """
    _check_counts(nouns, true)
    pairs = [(list(own), set(known)) for own, known in zip(nouns, true, strict=True)]
    wrong = sum(noun not in known for own, known in pairs for noun in own)
    return wrong / max(1, sum(len(own) for own, _ in pairs))


def _grams(words: list[str]) -> list[Grams]:
    return [_counts(words, n) for n in range(1, LONGEST + 1)]


def _counts(words: list[str], n: int) -> Grams:
    return Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))


def _cosines(
    judge: Encoder, images: Float[Tensor, "b 3 h w"], captions: Sequence[str]
) -> Float[Tensor, "b"]:
    if len(images) != len(captions):
        raise InputError(f"expected one caption per image, got {len(captions)} for {len(images)}")
    return (embed_images(judge, images) * _text_vectors(judge, captions)).sum(-1)


@torch.no_grad()
def _text_vectors(judge: Encoder, texts: Sequence[str]) -> Float[Tensor, "b d"]:
    return judge.encode_text([legible(judge, text) for text in texts])


def _check_counts(captions: Sequence[object], references: Sequence[object]) -> None:
    if len(captions) != len(references):
        raise InputError(
            f"expected references for each of {len(captions)} captions, got {len(references)}"
        )
    for several in references:
        if isinstance(several, str) or not list(several):  # type: ignore[call-overload]
            raise InputError("expected a list of at least one reference for each caption")
