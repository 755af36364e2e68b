"""Configurations of the text encoders of transformers.

A configuration object is built from the known keys alone, so that no other key of the file reaches
the library. The keys that are ignored have no effect on the encoding of a text: they describe how a
model was saved or trained, or how a decoder generates text.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from guidance.errors import InputError
from guidance.models.foreign.configuration import (
    Configuration,
    Epsilon,
    Heads,
    Layers,
    Rate,
    TokenId,
    Vocabulary,
    Width,
    read_json,
)

#: How a model was saved and trained, and how a decoder generates.
IGNORED = frozenset(
    (
        "_attn_implementation_autoset", "_commit_hash", "_name_or_path", "_num_labels",
        "architectures", "dtype", "finetuning_task", "gradient_checkpointing", "id2label",
        "initializer_factor", "initializer_range", "init_std", "is_encoder_decoder", "label2id",
        "language", "n_positions", "num_labels", "output_attentions", "output_hidden_states",
        "output_past", "problem_type", "return_dict", "task_specific_params", "tokenizer_class",
        "torch_dtype", "torchscript", "transformers_version", "use_bfloat16", "use_cache",
        # of BERT's other implementations
        "directionality", "pooler_fc_size", "pooler_num_attention_heads", "pooler_num_fc_layers",
        "pooler_size_per_head", "pooler_type",
        # how a decoder generates
        "add_cross_attention", "bad_words_ids", "begin_suppress_tokens",
        "chunk_size_feed_forward", "cross_attention_hidden_size", "decoder_start_token_id",
        "diversity_penalty", "do_sample", "early_stopping", "encoder_no_repeat_ngram_size",
        "exponential_decay_length_penalty", "forced_bos_token_id", "forced_eos_token_id",
        "is_decoder", "length_penalty", "max_length", "min_length", "no_repeat_ngram_size",
        "num_beam_groups", "num_beams", "num_return_sequences",
        "output_scores", "prefix", "pruned_heads", "remove_invalid_values",
        "repetition_penalty", "return_dict_in_generate", "sep_token_id", "suppress_tokens",
        "temperature", "tf_legacy_loss", "tie_encoder_decoder", "tie_word_embeddings", "top_k",
        "top_p", "typical_p",
    )
)  # fmt: skip
Activation = Literal[
    "gelu", "gelu_fast", "gelu_new", "gelu_python", "gelu_pytorch_tanh", "quick_gelu", "relu",
    "silu", "swish", "tanh",
]  # fmt: skip


class TextEncoder(Configuration):
    """What all text encoders may give."""

    ignored: ClassVar[frozenset[str]] = IGNORED
    #: Both are computed in the same way up to rounding; others are downloaded.
    attn_implementation: Literal["eager", "sdpa"] | None = Field(None, alias="_attn_implementation")
    vocab_size: Vocabulary
    bos_token_id: TokenId | None = None
    eos_token_id: TokenId | None = None
    pad_token_id: TokenId | None = None


class Clip(TextEncoder):
    """CLIP's text encoder."""

    model_type: Literal["clip_text_model"]
    hidden_size: Width
    intermediate_size: Width
    projection_dim: Width = 512
    num_hidden_layers: Layers
    num_attention_heads: Heads
    max_position_embeddings: Width = 77
    hidden_act: Activation = "quick_gelu"
    layer_norm_eps: Epsilon = 1e-5
    attention_dropout: Rate = 0.0
    dropout: Rate = 0.0


class T5(TextEncoder):
    """The encoder of T5 and mT5."""

    model_type: Literal["t5", "mt5"]
    d_model: Width
    d_kv: Width
    d_ff: Width
    num_layers: Layers
    num_decoder_layers: Layers | None = None
    num_heads: Heads
    relative_attention_num_buckets: Annotated[int, Field(ge=2, le=4096)] = 32
    relative_attention_max_distance: Annotated[int, Field(ge=2, le=65_536)] = 128
    dropout_rate: Rate = 0.1
    classifier_dropout: Rate = 0.0
    layer_norm_epsilon: Epsilon = 1e-6
    feed_forward_proj: Literal["relu", "gated-gelu", "gelu", "silu", "gated-silu"] = "relu"
    dense_act_fn: Activation | None = None
    is_gated_act: bool = False


class Bert(TextEncoder):
    """BERT, RoBERTa and XLM-RoBERTa."""

    model_type: Literal["bert", "roberta", "xlm-roberta"]
    hidden_size: Width
    num_hidden_layers: Layers
    num_attention_heads: Heads
    intermediate_size: Width
    hidden_act: Activation = "gelu"
    hidden_dropout_prob: Rate = 0.1
    attention_probs_dropout_prob: Rate = 0.1
    classifier_dropout: Rate | None = None
    max_position_embeddings: Width
    position_embedding_type: Literal["absolute"] = "absolute"
    type_vocab_size: Annotated[int, Field(ge=1, le=1024)] = 2
    layer_norm_eps: Epsilon = 1e-12


class M2M100(TextEncoder):
    """The encoder of M2M-100 and NLLB."""

    model_type: Literal["m2m_100"]
    d_model: Width
    encoder_layers: Layers
    encoder_ffn_dim: Width
    encoder_attention_heads: Heads
    decoder_layers: Layers = 12
    decoder_ffn_dim: Width = 4096
    decoder_attention_heads: Heads = 16
    num_hidden_layers: Layers = 12
    max_position_embeddings: Width = 1024
    activation_function: Activation = "relu"
    encoder_layerdrop: Rate = 0.0
    decoder_layerdrop: Rate = 0.0
    dropout: Rate = 0.1
    attention_dropout: Rate = 0.1
    activation_dropout: Rate = 0.0
    scale_embedding: bool = True


KINDS: dict[str, type[TextEncoder]] = {
    "clip_text_model": Clip,
    "t5": T5,
    "mt5": T5,
    "bert": Bert,
    "roberta": Bert,
    "xlm-roberta": Bert,
    "m2m_100": M2M100,
}
#: Keys that are checked, but not passed on: they follow from others, or have one possible value.
CHECKED_ONLY = (
    "_attn_implementation", "dense_act_fn", "is_gated_act", "position_embedding_type",
)  # fmt: skip


def _defaults(kind: str) -> dict[str, Any]:
    """What the installed transformers takes for the keys that a configuration does not give."""
    from transformers import AutoConfig

    found: dict[str, Any] = AutoConfig.for_model(kind).to_dict()
    return found


def read_text_encoder(path: Path, *kinds: str) -> dict[str, Any]:
    """The known keys of the configuration of a text encoder, with its `model_type`.

    Args:
        path: its `config.json`.
        kinds: the values of `model_type` that are supported here; by default, all of `KINDS`.

    Raises:
        InputError: another kind of model, or a key or value that is not supported.
    """
    stored = read_json(path)
    kind = stored.get("model_type") if isinstance(stored, dict) else None
    if not isinstance(kind, str) or kind not in (kinds or KINDS):
        raise InputError(
            f"{path}: expected model_type {' or '.join(kinds or KINDS)}, got {kind!a:.60}"
        )
    found = KINDS[kind].check(stored, path, _defaults(kind))
    return {key: value for key, value in found.items() if key not in CHECKED_ONLY}
