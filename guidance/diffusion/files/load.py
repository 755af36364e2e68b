"""Networks, text encoders and tokenizers of a diffusion model, from checked files.

Each is first built on torch's meta device, without memory, and compared with the headers of its
files; then diffusers or transformers load it, and report the tensors that they did not find.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from guidance.diffusion.parts.quiet import quiet
from guidance.errors import InputError
from guidance.models.denoisers import choose_weights
from guidance.models.foreign.configuration import read_json
from guidance.models.foreign.diffusers import read_network
from guidance.models.foreign.fitting import check_layers, check_loaded, check_size
from guidance.models.foreign.libraries import library_errors
from guidance.models.foreign.places import check_places
from guidance.models.foreign.tensors import Stored, check_finite, read_headers
from guidance.models.foreign.text_encoders import read_text_encoder
from guidance.models.foreign.tokenizers import check_tokenizer

#: The `model_type` of the text encoders that pipelines name.
TYPES = {
    "CLIPTextModel": "clip_text_model",
    "CLIPTextModelWithProjection": "clip_text_model",
    "T5EncoderModel": "t5",
}


def load_network(kind: str, folder: Path, dtype: torch.dtype) -> nn.Module:
    """A network or an autoencoder of diffusers.

    Args:
        kind: its class, a key of `guidance.models.foreign.diffusers.KINDS`.
        folder: with its configuration and weights.
        dtype: the precision that its weights are converted to.

    Raises:
        InputError: the configuration or the weights are not supported, damaged or incomplete.
    """
    import diffusers

    network: Any = getattr(diffusers, kind)
    config = folder / "config.json"
    found = read_network(config, kind)
    variant, files, header = _weights(folder)
    check_layers(_blocks(found), header, config)
    _check_positions(found, header, config)
    problem = f"is not a {kind} that diffusers can build"
    with library_errors(config, problem), torch.device("meta"):
        skeleton = network.from_config(found)
    check_size(skeleton, header, folder, config)
    check_finite(files)
    return _loaded(network, folder, config, {"dtype": dtype, "variant": variant})


def load_text_encoder(kind: str, folder: Path, dtype: torch.dtype) -> nn.Module:
    """A text encoder of transformers; see `load_network`.

    Args:
        kind: its class, a key of `TYPES`.
        folder: with its configuration and weights.
        dtype: the precision that its weights are converted to.

    Raises:
        InputError: the configuration or the weights are not supported, damaged or incomplete.
    """
    import transformers

    encoder: Any = getattr(transformers, kind)
    path = folder / "config.json"
    found = read_text_encoder(path, TYPES[kind])
    variant, files, header = _weights(folder)
    layers = found.get("num_hidden_layers") or found.get("num_layers", 0)
    check_layers(layers, header, path)
    problem = f"is not a {kind} that transformers can build"
    with library_errors(path, problem):
        config = transformers.AutoConfig.for_model(**found)
        with torch.device("meta"):
            skeleton = encoder(config)
    check_size(skeleton, header, folder, path)
    check_finite(files)
    options = {"dtype": dtype, "variant": variant, "config": config, "trust_remote_code": False}
    return _loaded(encoder, folder, path, options)


def _loaded(kind: Any, folder: Path, config: Path, options: dict[str, Any]) -> nn.Module:
    """A model of diffusers or transformers from its checked folder, and from nowhere else.

    Args:
        kind: its class.
        config: its configuration, for messages.
        options: further arguments of `from_pretrained`.
    """
    with quiet(), library_errors(folder):
        module, info = kind.from_pretrained(
            folder,
            local_files_only=True,
            use_safetensors=True,
            output_loading_info=True,
            **options,
        )
    check_loaded(info, folder, config)
    assert isinstance(module, nn.Module)
    return module


def load_tokenizer(kind: str, folder: Path, encoder: Any) -> Any:
    """A tokenizer of transformers.

    Args:
        kind: its class.
        folder: with its files.
        encoder: the text encoder that takes its tokens.

    Raises:
        InputError: the files are not supported, or the encoder does not know all tokens.
    """
    import transformers

    if not folder.is_dir():
        raise InputError(f"{folder}: is missing; fetch the model again")
    check_tokenizer(folder)
    with quiet(), library_errors(folder, "has no tokenizer that can be read"):
        tokenizer = getattr(transformers, kind).from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
        tokens, embedded = len(tokenizer), encoder.get_input_embeddings().num_embeddings
    if tokens > embedded:
        raise InputError(
            f"{folder}: has {tokens} tokens, but the text encoder has {embedded}; they do not "
            "belong together"
        )
    length = getattr(encoder.config, "max_position_embeddings", None)
    if length is not None and tokenizer.model_max_length > length:
        raise InputError(
            f"{folder / 'tokenizer_config.json'}: model_max_length is "
            f"{tokenizer.model_max_length:g}, but the text encoder accepts {length} tokens"
        )
    return tokenizer


def _weights(folder: Path) -> tuple[str | None, list[Path], dict[str, Stored]]:
    """The variant, the files and the tensors of a part."""
    check_places(folder)
    variant, names = choose_weights([path.name for path in folder.iterdir()], prefer_half=False)
    for path in folder.glob("*.index*.json"):
        stored = read_json(path)
        shards = stored.get("weight_map") if isinstance(stored, dict) else None
        names_in = list(shards.values()) if isinstance(shards, dict) else [None]
        if not all(isinstance(name, str) and Path(name).name == name for name in names_in):
            raise InputError(f"{path}: expected the names of files in the same folder")
    files = [folder / name for name in names]
    return variant, files, read_headers(files)


def _blocks(found: Mapping[str, Any]) -> int:
    """A number of blocks of layers that the network has at least."""
    blocks = found.get("num_layers", 0) + found.get("num_single_layers", 0)
    for key in ("num_encoder_blocks", "num_decoder_blocks"):
        blocks += sum(found.get(key, ()))
    levels = len(found.get("down_block_types", ()))
    layers = found.get("layers_per_block", 1)
    layers = layers if isinstance(layers, list) else [layers] * levels
    inner = found.get("transformer_layers_per_block", 1)
    inner = inner if isinstance(inner, list) else [inner] * levels
    for count, each in zip(layers, inner, strict=False):
        blocks += sum(each) if isinstance(each, list) else count * max(each, 1)
    return int(blocks)


def _check_positions(found: Mapping[str, Any], header: Mapping[str, Stored], config: Path) -> None:
    """Checks the table of positions of SD3, which is computed when the network is built."""
    if "pos_embed_max_size" not in found:
        return
    width = found.get("num_attention_heads", 18) * found.get("attention_head_dim", 64)
    size = found["pos_embed_max_size"] ** 2 * width
    if size > sum(stored.count for stored in header.values()):
        raise InputError(f"{config}: pos_embed_max_size is too large for the weights beside it")
