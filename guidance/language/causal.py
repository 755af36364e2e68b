"""A frozen causal language model with its tokenizer and its key-value cache."""

from __future__ import annotations

import inspect
import re
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from guidance.errors import InputError
from guidance.language.files import MINI, language_folder, load_model, load_tokenizer

#: Keys and values of one layer.
Layer = tuple[Tensor, Tensor]
#: The most tokens that finish a word.
LONGEST = 4
#: Texts that no caption contains.
UNWANTED = re.compile(r"[^\w '’,.-]|_|\d{3}|\n")


class LanguageModel:
    """A causal language model that reads and extends texts.

    Args:
        model: a causal model of transformers, frozen.
        tokenizer: a `tokenizers.Tokenizer`.
        name: the name for messages.
    """

    def __init__(self, model: Any, tokenizer: Any, name: str) -> None:
        self.model, self.tokenizer, self.name = model, tokenizer, name
        self.tokens = int(model.get_input_embeddings().weight.shape[0])
        self.device = model.get_input_embeddings().weight.device

    @classmethod
    def load(cls, name: str = MINI, device: str | torch.device = "cpu") -> LanguageModel:
        """Loads "mini-lm", a folder, "local-dir:PATH" or "hf-hub:org/repository"; never downloads.

        Raises:
            InputError: the files are not supported, damaged or incomplete.
            MissingWeights: the model is not on this machine.
        """
        folder = language_folder(name)
        model = load_model(folder, device)
        tokens = int(model.get_input_embeddings().weight.shape[0])
        return cls(model, load_tokenizer(folder, tokens), name)

    @property
    def context_length(self) -> int:
        """The most tokens that the model reads."""
        return int(getattr(self.model.config, "max_position_embeddings", 1024))

    @property
    def end(self) -> int:
        """The token that ends a text, and starts one where the model has no other for that.

        Raises:
            InputError: the configuration names none.
        """
        found = self.model.config.eos_token_id
        found = found[0] if isinstance(found, list) and found else found
        if not isinstance(found, int) or not 0 <= found < self.tokens:
            raise InputError(f"{self.name}: config.json has no eos_token_id of its {self.tokens}")
        return found

    @property
    def start(self) -> int:
        """The token before a text."""
        found = self.model.config.bos_token_id
        return found if isinstance(found, int) and 0 <= found < self.tokens else self.end

    def read(self, text: str) -> list[int]:
        """The tokens of a text, without special tokens."""
        return list(self.tokenizer.encode(text, add_special_tokens=False).ids)

    def write(self, tokens: list[int]) -> str:
        """The text of tokens, without special tokens and spaces at its ends."""
        return str(self.tokenizer.decode(tokens, skip_special_tokens=True)).strip()

    @cached_property
    def forbidden(self) -> Bool[Tensor, "tokens"]:
        """Tokens that no caption contains, by their text: special ones, symbols, long numbers.

        The token that ends a text is allowed.
        """
        found = torch.ones(self.tokens, dtype=torch.bool)
        special = set(getattr(self.tokenizer, "get_added_tokens_decoder", dict)())
        for token in range(min(self.tokens, self.tokenizer.get_vocab_size())):
            text = self.tokenizer.decode([token], skip_special_tokens=False)
            bad = token in special or not text or UNWANTED.search(text) is not None
            found[token] = bad
        found[self.end] = False
        return found.to(self.device)

    @cached_property
    def _argument(self) -> str:
        """The name of the cache among the arguments; transformers 5.24 renames it."""
        names = inspect.signature(self.model.forward).parameters
        return "cache" if "cache" in names else "past_key_values"

    def embed(self, tokens: Int[Tensor, "n t"]) -> Float[Tensor, "n t width"]:
        """The input embeddings of tokens."""
        return self.model.get_input_embeddings()(tokens)  # type: ignore[no-any-return]

    @torch.no_grad()
    def after(self, embedded: Float[Tensor, "n t width"]) -> Float[Tensor, "n tokens"]:
        """Logits of the token after a sequence of input embeddings."""
        found = self.model(inputs_embeds=embedded, use_cache=False)
        return found.logits[:, -1].float()  # type: ignore[no-any-return]

    def cache(self, tokens: Int[Tensor, "n t"]) -> list[Layer]:
        """Keys and values `[n, heads, t, d]` of all layers for these tokens, without gradient."""
        from transformers import DynamicCache

        cache = DynamicCache(config=self.model.config)
        with torch.no_grad():
            self.model(input_ids=tokens, use_cache=True, **{self._argument: cache})
        return [(layer.keys, layer.values) for layer in cache.layers]

    @cached_property
    def starts_word(self) -> Bool[Tensor, "tokens"]:
        """Tokens that do not continue the word before them; the end is one of them."""
        found = torch.ones(self.tokens, dtype=torch.bool)
        for token in range(min(self.tokens, self.tokenizer.get_vocab_size())):
            piece = self.tokenizer.id_to_token(token) or ""
            found[token] = not piece[:1].isalnum() or token == self.end
        return found.to(self.device)

    @torch.no_grad()
    def finish_words(
        self, tokens: Int[Tensor, "n"], past: list[Layer], allowed: Bool[Tensor, "tokens"]
    ) -> list[list[int]]:
        """The tokens that most probably finish the word of each token: none, or up to `LONGEST`.

        Args:
            tokens: the last token of each text.
            past: keys and values of the tokens before it.
            allowed: tokens that may follow.
        """
        from transformers import DynamicCache

        cache = DynamicCache(ddp_cache_data=past, config=self.model.config)
        found: list[list[int]] = [[] for _ in tokens]
        going = torch.ones_like(tokens, dtype=torch.bool)
        for _ in range(LONGEST):
            given = {"input_ids": tokens[:, None], "use_cache": True, self._argument: cache}
            logits = self.model(**given).logits[:, -1].masked_fill(~allowed, -torch.inf)
            tokens = logits.argmax(-1)
            going &= ~self.starts_word[tokens]
            if not bool(going.any()):
                break
            for row in going.nonzero()[:, 0].tolist():
                found[row].append(int(tokens[row]))
        return found

    def next(self, last: Int[Tensor, "n"], past: list[Layer]) -> Float[Tensor, "n tokens"]:
        """Logits of the token after `last`, which follows the cached tokens.

        Differentiable in the cache.
        """
        from transformers import DynamicCache

        cache = DynamicCache(ddp_cache_data=past, config=self.model.config)
        found = self.model(input_ids=last[:, None], use_cache=True, **{self._argument: cache})
        return found.logits[:, -1].float()  # type: ignore[no-any-return]
