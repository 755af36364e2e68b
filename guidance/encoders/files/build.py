"""Building of an open_clip model from checked files.

The model is first built on torch's meta device, without memory: its tensors must be those of the
checkpoint, and an image and a text must pass through it. Only then is it built with its weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from guidance.encoders.files.dual import build_dual
from guidance.encoders.files.library import import_open_clip
from guidance.encoders.files.source import Source
from guidance.encoders.sound.checkpoint import build_towers
from guidance.encoders.towers.embedded import EmbeddedClip
from guidance.encoders.towers.hugging_face import build_text_tower, text_layers
from guidance.errors import InputError
from guidance.models.compiler import without_compiler
from guidance.models.foreign.fitting import check_fits, check_layers, without_memory
from guidance.models.foreign.libraries import library_errors
from guidance.models.foreign.tensors import check_tensors, read_header
from guidance.models.store import EMBEDDED, Repository, hub_folder

#: Tensors that older checkpoints hold and no model needs.
UNUSED = ("text.transformer.embeddings.position_ids",)

#: What fills a tensor with random numbers.
DRAWS = (
    *(Tensor.normal_, Tensor.uniform_, nn.init.normal_, nn.init.uniform_, nn.init.trunc_normal_),
    *(nn.init.kaiming_uniform_, nn.init.kaiming_normal_, nn.init.xavier_uniform_),
)


def build(source: Source) -> Any:
    """The model with its weights, in float32 on the CPU.

    Raises:
        InputError: the checkpoint does not hold the tensors of the configuration, or holds NaN.
        MissingWeights: the configuration of the text encoder is not on this machine.
    """
    from safetensors.torch import load_file

    if source.name in EMBEDDED:
        with _WithoutDraws():
            embedded = EmbeddedClip(source.config)
        embedded.load_state_dict(load_file(source.checkpoint))
        return embedded
    if dual := source.config.get("dual"):
        return build_dual(dual, source.checkpoint)
    if source.config.get("imagebind"):
        return build_towers(source.checkpoint)
    config_path = source.folder / "open_clip_config.json"
    header = read_header(source.checkpoint)
    text_folder = _text_folder(source)
    check_layers(_layers(source, text_folder), header, config_path)
    _check(source, text_folder, header)
    with library_errors(source.checkpoint, f"does not match {config_path}"):
        with _WithoutDraws():
            model = _construct(source, text_folder)
        tensors = load_file(source.checkpoint)
        check_tensors(tensors, source.checkpoint)
        model.load_state_dict(_renamed(tensors, model))
    return model


def _check(source: Source, text_folder: Path | None, header: Mapping[str, Any]) -> None:
    """Raises InputError if the checkpoint does not fit the configuration, or nothing passes it."""
    path = source.folder / "open_clip_config.json"
    # torch's operators on the meta device mark parts of themselves as not to be compiled.
    with library_errors(path, "is not a model that open_clip can build"), without_compiler():
        with torch.device("meta"), _WithoutDraws():
            skeleton = _construct(source, text_folder).eval()
            stored = _renamed(without_memory(header), skeleton)
        check_fits(skeleton.state_dict(), stored, source.checkpoint, path)
        _check_passes(skeleton, source, path)


class _WithoutDraws(TorchFunctionMode):
    """Within it, weights are not drawn: the checkpoint, which contains all of them, follows.

    Drawing takes seconds for large models.
    """

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        given = kwargs or {}
        if function in DRAWS:
            return args[0] if args else given["tensor"]
        return function(*args, **given)


def _construct(source: Source, text_folder: Path | None) -> Any:
    """The model without its weights, on the current device."""
    open_clip = import_open_clip()
    config = dict(source.config)
    vision, text = dict(config["vision_cfg"]), dict(config["text_cfg"])
    if str(vision.get("timm_model_name", "")).startswith("guidance_"):
        from guidance.encoders.towers import mini  # noqa: F401  (registers our towers)
    # The checkpoint contains all weights; otherwise open_clip would load those of the parts.
    vision["timm_model_pretrained"] = text["hf_model_pretrained"] = False
    if text_folder is not None:
        # A placeholder: open_clip would let transformers read the folder unchecked.
        text = {"vocab_size": text.get("vocab_size", 49408), "context_length": 1}
        text |= {"width": 1, "heads": 1, "layers": 1}
    config |= {"vision_cfg": vision, "text_cfg": text}
    custom = config.pop("custom_text", False) or text_folder is not None
    kind = open_clip.CustomTextCLIP if custom else open_clip.CLIP
    if custom and config.get("multimodal_cfg"):
        kind = open_clip.CoCa
    else:
        config.pop("multimodal_cfg", None)
    model = kind(**config)
    if text_folder is not None:
        model.text = build_text_tower(
            text_folder / "config.json", source.config["text_cfg"], config["embed_dim"]
        )
        model.vocab_size = model.text.vocab_size
    return model


def _text_folder(source: Source) -> Path | None:
    """The folder with the configuration of a text encoder of transformers, if there is one."""
    name = source.config["text_cfg"].get("hf_model_name")
    return hub_folder(Repository.parse(name), source.name) if name else None


def _layers(source: Source, text_folder: Path | None) -> int:
    """The number of layers of both towers, as far as the configuration gives it."""
    vision, text = source.config["vision_cfg"], source.config["text_cfg"]
    layers = 0 if vision.get("timm_model_name") else vision.get("layers", 12)
    layers = sum(layers) if isinstance(layers, list) else layers
    if text_folder is not None:
        return int(layers) + text_layers(text_folder / "config.json")
    return int(layers + text.get("layers", 12))


def _renamed(tensors: Mapping[str, Tensor], model: Any) -> dict[str, Tensor]:
    """The tensors of a checkpoint under the names of the current open_clip.

    As open_clip loads checkpoints, except that position embeddings are not interpolated.
    """
    from open_clip.convert import convert_state_dict
    from open_clip.model import convert_to_custom_text_state_dict

    found = dict(tensors)
    if found and next(iter(found)).startswith("module."):  # of a model that ran in parallel
        found = {name.removeprefix("module."): tensor for name, tensor in found.items()}
    found = convert_state_dict(model, found)
    if "positional_embedding" in found and not hasattr(model, "positional_embedding"):
        found = convert_to_custom_text_state_dict(found)
    for name in ("logit_scale", "logit_bias"):
        wanted = getattr(model, name, None)
        if wanted is not None and name in found and found[name].numel() == 1:
            found[name] = found[name].reshape(wanted.shape)
    if getattr(model, "logit_bias", None) is not None and "logit_scale" in found:
        found.setdefault("logit_bias", torch.zeros_like(found["logit_scale"]))
    own = model.state_dict().keys()
    return {name: x for name, x in found.items() if name in own or name not in UNUSED}


def _check_passes(skeleton: Any, source: Source, config: Path) -> None:
    """Passes an image and a text through a model on the meta device, which computes shapes only."""
    sides = skeleton.visual.image_size
    sides = tuple(sides) if isinstance(sides, list | tuple) else (sides, sides)
    width = source.config["embed_dim"]
    image = skeleton.encode_image(torch.empty(1, 3, *sides, device="meta"))
    vectors = {"image": image}
    if not source.config["text_cfg"].get("hf_model_name"):  # those branch on values
        length = source.config["text_cfg"].get("context_length", 77)
        tokens = torch.zeros(1, length, dtype=torch.long, device="meta")
        vectors["text"] = skeleton.encode_text(tokens)
    for tower, vector in vectors.items():
        if tuple(vector.shape) != (1, width):
            raise InputError(
                f"{config}: the {tower} tower gives vectors of shape {list(vector.shape)}, "
                f"expected {[1, width]}"
            )
