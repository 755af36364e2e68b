"""Retrieval: the motions of a bank whose labels are closest to a prompt.

The score of a motion has two parts: how many of the prompt's words, weighted by how rare they are,
the best of its phrases has (stems and synonyms count), and the similarity of text embeddings.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor

from guidance.encoders.base import Encoder
from guidance.errors import InputError
from guidance.motion.bank import Bank, load_bank
from guidance.motion.words.sentences import action_part
from guidance.motion.words.stems import stems_of
from guidance.motion.words.synonyms import SYNONYMS

#: Weights: of a synonym against the word itself, of words of the person, of embeddings, of a
#: label against a paraphrase, of all phrases together, and of words of labels. Chosen on
#: benchmarks/motions.txt.
SYNONYM, PERSON, EMBEDDING, LABEL, ALL, VERB = 0.6, 0.1, 0.08, 1.05, 0.25, 1.5
#: Temperature of the confidence.
SHARPNESS = 12.0
#: Longest prompt in characters.
LONGEST = 1000


@dataclass(frozen=True)
class Match:
    """A motion that was found.

    `score` is at most about 2; `confidence` is from 0 to 1, over all motions of the bank.
    """

    name: str
    score: float
    confidence: float


@dataclass(frozen=True)
class _Index:
    """Stems of all phrases, with their weights."""

    names: tuple[str, ...]
    phrases: tuple[tuple[frozenset[str], ...], ...]
    weights: dict[str, float]
    verbs: frozenset[str]  # words of labels


@lru_cache(maxsize=4)
def _index(phrases: tuple[tuple[str, tuple[str, ...]], ...]) -> _Index:
    stems = tuple(tuple(frozenset(stems_of(text)) for text in texts) for _, texts in phrases)
    clips = Counter(word for each in stems for word in frozenset().union(*each))
    weights = {word: math.log(1 + len(stems) / count) for word, count in clips.items()}
    verbs = frozenset().union(*(each[0] for each in stems if each))
    return _Index(tuple(name for name, _ in phrases), stems, weights, verbs)


def retrieve(
    prompt: str,
    bank: Bank | None = None,
    *,
    encoder: Encoder | None = None,
    seed: int = 0,
    count: int | None = None,
) -> list[Match]:
    """All motions of a bank, or the `count` best, from the best to the worst.

    Args:
        bank: by default the one that is included.
        encoder: whose text embeddings are compared too; without it, only words count.
        seed: decides between equal scores.

    Raises:
        InputError: an empty prompt, or an empty bank.
    """
    bank = bank or load_bank()
    if not prompt.strip() or len(prompt) > LONGEST:
        raise InputError(f"a prompt of a motion has 1 to {LONGEST} characters; got {len(prompt)}")
    if not bank.labels:
        raise InputError(f"{bank.where or 'the bank'}: has no motions")
    scores = lexical_scores(prompt, bank)
    if encoder is not None:
        scores = scores + EMBEDDING * embedding_scores(prompt, bank, encoder)
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(scores), generator=generator)
    order = order[scores[order].sort(descending=True, stable=True).indices]
    confidence = (scores * SHARPNESS).softmax(0)
    names = list(bank.labels)
    return [Match(names[i], float(scores[i]), float(confidence[i])) for i in order[:count].tolist()]


def lexical_scores(prompt: str, bank: Bank) -> Float[Tensor, "n"]:
    """How well words agree, for each motion of the bank; from 0 to about 1.5."""
    index = _index(tuple((name, clip.phrases) for name, clip in bank.labels.items()))
    action, person = action_part(prompt)
    wanted = Counter(stems_of(" ".join(action)))
    given = dict.fromkeys(wanted, 1.0)
    for word in stems_of(" ".join(person)):
        given.setdefault(word, PERSON)
    rare = math.log(1 + len(index.names))
    weights = {word: part * _weight(index, word, rare) for word, part in given.items()}
    total = sum(weights.values()) or 1.0
    scores = [_best(weights, phrases, index.weights, rare) / total for phrases in index.phrases]
    return torch.tensor(scores, dtype=torch.float32)


def _weight(index: _Index, word: str, rare: float) -> float:
    """How rare a word is; a word that no phrase has counts as much as its rarest synonym."""
    others = SYNONYMS.get(word, frozenset())
    known_verb = VERB if word in index.verbs or others & index.verbs else 1
    if word in index.weights:
        return index.weights[word] * known_verb
    known = [index.weights[other] for other in others if other in index.weights]
    return max(known, default=0.3 * rare) * known_verb


def _best(
    wanted: dict[str, float],
    phrases: Sequence[frozenset[str]],
    rarity: dict[str, float],
    rare: float,
) -> float:
    """The best agreement with a phrase, and a part of the agreement with all of them."""
    best, together = 0.0, dict.fromkeys(wanted, 0.0)
    for number, phrase in enumerate(phrases):
        found = 0.0
        for word, weight in wanted.items():
            part = (
                1.0 if word in phrase else SYNONYM * bool(SYNONYMS.get(word, frozenset()) & phrase)
            )
            together[word] += part
            found += weight * part
        own = sum(rarity.get(word, rare) for word in phrase) or 1.0
        # Words of the phrase that the prompt lacks make it less specific.
        agreement = found * (0.7 + 0.3 * min(1.0, found / own))
        best = max(best, agreement * (LABEL if number == 0 else 1.0))
    spread = sum(wanted[word] * min(1.0, together[word] / 4) for word in wanted)
    return best + ALL * spread


def embedding_scores(prompt: str, bank: Bank, encoder: Encoder) -> Float[Tensor, "n"]:
    """Similarity of the prompt to the phrases of each motion: 1 for the best, 0 on average."""
    texts = [clip.phrases for clip in bank.labels.values()]
    action = " ".join(action_part(prompt)[0])
    vectors = encoder.encode_text([action, *(text for each in texts for text in each)]).cpu()
    similarity = vectors[1:] @ vectors[0]
    lengths = [len(phrases) for phrases in texts]
    parts = torch.split(similarity, lengths)
    found = torch.stack([part.topk(min(2, len(part))).values.mean() for part in parts])
    found = found - found.mean()
    return found / found.max().clamp_min(1e-6)
