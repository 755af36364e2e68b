"""The denoiser of the mini diffusion model, and its text tower.

A UNet2DConditionModel on latents [4, 16, 16] and a CLIPTextModel, both as Stable Diffusion has
them. The text tower starts as the mini CLIP's and is trained along.
"""

from __future__ import annotations

import copy
import json
import random as python_random
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recipes import autoencoder, tokens
from recipes.clock import Clock
from recipes.corpus import Corpus
from recipes.model import published as published_clip
from recipes.precision import autocast

# isort: split
from diffusers import AutoencoderTiny, DDIMScheduler, DDPMScheduler, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

BATCH, LEARNING_RATE, NO_WORDS = 64, 8e-4, 0.12
#: Objects are centered, most on white, so that position and size need not be learned.
ON_WHITE, MOVED = 0.85, 0.08
WIDTH, LAYERS, HEADS = 128, 3, 4  # the mini CLIP's text tower
AVERAGED_STEPS = 1500
REPORT_SECONDS = 300.0
SCHEDULE = {
    "num_train_timesteps": 1000,
    "beta_schedule": "squaredcos_cap_v2",
    "prediction_type": "v_prediction",
}


def build_network() -> UNet2DConditionModel:
    """The untrained denoiser, 8.6 M parameters, with cross-attention at 8x8 and 4x4 cells.

    The pooled text embedding is added to the embedding of the timestep as well, so that every block
    gets it. (Added during the first training run together with other changes, so its effect was not
    measured separately.)
    """
    return UNet2DConditionModel(
        sample_size=autoencoder.SIZE // autoencoder.FACTOR,
        in_channels=autoencoder.CHANNELS,
        out_channels=autoencoder.CHANNELS,
        block_out_channels=(64, 128, 192),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=WIDTH,
        attention_head_dim=4,
        addition_embed_type="text",
        addition_embed_type_num_heads=4,
        norm_num_groups=16,
    ).to(memory_format=torch.channels_last)


def build_tower(tokenizer: CLIPTokenizer, mini_clip: Path) -> CLIPTextModel:
    """The mini CLIP's text tower in transformers' names, its rows in the tokenizer's order."""
    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        intermediate_size=4 * WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        max_position_embeddings=tokens.CONTEXT,
        hidden_act="gelu",
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    tower = CLIPTextModel(config)
    state, rows, _ = published_clip(mini_clip)
    tower.load_state_dict(_renamed(state, rows, tokenizer, tower), strict=True)
    return tower


def _renamed(
    state: dict[str, Tensor], rows: Tensor, tokenizer: CLIPTokenizer, tower: CLIPTextModel
) -> dict[str, Tensor]:
    """open_clip's text tower as transformers names it; words that it did not know are zero."""
    from open_clip.tokenizer import SimpleTokenizer

    row_of = {token: row for row, token in enumerate(rows.tolist())}
    number_of = SimpleTokenizer().encoder
    pieces = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
    old = state["token_embedding.weight"]
    table = torch.zeros(len(tokenizer), WIDTH)
    for new, piece in enumerate(pieces):
        number = number_of[
            piece.replace(tokens.START, "<start_of_text>").replace(tokens.END, "<end_of_text>")
        ]
        if number in row_of:
            table[new] = old[row_of[number]]
    found = {"embeddings.token_embedding.weight": table}
    found["embeddings.position_embedding.weight"] = state["positional_embedding"]
    for side in ("weight", "bias"):
        found[f"final_layer_norm.{side}"] = state[f"ln_final.{side}"]
        for i in range(LAYERS):
            from_, to = f"transformer.resblocks.{i}", f"encoder.layers.{i}"
            queries, keys, values = state[f"{from_}.attn.in_proj_{side}"].chunk(3)
            found[f"{to}.self_attn.q_proj.{side}"] = queries
            found[f"{to}.self_attn.k_proj.{side}"] = keys
            found[f"{to}.self_attn.v_proj.{side}"] = values
            found[f"{to}.self_attn.out_proj.{side}"] = state[f"{from_}.attn.out_proj.{side}"]
            found[f"{to}.layer_norm1.{side}"] = state[f"{from_}.ln_1.{side}"]
            found[f"{to}.layer_norm2.{side}"] = state[f"{from_}.ln_2.{side}"]
            found[f"{to}.mlp.fc1.{side}"] = state[f"{from_}.mlp.c_fc.{side}"]
            found[f"{to}.mlp.fc2.{side}"] = state[f"{from_}.mlp.c_proj.{side}"]
    prefix = "text_model." if any(k.startswith("text_model.") for k in tower.state_dict()) else ""
    return {prefix + name: value for name, value in found.items()}


