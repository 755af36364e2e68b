"""Tokenizers of image-text models."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from guidance.encoders.files.library import import_open_clip
from guidance.errors import InputError
from guidance.models import clip_tokens
from guidance.models.foreign.libraries import library_errors
from guidance.models.store import Repository, hub_folder

#: Converts texts to rows of tokens, padded to the model's context length.
Tokenizer = Callable[[list[str]], Tensor]


def load_tokenizer(folder: Path | None, config: Mapping[str, Any], name: str = "") -> Tokenizer:
    """The tokenizer of a model's `text_cfg`, from files on this machine.

    Args:
        folder: the model's folder, which may also contain the tokenizer's files.
        config: open_clip's `text_cfg`.
        name: the model's name, for messages.

    Raises:
        MissingWeights: the tokenizer's files are not on this machine.
        InputError: a library that the tokenizer needs is not installed.
    """
    length = config.get("context_length", 77)  # CLIP's
    options = dict(config.get("tokenizer_kwargs") or {})
    clean = options.pop("clean", None)
    cleaning = {"clean": clean} if clean else {}
    if not config.get("hf_tokenizer_name"):
        if options:
            raise InputError(
                f"{name}: tokenizer_kwargs {', '.join(options)} belong to tokenizers of "
                "transformers, but there is no hf_tokenizer_name; remove them"
            )
        if not clean:
            return _Checked(tokenize_texts, length)
        from open_clip.tokenizer import SimpleTokenizer

        return _Checked(SimpleTokenizer(**cleaning), length)
    if folder is None or not (folder / "tokenizer_config.json").is_file():
        folder = hub_folder(Repository.parse(config["hf_tokenizer_name"]), name)
    from open_clip.tokenizer import HFTokenizer

    from guidance.models.foreign.tokenizers import check_tokenizer

    check_tokenizer(folder)
    try:
        with library_errors(folder, "has no tokenizer that can be read"):
            tokenizer = HFTokenizer(
                str(folder),
                context_length=length,
                tokenizer_mode=config.get("tokenizer_mode"),
                strip_sep_token=options.get("strip_sep_token", False),
                language=options.get("language"),
                config=_class_hint(folder),
                trust_remote_code=False,
                local_files_only=True,
                **cleaning,
            )
            return _Checked(tokenizer, length)
    except InputError as error:
        if isinstance(error.__cause__, ImportError):
            raise InputError(
                f"{name}: its tokenizer needs a library that is not installed; run: "
                "pip install transformers sentencepiece"
            ) from None
        raise


def tokenize_texts(texts: list[str], context_length: int) -> Int[Tensor, "b t"]:
    """CLIP's tokens, truncated; open_clip is imported only for texts that need it."""
    if not all(map(clip_tokens.can_tokenize, texts)):
        import_open_clip()
        from open_clip.tokenizer import tokenize

        theirs: Tensor = tokenize(texts, context_length)
        return theirs
    rows = torch.zeros(len(texts), context_length, dtype=torch.long)
    for row, text in zip(rows, texts, strict=True):
        tokens = clip_tokens.tokenize(text)[:context_length]
        row[: len(tokens)] = torch.tensor(tokens)
        if len(tokens) == context_length:
            row[-1] = clip_tokens.END
    return rows


def _class_hint(folder: Path) -> Any:
    """An empty configuration of the model's type: transformers chooses the tokenizer by it.

    Without it, transformers would read `config.json` itself.
    """
    from transformers import AutoConfig, PretrainedConfig

    from guidance.models.foreign.tokenizers import tokenizer_model_type

    kind = tokenizer_model_type(folder)
    return AutoConfig.for_model(kind) if kind else PretrainedConfig()


class TextTooLong(InputError):
    """A text has more tokens than the model accepts."""


class _Checked:
    """A tokenizer that refuses texts which the model would truncate silently."""

    def __init__(self, tokenizer: Any, length: int) -> None:
        self._tokenizer, self._length = tokenizer, length

    def __call__(self, texts: list[str]) -> Int[Tensor, "b t"]:
        for text, fits in zip(texts, self._fit(texts), strict=True):
            if not fits:
                raise TextTooLong(
                    f"prompt {text[:40]!r}...: is longer than the {self._length} tokens that the "
                    f"model accepts: the words from {self._first_excess(text)!r} on do not fit; "
                    "shorten it"
                )
        rows: Int[Tensor, "b t"] = self._tokenizer(texts, context_length=self._length)
        return rows

    def _fit(self, texts: list[str]) -> list[bool]:
        """Whether each text fits.

        Texts are tokenized to twice the length: one with tokens in the second half is too long. The
        last token is not compared, because some tokenizers always end with a special one.
        """
        longer = self._tokenizer(["", *texts], context_length=2 * self._length)
        excess = longer[:, self._length : -1]
        return [not bool((tokens != excess[0]).any()) for tokens in excess[1:]]

    def _first_excess(self, text: str) -> str:
        """The first words that do not fit."""
        start = fitting_start(text, lambda start: self._fit([start])[0])
        return " ".join(text[len(start) :].split()[:3])[:40]


def fitting_start(text: str, fits: Callable[[str], bool]) -> str:
    """The longest start of a text that fits, which ends with a whole word if it has any.

    Args:
        fits: whether a start of the text fits; all that are shorter than one that fits also do.
    """
    if fits(text):
        return text
    count = bisect_left(range(1, len(text)), True, key=lambda count: not fits(text[:count]))
    words = text[:count] if text[count].isspace() else text[:count].rpartition(" ")[0]
    return words.rstrip() or text[:count]
