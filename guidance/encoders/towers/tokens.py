"""Texts to tokens, by the tokenizer that a model was trained with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jaxtyping import Int
from torch import Tensor

from guidance.errors import InputError
from guidance.models.store import Repository, hub_folder

#: Texts to rows of tokens, filled up to the length that the model reads.
Tokenizer = Callable[[list[str]], Tensor]


def load_tokenizer(folder: Path | None, config: Mapping[str, Any], name: str = "") -> Tokenizer:
    """The tokenizer of a model's `text_cfg`; its files are looked for on this machine only.

    Args:
        folder: the model's folder, which may hold the tokenizer's files too.
        config: open_clip's `text_cfg`.
        name: the model's, for messages.

    Raises:
        MissingWeights: the tokenizer's files are not here.
        InputError: a library that it needs is not installed.
    """
    from open_clip.tokenizer import HFTokenizer, SimpleTokenizer

    length = config.get("context_length", 77)  # CLIP's
    options = config.get("tokenizer_kwargs") or {}
    if not config.get("hf_tokenizer_name"):
        return _Checked(SimpleTokenizer(context_length=length, **options), length)
    if folder is None or not (folder / "tokenizer_config.json").is_file():
        folder = hub_folder(Repository.parse(config["hf_tokenizer_name"]), name)
    try:
        tokenizer = HFTokenizer(
            str(folder),
            context_length=length,
            tokenizer_mode=config.get("tokenizer_mode"),
            **options,
        )
    except ImportError as error:
        raise InputError(
            f"{name}: its tokenizer needs {error.name}; pip install transformers sentencepiece"
        ) from None
    return _Checked(tokenizer, length)


class _Checked:
    """Refuses texts that the model would cut off without a word."""

    def __init__(self, tokenizer: Any, length: int) -> None:
        self._tokenizer, self._length = tokenizer, length

    def __call__(self, texts: list[str]) -> Int[Tensor, "b t"]:
        # Read with room to spare: a text that reaches into the room does not fit. The last token
        # is left out of the comparison, some tokenizers always put one there.
        longer = self._tokenizer(["", *texts], context_length=2 * self._length)
        room = longer[:, self._length : -1]
        for text, tokens in zip(texts, room[1:], strict=True):
            if (tokens != room[0]).any():
                raise InputError(
                    f"prompt {text[:40]!r}...: is longer than the {self._length} tokens that the "
                    "model reads; shorten it"
                )
        rows: Int[Tensor, "b t"] = self._tokenizer(texts)
        return rows
