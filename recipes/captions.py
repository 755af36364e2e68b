"""The texts of images: templates, articles, contradictions, and the vocabulary."""

from __future__ import annotations

import random as python_random
from collections.abc import Iterable

import torch
from torch import Tensor

from recipes.data.colors import NAMES

# "{}" is the bare caption, "{a}" the caption after its article.
TEMPLATES = (
    "{}",
    "{a}",
    "an image of {a}",
    "a drawing of {a}",
    "a photo of {a}",
    "an icon of {a}",
    "an image of {}",
    "a rendering of {a}",
    "a simple image of {a}",
    "this is {a}",
)
WEIGHTS = (30, 30, 8, 6, 6, 5, 5, 5, 3, 2)

# Words of one group exclude each other: swapping one makes a caption false.
GROUPS: tuple[tuple[str, ...], ...] = (
    NAMES,
    ("plain", "striped", "dotted", "checkered"),
    ("stripes", "dots", "checks"),
    ("circle", "square", "triangle", "star", "heart", "hexagon", "cross", "ring", "diamond"),
    ("cube", "sphere", "cone", "cylinder", "torus", "pyramid", "cow", "monkey", "teapot"),
    ("smiling", "sad", "serious", "surprised"),
    ("short", "long"),
    ("left", "right"),
    ("up", "down"),
    ("man", "woman"),
    ("boy", "girl"),
    ("open", "closed"),
    ("young", "old"),
    ("curly", "straight"),
    ("light", "tan", "dark"),
    ("with", "without"),
    ("two", "three", "four"),
)
_GROUP_OF = {word: group for group in GROUPS for word in group}


def phrase(caption: str, random: python_random.Random) -> str:
    """A caption in a random template, with "a" or "an" where the template asks for it."""
    template = random.choices(TEMPLATES, WEIGHTS)[0]
    article = "an" if caption[:1].lower() in "aeiou" else "a"
    return template.replace("{a}", f"{article} {caption}").replace("{}", caption)


def contradict(caption: str, random: python_random.Random) -> str | None:
    """The caption with one word made false ("red heart" -> "blue heart"), or None."""
    words = caption.split()
    places = [i for i, word in enumerate(words) if word in _GROUP_OF]
    if not places:
        return None
    place = random.choice(places)
    others = [w for w in _GROUP_OF[words[place]] if w not in words]
    if not others:
        return None
    words[place] = random.choice(others)
    return " ".join(words)


class Vocabulary:
    """The tokens that training meets, numbered compactly in the order of CLIP's BPE.

    Only some thousand of the 49,408 rows of the embedding table are ever used. Training holds
    just those; `rows` says where each belongs when the full table is written. The order is kept,
    because open_clip finds the end of a text as its highest token.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        from open_clip.tokenizer import SimpleTokenizer

        self._bpe = SimpleTokenizer()
        self._cache: dict[str, list[int]] = {}
        seen = {0, self._bpe.sot_token_id, self._bpe.eot_token_id}
        for text in texts:
            seen.update(self._bpe.encode(text))
        self.rows = torch.tensor(sorted(seen))
        self._compact = {token: i for i, token in enumerate(self.rows.tolist())}

    def __len__(self) -> int:
        return len(self.rows)

    def tokenize(self, texts: list[str], context_length: int) -> Tensor:
        """Compact tokens `int64 [b, t]`, t the longest of these texts and at most the context.

        The text tower is causal and reads its result at the end token, so the padding that is
        left out changes nothing.
        """
        start, end = 1, 2
        lists = [self._numbers(text)[: context_length - 2] for text in texts]
        tokens = torch.zeros(len(texts), max(map(len, lists)) + 2, dtype=torch.long)
        sot, eot = len(self.rows) - start - 1, len(self.rows) - end + 1
        for i, numbers in enumerate(lists):
            tokens[i, : len(numbers) + 2] = torch.tensor([sot, *numbers, eot])
        return tokens

    def _numbers(self, text: str) -> list[int]:
        if text not in self._cache:
            tokens = self._bpe.encode(text)
            self._cache[text] = [self._compact[t] for t in tokens if t in self._compact]
        return self._cache[text]