@dataclass
class Drawer:
    """The parts of the model: denoiser, text tower, tokenizer and autoencoder."""

    network: UNet2DConditionModel
    tower: CLIPTextModel
    tokenizer: CLIPTokenizer
    images: Any  # AutoencoderTiny

    def words(self, texts: list[str]) -> Tensor:
        """`[b, 32, 128]`, padded as the pipeline of Stable Diffusion pads."""
        found = self.tokenizer(
            texts,
            padding="max_length",
            max_length=tokens.CONTEXT,
            truncation=True,
            return_tensors="pt",
        )
        device = next(self.tower.parameters()).device
        return self.tower(found.input_ids.to(device)).last_hidden_state

    @torch.no_grad()
    def sample(self, texts: list[str], seed: int, steps: int = 25, scale: float = 4.0) -> Tensor:
        """Images `[b, 3, 64, 64]` of these texts by DDIM with classifier-free guidance."""
        scheduler = DDIMScheduler(**SCHEDULE, clip_sample=False, timestep_spacing="trailing")
        scheduler.set_timesteps(steps)
        device = next(self.network.parameters()).device
        side = autoencoder.SIZE // autoencoder.FACTOR
        draw = torch.Generator().manual_seed(seed)
        x = torch.randn(len(texts), autoencoder.CHANNELS, side, side, generator=draw).to(device)
        words = torch.cat([self.words([""] * len(texts)), self.words(texts)])
        for t in scheduler.timesteps:
            without, with_words = self.network(torch.cat([x, x]), t, words).sample.chunk(2)
            x = scheduler.step(without + scale * (with_words - without), t, x).prev_sample
        return autoencoder.decode(self.images, x).clamp(0, 1)


def published(folder: Path) -> tuple[Drawer, dict[str, float]]:
    """The model in a published folder, and how long it was trained."""
    network = UNet2DConditionModel.from_pretrained(folder, subfolder="unet", dtype=torch.float32)
    tower = CLIPTextModel.from_pretrained(folder, subfolder="text_encoder", dtype=torch.float32)
    images = AutoencoderTiny.from_pretrained(folder, subfolder="vae", dtype=torch.float32)
    tokenizer = CLIPTokenizer.from_pretrained(folder, subfolder="tokenizer")
    before = json.loads((folder / "guidance.json").read_text())["training"]
    earlier = {key: before[key] + before["earlier"][key] for key in ("steps", "minutes")}
    layout = torch.channels_last
    drawer = Drawer(
        network.to(memory_format=layout), tower, tokenizer, images.to(memory_format=layout).eval()
    )
    return drawer, earlier


