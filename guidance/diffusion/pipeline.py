"""Diffusion models of diffusers: Stable Diffusion 1.5, XL and 3, FLUX, DeepFloyd IF.

Weights are frozen and read from safetensors. Custom pipelines and remote code are not supported.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from guidance.diffusion.base import Condition, Denoiser, Level
from guidance.diffusion.files.load import load_network
from guidance.diffusion.files.source import Source, autoencoder_folder, find_source
from guidance.diffusion.parts.networks import check_channels, check_widths, run_network
from guidance.diffusion.parts.noising import read_schedule, read_shift
from guidance.diffusion.parts.text_encoders import TextEncoders
from guidance.errors import InputError
from guidance.models.catalogue import find_model
from guidance.models.families import DIFFUSION
from guidance.models.kept import is_keeping
from guidance.models.precision import dtype_of
from guidance.models.torchvision import import_torchvision

#: Default pixels per side of FLUX, which was trained on 256 to 1024.
FLUX_SIZE = 512


class Pipeline(Denoiser):
    """A diffusion model of diffusers as a frozen denoiser.

    Attention is torch's scaled_dot_product_attention, the default of diffusers. The autoencoder
    runs in float32 if the network runs in float16, in which that of SDXL overflows. A latent is
    the mean of the autoencoder's posterior: sampling from it would only add noise to the gradient.
    Convolutions are channels-last on a GPU. On a CPU only those of AutoencoderTiny are: measured
    with AVX-512, channels-last / contiguous is 0.75 for AutoencoderTiny, 1.04 for UNets, and for
    AutoencoderKL 0.97 in float32 and 1.32 in bfloat16.

    Args:
        source: the model's checked files.
        network: UNet2DConditionModel, SD3Transformer2DModel or FluxTransformer2DModel.
        autoencoder: AutoencoderKL or AutoencoderTiny; None for networks that work on pixels.
        precision: "fp32", "bf16", "fp16" or "auto"; see `load_denoiser`.
    """

    def __init__(
        self, source: Source, network: nn.Module, autoencoder: nn.Module | None, precision: str
    ) -> None:
        super().__init__()
        known = find_model(source.name)
        self.name, self.source = source.name, source
        self.family = known.family if known else DIFFUSION
        self.network = network.eval().requires_grad_(False)
        self.autoencoder = None
        if autoencoder is not None:
            self.autoencoder = autoencoder.eval().requires_grad_(False)
        self._precision = precision
        self.num_timesteps = int(source.scheduler.get("num_train_timesteps", 1000))
        self.prediction, self.alphas_cumprod = read_schedule(source)
        self._factor = 1 if autoencoder is None else _factor(autoencoder)
        # FLUX takes 2 x 2 latents as one token, and its configuration contains no image size.
        flux = source.kind == "FluxPipeline"
        self._multiple = self._factor * (2 if flux else 1)
        size = _config(network).get("sample_size")
        self.image_size = FLUX_SIZE if flux or size is None else int(size) * self._factor
        self._uses_graphs = False
        self._text_encoders: TextEncoders | None = None
        self._rows: dict[str, Condition] = {}
        self._settle()

    @classmethod
    def load(cls, name: str, device: torch.device, precision: str, vae: str) -> Pipeline:
        """Loads a model by name, from files on this machine; see `load_denoiser`."""
        source = find_source(name)
        dtype = network_dtype(precision, device)
        tiny = None if vae == "full" else autoencoder_folder(vae, source)
        _import_diffusers()
        kind = {
            "unet": "UNet2DConditionModel",
            "transformer": "SD3Transformer2DModel"
            if source.kind == "StableDiffusion3Pipeline"
            else "FluxTransformer2DModel",
        }[source.network]
        if source.classes[source.network] != kind:
            raise InputError(
                f"{source.folder / 'model_index.json'}: expected {source.network} to be {kind} in "
                f"a {source.kind}"
            )
        network = load_network(kind, source.folder / source.network, dtype)
        autoencoder = None
        if tiny is not None:
            autoencoder = load_network("AutoencoderTiny", tiny, torch.float32)
        elif source.vae:
            autoencoder = load_network(source.vae, source.folder / "vae", torch.float32)
        check_channels(network, autoencoder, source.kind, str(source.folder))
        return cls(source, network, autoencoder, precision).to(device)

    def encode_image(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b c hh ww"]:
        """Scaled latents, as input of the network; for pixel models the image in [-1, 1].

        Raises:
            InputError: a side is not a multiple of the autoencoder's factor.
        """
        self.latent_shape(*images.shape[-2:])
        pixels = images.float() * 2 - 1
        if self.autoencoder is None:
            return pixels
        network: Any = self.autoencoder
        found = network.encode(_for(network, pixels))
        if hasattr(found, "latents"):  # AutoencoderTiny returns scaled latents
            return cast(Tensor, found.latents.float())
        shift, scale = self._normalization()
        latents: Tensor = (found.latent_dist.mode().float() - shift) * scale
        return latents

    def decode_image(self, latents: Float[Tensor, "b c hh ww"]) -> Float[Tensor, "b 3 h w"]:
        """Images of scaled latents."""
        if self.autoencoder is None:
            return latents / 2 + 0.5
        network = cast(Any, self.autoencoder)
        shift, scale = self._normalization()
        latents = _for(network, latents / scale + shift)
        found: Tensor = network.decode(latents).sample.float() / 2 + 0.5
        return found

    def _normalization(self) -> tuple[Tensor | float, Tensor | float]:
        """Shift and scale of latents: numbers, or one for each channel, [1, c, 1, 1].

        Source: `latents_mean` and `latents_std` as in StableDiffusionXLPipeline of diffusers.
        """
        config = _config(cast(nn.Module, self.autoencoder))
        scale = float(config["scaling_factor"])
        if config.get("latents_mean") is None:
            return config.get("shift_factor") or 0.0, scale
        mean, std = (
            torch.tensor(config[key], device=self._device()).view(1, -1, 1, 1)
            for key in ("latents_mean", "latents_std")
        )
        return mean, scale / std

    def latent_shape(self, height: int, width: int) -> tuple[int, int, int]:
        """Channels, height and width of the latents of an image of this size."""
        if height % self._multiple or width % self._multiple:
            raise InputError(
                f"{self.name}: expected sides that are multiples of {self._multiple}, got "
                f"{height} x {width} pixels"
            )
        channels = 3 if self.autoencoder is None else _config(self.autoencoder)["latent_channels"]
        return int(channels), height // self._factor, width // self._factor

    def image_sides(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of the images of latents of this size."""
        return height * self._factor, width * self._factor

    def shift(self, height: int, width: int) -> float:
        """The shift of the scheduler's configuration."""
        return read_shift(self.source, height * width // 4) if self.prediction == "flow" else 1.0

    def encode_text(self, texts: list[str]) -> Condition:
        """One row for each text; loads the text encoders if a text is new."""
        for text in dict.fromkeys(texts):
            if text not in self._rows:
                if self._text_encoders is None:
                    self._text_encoders = TextEncoders(
                        self.source, self.network, self._device(), self._dtype
                    )
                row = self._text_encoders.encode(text)
                check_widths(self.network, self.source.kind, row.tensors, str(self.source.folder))
                self._rows[text] = row
        return Condition.stack([self._rows[text] for text in texts]).to(self._device())

    def free_text_towers(self) -> None:
        """Releases the text encoders; a new text loads them again."""
        if not is_keeping():
            self._text_encoders = None

    def forget_texts(self) -> None:
        """Forgets the encoded texts."""
        self._rows.clear()

    def output(
        self, noisy: Float[Tensor, "b c h w"], level: Level, condition: Condition
    ) -> Float[Tensor, "b c h w"]:
        """The output of the network."""
        if self._uses_graphs:
            torch.compiler.cudagraph_mark_step_begin()  # type: ignore[no-untyped-call]
        found = run_network(
            self.network,
            self.source.kind,
            _for(self.network, noisy),
            level,
            {name: tensor.to(self._dtype) for name, tensor in condition.tensors.items()},
            pixels_per_latent=self._factor,
        )
        # A graph overwrites its output in the next pass.
        return found.to(noisy, copy=self._uses_graphs)

    def compile_network(self) -> None:
        """Compiles the network, for each input shape at its first pass."""
        self._uses_graphs = self._device().type == "cuda"
        self.network.compile(mode="reduce-overhead" if self._uses_graphs else None, dynamic=False)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Pipeline:
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        self._settle()
        return self

    def _settle(self) -> None:
        """Restores the precision and memory layout of the modules, which `to` may have changed."""
        device = self._device()
        self._dtype = network_dtype(self._precision, device)
        pairs = [(self.network, self._dtype)]
        if self.autoencoder is not None:
            precision = "fp32" if self._precision == "fp16" else self._precision
            pairs.append((self.autoencoder, dtype_of(precision, device, self.autoencoder)))
        for module, dtype in pairs:
            layout = _layout(module, device)
            for tensor in (*module.parameters(), *module.buffers()):
                if tensor.is_floating_point():
                    tensor.data = tensor.data.to(dtype)
                if tensor.ndim == 4:
                    tensor.data = tensor.data.contiguous(memory_format=layout)

    def _device(self) -> torch.device:
        return next(self.network.parameters()).device


def network_dtype(precision: str, device: torch.device) -> torch.dtype:
    """The dtype of a network: that of a frozen network, or float16.

    Raises:
        InputError: an unknown precision.
    """
    if precision == "fp16":
        return torch.float16
    try:
        return dtype_of(precision, device)
    except InputError:
        raise InputError(
            f"precision {precision!r} is unknown; use auto, fp32, bf16 or fp16"
        ) from None


def _layout(module: nn.Module, device: torch.device) -> torch.memory_format:
    """The memory layout in which the convolutions of a network are fastest."""
    kind = type(module).__name__
    on_gpu = device.type == "cuda" and "Transformer" not in kind
    fast = on_gpu or kind == "AutoencoderTiny"
    return torch.channels_last if fast else torch.contiguous_format


def _for(module: nn.Module, images: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
    """Images or latents in the dtype and the memory layout of a network."""
    layout = _layout(module, images.device)
    return images.to(next(module.parameters()).dtype).contiguous(memory_format=layout)


def _factor(autoencoder: nn.Module) -> int:
    """Pixels along the side of one latent."""
    config = _config(autoencoder)
    blocks = config.get("block_out_channels") or config["encoder_block_out_channels"]
    return int(2 ** (len(config.get("encoder_block_out_channels") or blocks) - 1))


def _config(module: nn.Module) -> Any:
    return module.config


def _import_diffusers() -> None:
    import_torchvision()  # before diffusers and transformers, which import torchvision
    try:
        import accelerate  # noqa: F401  (without it, diffusers reads weights twice)
        import diffusers  # noqa: F401
        import transformers  # noqa: F401
    except ImportError as error:
        raise InputError(
            f"diffusion models need {error.name}, which is not installed; run: "
            "pip install diffusers transformers accelerate"
        ) from None
