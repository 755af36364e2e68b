"""CLIP's tokenizer with only the pieces that a list of texts needs, as transformers reads it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

CONTEXT = 32
START, END = "<|startoftext|>", "<|endoftext|>"


def pieces(texts: Iterable[str]) -> tuple[list[str], list[tuple[str, str]]]:
    """The vocabulary and the merges that tokenize these texts as CLIP's tokenizer does.

    All 512 letters stay, so that any other text can be read too, in smaller pieces. The merges of
    a word are found again by its pieces: whatever merge made a piece made its halves before.
    """
    from open_clip.tokenizer import SimpleTokenizer

    whole = SimpleTokenizer()
    made = {"".join(pair): pair for pair in whole.bpe_ranks}
    needed: set[str] = set()
    for text in texts:
        waiting = [whole.decoder[token] for token in whole.encode(text)]
        while waiting:
            piece = waiting.pop()
            if piece in made and piece not in needed:
                needed.add(piece)
                waiting += made[piece]
    merges = [pair for pair in whole.bpe_ranks if "".join(pair) in needed]
    letters = [whole.decoder[i] for i in range(512)]
    return [*letters, *("".join(pair) for pair in merges), START, END], merges


def write(texts: Iterable[str], folder: Path) -> None:
    """Writes `vocab.json` and `merges.txt`."""
    vocabulary, merges = pieces(texts)
    folder.mkdir(parents=True, exist_ok=True)
    numbered = {piece: number for number, piece in enumerate(vocabulary)}
    (folder / "vocab.json").write_text(json.dumps(numbered, ensure_ascii=False))
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n")
