"""Image-text models of open_clip, from a configuration and a safetensors file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from guidance.encoders.base import Encoder
from guidance.encoders.files.build import build
from guidance.encoders.files.card import Card, read_card
from guidance.encoders.files.library import import_open_clip
from guidance.encoders.files.source import find_source
from guidance.encoders.towers.frozen import choose_attention, speed_up
from guidance.encoders.towers.preprocessing import Preprocessing
from guidance.encoders.towers.tokens import Tokenizer, load_tokenizer
from guidance.errors import InputError
from guidance.models.kept import is_keeping
from guidance.models.precision import dtype_of
from guidance.models.store import EMBEDDED
from guidance.options import Options
from guidance.replayed import Replayed

#: Batch size of the text tower.
TEXT_BATCH = 256
#: Batches of texts that are remembered between runs.
MOST_BATCHES = 16


class OpenClip(Encoder):
    """A frozen open_clip model.

    The image tower runs in `precision`. Preprocessing, the unit vectors and the text tower stay in
    float32. Each text is encoded once and cached.

    Args:
        model: open_clip's CLIP, CustomTextCLIP or CoCa; it is modified and frozen.
        preprocessing: the preprocessing of its image tower.
        card: family, templates and alternatives.
        name: the name for messages.
        tokenizer: converts texts to tokens; by default open_clip's SimpleTokenizer.
        precision: "fp32", "bf16", or "auto"; see `guidance.models.precision`.
    """

    _scale: Float[Tensor, "3 1 1"]
    _shift: Float[Tensor, "3 1 1"]

    @classmethod
    def from_options(cls, options: Options) -> str:
        """The name of the model, which `load_encoder` loads once for each device."""
        return options.kind()

    def __init__(
        self,
        model: nn.Module,
        preprocessing: Preprocessing,
        card: Card,
        name: str,
        *,
        tokenizer: Tokenizer | None = None,
        precision: str = "auto",
    ) -> None:
        super().__init__()
        self.name, self.family = name, card.family or "clip"
        self.templates, self.alternatives = card.templates, card.alternatives
        self.preprocessing, self.image_size = preprocessing, preprocessing.size
        scale, bias = model.logit_scale, getattr(model, "logit_bias", None)
        assert isinstance(scale, Tensor)
        self.logit_scale = float(scale.detach().float().exp())
        self.logit_bias = None if bias is None else float(bias.detach().float())
        model.eval().requires_grad_(False)
        scales, shifts = preprocessing.scale_and_shift()
        self.register_buffer("_scale", scales.to(scale.device), persistent=False)
        self.register_buffer("_shift", shifts.to(scale.device), persistent=False)
        self.visual: nn.Module = model.visual  # type: ignore[assignment]
        model.visual = nn.Identity()
        speed_up(self.visual)
        self._channels_last = sum(isinstance(m, nn.Conv2d) for m in self.visual.modules()) > 1
        self._precision, self._dtype = precision, torch.float32
        self._tokenizer = tokenizer or load_tokenizer(None, {})
        self._replayed: Replayed | None = None
        self._text: nn.Module | None = model
        self._rebuild: Callable[[], nn.Module] | None = None  # from files
        self._vectors: dict[str, Float[Tensor, "d"]] = {}
        self._batches: dict[tuple[str, ...], Float[Tensor, "b d"]] = {}  # see `_encoded`
        self._settle()

    @classmethod
    def load(cls, name: str, device: torch.device, precision: str = "auto") -> OpenClip:
        """Loads a model by a name that `load_encoder` takes, from files on this machine."""
        source = find_source(name)
        if name not in EMBEDDED:
            import_open_clip()
        card = read_card(source.folder)
        tokenizer = load_tokenizer(source.folder, source.config["text_cfg"], source.name)
        model = build(source).to(device)
        size = {"size": model.visual.image_size}
        where = f"{source.name} ({source.folder})"
        preprocessing = Preprocessing.parse(source.preprocessing | size, where)
        preprocessing.check_against(card.preprocessing, str(source.folder / "guidance.json"))
        card = replace(card, family=card.family or source.family)
        encoder = cls(
            model, preprocessing, card, source.name, tokenizer=tokenizer, precision=precision
        )
        encoder._rebuild = lambda: build(source)
        return encoder

    def fit(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 size size"]:
        """Images at the size of the tower."""
        return self.preprocessing.fit(images.float())

    def encode_image(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b d"]:
        """Unit vectors of images in [0, 1] of any size; differentiable in the images."""
        fitted = self._normalized(self.preprocessing.fit(images.float()))
        features = (self._replayed or self._features)(fitted)
        return F.normalize(features.float(), dim=-1)

    def _features(self, fitted: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b d"]:
        features = self.visual(fitted)
        if isinstance(features, tuple):  # towers that also return their tokens
            features = features[0]
        return features  # type: ignore[no-any-return]

    def record_graphs(self) -> None:
        """Replays the image tower as CUDA graphs from now on; changes nothing on other devices.

        Each number of images that occurs often is recorded, with its backward pass; the recordings
        keep the memory of all activations. See `guidance.replayed`.
        """
        self._replayed = Replayed(self._features)

    def image_maps(
        self, images: Float[Tensor, "b 3 h w"]
    ) -> list[Float[Tensor, "b c rows columns"]]:
        """Feature maps of the blocks of the image tower, as open_clip and timm return them."""
        forward_intermediates = getattr(self.visual, "forward_intermediates", None)
        if forward_intermediates is None:
            return super().image_maps(images)
        images = images.float()
        if not any(getattr(module, "any_size", False) for module in self.visual.modules()):
            images = self.preprocessing.fit(images)
        found = forward_intermediates(self._normalized(images), intermediates_only=True)
        return [maps.float() for maps in found["image_intermediates"]]

    def _normalized(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 h w"]:
        """Images with the tower's mean, standard deviation, precision and memory layout."""
        images = torch.addcmul(self._shift, images, self._scale).to(self._dtype)
        if self._channels_last:
            images = images.contiguous(memory_format=torch.channels_last)
        return images

    @torch.no_grad()
    def encode_text(self, texts: list[str]) -> Float[Tensor, "b d"]:
        """Unit vectors of texts.

        Raises:
            InputError: a text has more tokens than the model accepts; or a text is new, the text
                tower was released, and the model was not loaded from files.
        """
        new = [text for text in dict.fromkeys(texts) if text not in self._vectors]
        if new and self._text is None and self._rebuild is not None:
            self._text = self._rebuild().to(self._device()).eval()
        if new and self._text is None:
            raise InputError(
                f"{self.name}: cannot encode {new[0]!r}, because the text tower was released; "
                "encode all texts before free_text_tower()"
            )
        device = self._device()
        for start in range(0, len(new), TEXT_BATCH):
            batch = new[start : start + TEXT_BATCH]
            self._vectors |= dict(zip(batch, self._encoded(batch, device).unbind(), strict=True))
        return torch.stack([self._vectors[text] for text in texts]).to(device)

    def _encoded(self, batch: list[str], device: torch.device) -> Float[Tensor, "b d"]:
        """Unit vectors of texts that are encoded together.

        A process that keeps models finds the vectors of the same batch again, to the last bit.
        """
        key = tuple(batch)
        if key in self._batches:
            return self._batches[key].to(device)
        assert self._text is not None
        tokens: Int[Tensor, "b t"] = self._tokenizer(batch)
        self._check_vocabulary(tokens, self._text)
        encode: Callable[..., Tensor] = self._text.encode_text  # type: ignore[assignment]
        vectors = F.normalize(encode(tokens.to(device)).float(), dim=-1).clone()
        if is_keeping():
            self._batches[key] = vectors
            if len(self._batches) > MOST_BATCHES:
                del self._batches[next(iter(self._batches))]
        return vectors

    def _check_vocabulary(self, tokens: Int[Tensor, "b t"], model: nn.Module) -> None:
        """Raises InputError for a tokenizer that does not belong to the text tower."""
        size = getattr(model, "vocab_size", None) or getattr(
            getattr(model, "text", None), "vocab_size", None
        )
        if isinstance(size, int) and int(tokens.max()) >= size:
            raise InputError(
                f"{self.name}: its tokenizer gives the token {int(tokens.max())}, but its text "
                f"tower has {size} tokens; use the tokenizer of the model"
            )

    def free_text_tower(self) -> None:
        """Releases the weights of the text tower; encoded texts stay cached.

        A new text loads the weights again if the model came from files.
        """
        if not is_keeping():
            self._text = None

    def forget_texts(self) -> None:
        """Forgets the encoded texts."""
        self._vectors.clear()

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> OpenClip:
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        if self._replayed is not None:
            self._replayed.clear()
        self._settle()
        return self

    def _settle(self) -> None:
        """Converts the image tower to the precision and memory layout for its device."""
        self._dtype = dtype_of(self._precision, self._device(), self.visual)
        choose_attention(self.visual, self._device(), self._dtype)
        for tensor in (*self.visual.parameters(), *self.visual.buffers()):
            if tensor.is_floating_point():
                tensor.data = tensor.data.to(self._dtype)
            if self._channels_last and tensor.ndim == 4:
                tensor.data = tensor.data.contiguous(memory_format=torch.channels_last)

    def _device(self) -> torch.device:
        return next(self.visual.parameters()).device
