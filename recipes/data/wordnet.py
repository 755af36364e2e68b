"""Broader nouns of a name by WordNet: "red apple" is a fruit, a food and a plant part."""

from __future__ import annotations

import re
from pathlib import Path

SENSES = 1  # of a noun, the most frequent one
STEPS = 7  # of hypernyms above it
#: Where the head noun of a name ends.
REST = re.compile(r"\s+(?:with|of|in|on|showing|and|facing|without|from|over)\s.*$|[:,(].*$")


class WordNet:
    """The nouns of WordNet 3.0.

    Args:
        folder: with `index.noun` and `data.noun`.
    """

    def __init__(self, folder: Path) -> None:
        self._senses: dict[str, list[str]] = {}
        for line in (folder / "index.noun").read_text(encoding="latin-1").splitlines():
            if not line.startswith("  "):
                parts = line.split()
                count = int(parts[2])
                self._senses[parts[0]] = parts[-count:][:SENSES]
        self._words: dict[str, list[str]] = {}
        self._above: dict[str, list[str]] = {}
        for line in (folder / "data.noun").read_text(encoding="latin-1").splitlines():
            if not line.startswith("  "):
                self._read(line.partition(" | ")[0].split())

    def _read(self, parts: list[str]) -> None:
        count = int(parts[3], 16)
        self._words[parts[0]] = [word.replace("_", " ") for word in parts[4 : 4 + 2 * count : 2]]
        pointers = parts[5 + 2 * count :]
        self._above[parts[0]] = [
            pointers[i + 1] for i in range(0, len(pointers), 4) if pointers[i] in ("@", "@i")
        ]

    def broader(self, name: str) -> list[str]:
        """Hypernyms of a name's head noun, from near to far."""
        words = REST.sub("", name.lower()).split()
        for start in range(len(words)):
            lemma = "_".join(words[start:])
            single = next((w for w in _singular(lemma) if w in self._senses), None)
            if single is not None:
                return self._closure(self._senses[single])
        return []

    def _closure(self, level: list[str]) -> list[str]:
        found: list[str] = []
        for _ in range(STEPS):
            level = [above for synset in level for above in self._above.get(synset, [])]
            found += [word for synset in level for word in self._words[synset]]
        return list(dict.fromkeys(found))


def _singular(lemma: str) -> list[str]:
    """A noun and its possible singulars by the regular endings."""
    endings = (("ies", "y"), ("es", ""), ("s", ""))
    return [lemma, *(lemma.removesuffix(e) + to for e, to in endings if lemma.endswith(e))]
