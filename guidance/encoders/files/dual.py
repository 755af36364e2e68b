"""Image-text models of transformers: a folder with `config.json` and safetensors.

CLIP, and dual encoders of a vision transformer and BERT, as MedCLIP-type models are.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from guidance.models.compiler import without_compiler
from guidance.models.foreign.fitting import check_fits, check_layers, without_memory
from guidance.models.foreign.libraries import library_errors
from guidance.models.foreign.tensors import check_tensors, read_header

#: Tensors that older checkpoints hold and no model needs.
UNUSED = "position_ids"
#: The names of ViT's tensors in files, and in recent versions of transformers, in this order.
VIT = {
    "vision_model.encoder.layer.": "vision_model.layers.",
    "attention.attention.query": "attention.q_proj",
    "attention.attention.key": "attention.k_proj",
    "attention.attention.value": "attention.v_proj",
    "attention.output.dense": "attention.o_proj",
    "intermediate.dense": "mlp.fc1",
    "output.dense": "mlp.fc2",
}


class DualImageTower(nn.Module):
    """The vision model and its projection."""

    def __init__(self, model: Any, image_size: int) -> None:
        super().__init__()
        self.tower, self.projection = model.vision_model, model.visual_projection
        self.image_size = image_size

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b d"]:
        projected: Tensor = self.projection(self.tower(pixel_values=images).pooler_output)
        return projected


class DualEncoder(nn.Module):
    """An image-text model with the interface of open_clip's models."""

    def __init__(self, model: Any, image_size: int, padding: int | None) -> None:
        super().__init__()
        self.visual = DualImageTower(model, image_size)
        self.text, self.text_projection = model.text_model, model.text_projection
        self.logit_scale = model.logit_scale
        self.vocab_size = int(model.text_model.config.vocab_size)
        self._padding = padding

    def encode_text(self, tokens: Int[Tensor, "b t"]) -> Float[Tensor, "b d"]:
        """Vectors of texts; padding is masked, except for CLIP, which pools the end of the text."""
        mask = None if self._padding is None else (tokens != self._padding).long()
        pooled = self.text(input_ids=tokens, attention_mask=mask).pooler_output
        projected: Tensor = self.text_projection(pooled)
        return projected


def build_dual(config: Mapping[str, Any], checkpoint: Path) -> DualEncoder:
    """The model with its weights, in float32 on the CPU.

    Args:
        config: of `guidance.models.foreign.dual_encoders.read_dual`.
        checkpoint: its safetensors file.

    Raises:
        InputError: the checkpoint does not hold the tensors of the configuration, or holds NaN.
    """
    from safetensors.torch import load_file

    path = checkpoint.with_name("config.json")
    header = read_header(checkpoint)
    parts = (config["vision_config"], config["text_config"])
    check_layers(sum(part["num_hidden_layers"] for part in parts if part), header, path)
    with library_errors(path, "is not a model that transformers can build"), without_compiler():
        with torch.device("meta"):
            model = _construct(config)
        stored = _renamed(without_memory(header), model)
        expected = {k: x for k, x in model.state_dict().items() if not k.endswith(UNUSED)}
        check_fits(expected, stored, checkpoint, path)
    with library_errors(checkpoint, f"does not match {path}"):
        model = _construct(config)
        tensors = load_file(checkpoint)
        check_tensors(tensors, checkpoint)
        model.load_state_dict(_renamed(tensors, model), strict=False)
    text = config["text_config"]
    padding = None if text["model_type"] == "clip_text_model" else text.get("pad_token_id") or 0
    return DualEncoder(model.eval(), config["vision_config"].get("image_size", 224), padding)


def _renamed(tensors: Mapping[str, Tensor], model: nn.Module) -> dict[str, Tensor]:
    """The tensors of a file under the names of the installed transformers."""
    own = model.state_dict().keys()
    found = {}
    for name, tensor in tensors.items():
        if name.endswith(UNUSED):
            continue
        new = name
        if name not in own and name.startswith("vision_model.encoder.layer."):
            for old, replacement in VIT.items():
                new = new.replace(old, replacement)
        found[new] = tensor
    return found


def _construct(config: Mapping[str, Any]) -> Any:
    """The model without its weights, on the current device."""
    from transformers import AutoConfig, CLIPConfig, CLIPModel, VisionTextDualEncoderModel
    from transformers import VisionTextDualEncoderConfig as DualConfig

    own = {"projection_dim": config.get("projection_dim", 512)}
    vision, text = dict(config["vision_config"]), dict(config["text_config"])
    if config["model_type"] == "clip":
        return CLIPModel(CLIPConfig(text_config=text, vision_config=vision, **own))
    parts = [AutoConfig.for_model(**part) for part in (vision, text)]
    return VisionTextDualEncoderModel(DualConfig.from_vision_text_configs(*parts, **own))