class Training:
    """A drawer, the running average of its weights, its optimizer, and how far they are."""

    def __init__(
        self,
        drawer: Drawer,
        path: Path,
        minutes: float,
        device: torch.device,
        earlier: dict[str, float],
    ) -> None:
        """`earlier` counts the steps and minutes that the drawer was trained before."""
        self.drawer, self.path, self.device = drawer, path, device
        self.parts = nn.ModuleList([drawer.network, drawer.tower]).to(device)
        self.average = copy.deepcopy(self.parts).eval().requires_grad_(False)
        if device.type == "cpu":  # torch's fused attention is slower here: 1.53 s a step for 1.27
            for network in (drawer.network, self.average[0]):
                network.set_attn_processor(AttnProcessor())
        self.clock = Clock(minutes)
        self.earlier = earlier
        self.optimizer = torch.optim.AdamW(
            self.parts.parameters(), lr=LEARNING_RATE, weight_decay=0.01, betas=(0.9, 0.99)
        )
        betas = DDPMScheduler(**SCHEDULE)
        self.alpha = betas.alphas_cumprod.sqrt().to(device)
        self.sigma = (1 - betas.alphas_cumprod).sqrt().to(device)

    def save(self) -> None:
        """Writes the checkpoint, by renaming."""
        partial = self.path.with_suffix(".partial")
        state = {
            "parts": self.parts.state_dict(),
            "average": self.average.state_dict(),
            "images": self.drawer.images.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "spent_seconds": self.clock.spent_seconds,
            "step": self.clock.step,
            "earlier": self.earlier,
        }
        torch.save(state, partial)
        partial.rename(self.path)

    def resume(self) -> None:
        """Resumes from its own checkpoint, if there is one."""
        if self.path.exists():
            state = torch.load(self.path, weights_only=True, map_location=self.device)
            self.parts.load_state_dict(state["parts"])
            self.average.load_state_dict(state["average"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.clock.spent_seconds, self.clock.step = state["spent_seconds"], state["step"]
            self.earlier = state["earlier"]

    def advance(self, corpus: Corpus) -> float:
        """One step of the optimizer; returns the loss, the mean square error of v."""
        seed = 37_000_000 + int(self.earlier["steps"]) + self.clock.step
        images, texts = corpus.framed(autoencoder.SIZE, BATCH, seed, white=ON_WHITE, strength=MOVED)
        random = python_random.Random(seed)
        texts = ["" if random.random() < NO_WORDS else text for text in texts]
        draw = torch.Generator().manual_seed(seed)
        with autocast(self.device.type):
            with torch.no_grad():
                latents = autoencoder.encode(self.drawer.images, images.to(self.device))
            # Stratified: each batch covers all levels of noise.
            place = (torch.arange(BATCH) + torch.rand(BATCH, generator=draw)) / BATCH
            t = (place * len(self.alpha)).long().to(self.device)
            noise = torch.randn(latents.shape, generator=draw).to(latents)
            alpha, sigma = self.alpha[t][:, None, None, None], self.sigma[t][:, None, None, None]
            noisy = (alpha * latents + sigma * noise).contiguous(memory_format=torch.channels_last)
            found = self.drawer.network(noisy, t, self.drawer.words(texts)).sample
        loss = F.mse_loss(found.float(), alpha * noise - sigma * latents)
        for group in self.optimizer.param_groups:
            group["lr"] = LEARNING_RATE * self.clock.rate
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.parts.parameters(), 1.0)
        self.optimizer.step()
        self._follow()
        return loss.item()

    @torch.no_grad()
    def _follow(self) -> None:
        """Updates the moving average of the weights, over fewer steps at first."""
        keep = min(1 - 1 / AVERAGED_STEPS, (1 + self.clock.step) / (10 + self.clock.step))
        torch._foreach_lerp_(
            list(self.average.parameters()), list(self.parts.parameters()), 1 - keep
        )

    def averaged(self) -> Drawer:
        """The drawer with the averaged weights."""
        network, tower = self.average
        return Drawer(network, tower, self.drawer.tokenizer, self.drawer.images)


def train(training: Training, corpus: Corpus, sheet: Any) -> None:
    """Trains until the minutes are used up; saves, reports and samples regularly.

    `sheet(drawer)` is called with the averaged weights after each report.
    """
    clock, losses = training.clock, list[float]()
    reported = time.monotonic()
    while clock.progress < 1:
        with clock.stepping():
            losses.append(training.advance(corpus))
        if time.monotonic() - reported > REPORT_SECONDS or clock.progress == 1:
            seconds = time.monotonic() - reported
            print(
                f"{time.strftime('%H:%M:%S')} denoiser step {clock.step} at {clock.progress:.3f} "
                f"loss {sum(losses) / len(losses):.4f} {BATCH * len(losses) / seconds:.0f} "
                "images/s",
                flush=True,
            )
            training.save()
            sheet(training.averaged())
            losses, reported = [], time.monotonic()
