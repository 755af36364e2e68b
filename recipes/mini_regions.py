"""Trains the head that finds parts of images by words, on features of a frozen mini encoder.

    python -m recipes.mini_regions --data DATA --work WORK --minutes 15

`DATA` holds `avatar_parts.jsonl` and `portraits.json`, which the scripts in `recipes/data` write,
and `emoji/`. A checkpoint is written every minute, and a run of the same command resumes from it.
"""

from __future__ import annotations

import argparse
import os
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from guidance.encoders import Encoder, load_encoder
from guidance.segmenters.files.head import RegionHead
from recipes.clock import Clock
from recipes.data import part_pools, part_words, pictograms
from recipes.data.part_pools import PartPool, cached
from recipes.precision import autocast

SEED = 23
BATCH, QUERIES, LEARNING_RATE = 8, 6, 4e-3
SIDE = part_pools.SIDE
TESTS = 160  # avatars, cows, bodies and scenes that are only for the evaluation
#: How often a pool is drawn.
SHARES = {"avatars": 0.42, "portraits": 0.12, "cows": 0.12, "bodies": 0.14, "scenes": 0.1,
          "drawings": 0.1}  # fmt: skip
CHECKPOINT_SECONDS = 60


@dataclass
class Example:
    """An image with alpha, premultiplied, and texts with their masks."""

    image: Tensor  # [4, h, w]
    texts: list[str]
    masks: Tensor  # [k, h, w]


class Examples:
    """Random images with texts, of all pools."""

    def __init__(self, data: Path, work: Path) -> None:
        self.pools = pools(data, work, train=True)
        self.drawings, _ = pictograms.drawings(data / "emoji")
        self.words = dict(part_words.WORDS)

    def batch(self, step: int) -> tuple[Tensor, list[list[str]], Tensor]:
        """Images `[b, 3, h, w]`, texts of each, and masks `[b, k, h, w]`."""
        random = np.random.default_rng([SEED, step])
        found = []
        for _ in range(BATCH):
            kind = str(random.choice(list(SHARES), p=list(SHARES.values())))
            example = (
                self._drawn(random) if kind == "drawings" else self._of(self.pools[kind], random)
            )
            found.append(example)
        images, masks = varied(found, torch.Generator().manual_seed(SEED + step))
        return images, [example.texts for example in found], masks

    def _of(self, pool: PartPool, random: np.random.Generator) -> Example:
        index = int(random.integers(len(pool.bits)))
        image, parts = image_of(pool, index), masks_of(pool, index)
        present = [name for name, mask in parts.items() if mask.any()]
        chosen = [present[i] for i in random.permutation(len(present))[: QUERIES - 1]]
        absent = [name for name in self.words if name not in parts or name not in present]
        absent = [name for name in absent if not ({name, *present} >= {"person", "human"})]
        chosen += list(random.permutation(absent)[: QUERIES - len(chosen)])
        empty = np.zeros((SIDE, SIDE), bool)
        masks = torch.from_numpy(np.stack([parts.get(name, empty) for name in chosen])).float()
        return Example(image, [said(str(name), random) for name in chosen], masks)

    def _drawn(self, random: np.random.Generator) -> Example:
        """One to four drawings side by side; each is asked by its name."""
        canvas, masks = np.zeros((SIDE, SIDE, 4)), np.zeros((QUERIES, SIDE, SIDE))
        count = int(random.integers(1, 5))
        picks = random.integers(len(self.drawings.captions), size=QUERIES)
        cells = random.permutation(4)
        for place in range(count):
            picture = self.drawings.pictures[picks[place]][::2, ::2] / 255.0
            if count == 1:
                picture, row, column = self.drawings.pictures[picks[0]] / 255.0, 16, 16
            else:
                row, column = (8 + 64 * int(cells[place] // 2), 8 + 64 * int(cells[place] % 2))
            height, width = picture.shape[:2]
            canvas[row : row + height, column : column + width] = picture
            masks[place, row : row + height, column : column + width] = picture[..., 3] > 0.5
        names = [str(random.choice(self.drawings.captions[pick][:2])) for pick in picks]
        for place in range(QUERIES):  # one name may stand for several
            for other in range(count):
                if other != place and names[other] == names[place]:
                    masks[place] = np.maximum(masks[place], masks[other])
        if random.random() < 0.3:
            names[-1], masks[-1] = "background", 1 - (canvas[..., 3] > 0.5)
        canvas[..., :3] *= canvas[..., 3:]
        image = torch.from_numpy(canvas).float().permute(2, 0, 1)
        texts = [str(random.choice(["", "the ", "a "])) + name for name in names]
        return Example(image, texts, torch.from_numpy(masks).float())


def pools(data: Path, work: Path, *, train: bool) -> dict[str, PartPool]:
    """The pools for training, or those for the evaluation."""
    avatars, seed = data / "avatar_parts.jsonl", 1 if train else 2
    kind = "train" if train else "test"
    count = 700 if train else TESTS
    span = (TESTS, 1800) if train else (0, TESTS)
    return {
        "avatars": cached(work / f"{kind}_avatars.npz", lambda: part_pools.avatars(avatars, *span)),
        "portraits": cached(
            work / f"{kind}_portraits.npz",
            lambda: part_pools.portraits(data / "portraits.json", count, seed),
        ),
        "cows": cached(work / f"{kind}_cows.npz", lambda: part_pools.cows(count, seed)),
        "bodies": cached(work / f"{kind}_bodies.npz", lambda: part_pools.bodies(count, seed)),
        "scenes": cached(work / f"{kind}_scenes.npz", lambda: part_pools.scenes(count, seed)),
    }


def image_of(pool: PartPool, index: int) -> Tensor:
    """An image `[4, h, w]` in [0, 1], premultiplied."""
    image = torch.from_numpy(pool.pictures[index]).float().permute(2, 0, 1) / 255
    return torch.cat([image[:3] * image[3:], image[3:]])


def masks_of(pool: PartPool, index: int) -> dict[str, np.ndarray]:
    """The masks of the parts, of their unions, and of the background."""
    bits, names = pool.bits[index], pool.names[index]
    found = {name: (bits >> bit & 1).astype(bool) for bit, name in enumerate(names)}
    for union, members in part_words.UNIONS.items():
        if set(members) <= set(names):
            found[union] = np.any([found[name] for name in members], 0)
    if names == part_words.PERSON:
        found["head"] = found["face"] | found["hair"]
    found["background"] = pool.pictures[index][..., 3] < 128
    return found


def said(name: str, random: np.random.Generator) -> str:
    """A wording of a part, or the name itself."""
    wording = str(random.choice(part_words.WORDS.get(name, (name,))))
    return str(random.choice(part_words.ARTICLES)) + wording


def varied(examples: list[Example], draw: torch.Generator) -> tuple[Tensor, Tensor]:
    """Images moved, scaled, mirrored, recolored and noisy, over backgrounds, with their masks."""
    count = len(examples)

    def number(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(count, *(shape or (1, 1, 1)), generator=draw)

    images = torch.stack([example.image for example in examples])
    masks = torch.stack([example.masks for example in examples])
    move = torch.zeros(count, 2, 3)
    scale, mirror = number(0.55, 1.25).flatten(), torch.sign(number(-1, 1).flatten())
    turn = number(-0.15, 0.15).flatten()
    move[:, 0, 0], move[:, 0, 1] = scale * turn.cos() * mirror, -scale * turn.sin()
    move[:, 1, 0], move[:, 1, 1] = scale * turn.sin() * mirror, scale * turn.cos()
    move[:, :, 2] = number(-0.3, 0.3, 2)
    grid = F.affine_grid(move, [count, 1, SIDE, SIDE], align_corners=False)
    images = F.grid_sample(images, grid, align_corners=False)
    outside = F.grid_sample(torch.ones(count, 1, SIDE, SIDE), grid, align_corners=False) < 0.5
    behind = part_words.WORDS["background"]
    background = torch.tensor(
        [[any(word in text for word in behind) for text in each.texts] for each in examples]
    )
    masks = F.grid_sample(masks, grid, align_corners=False)
    masks = torch.where(outside & background[:, :, None, None], 1.0, masks)
    ground = number(0, 1, 3, 1, 1) + number(-0.3, 0.3) * torch.linspace(-1, 1, SIDE)[:, None]
    rough = F.interpolate(torch.rand(count, 3, 6, 6, generator=draw), (SIDE, SIDE), mode="bilinear")
    ground = torch.where(number(0, 1) < 0.25, rough, ground).clamp(0, 1)
    whole = images[:, :3] + ground * (1 - images[:, 3:])
    soft = F.avg_pool2d(F.pad(whole, (1, 1, 1, 1), mode="replicate"), 3, 1)
    whole = torch.lerp(whole, soft, number(-0.3, 1.0))
    whole = (
        (whole - 0.5) * number(0.8, 1.1) + 0.5 + 0.05 * torch.randn(count, 3, 1, 1, generator=draw)
    )
    grain = torch.randn(whole.shape, generator=draw) * number(0, 0.04)
    return (whole + grain).clamp(0, 1), masks


def distance(logits: Tensor, masks: Tensor) -> Tensor:
    """Cross-entropy of pixels, and 1 - Dice of the masks that are not empty."""
    entropy = F.binary_cross_entropy_with_logits(logits, masks)
    p, present = logits.sigmoid(), masks.amax((2, 3)) > 0.5
    dice = 1 - (2 * (p * masks).sum((2, 3)) + 1) / ((p + masks).sum((2, 3)) + 1)
    return 2 * entropy + (dice * present).sum() / present.sum().clamp_min(1)


def vectors(
    head: RegionHead, encoder: Encoder, texts: list[str], kept: Tensor | None = None
) -> Tensor:
    """Vectors of texts; `kept` says of each whether its known words are used."""
    known = head.word_numbers(texts)
    if kept is not None:
        known = known * kept[:, None]
    return head.queries(encoder.encode_text(texts).clone(), known)


def train(data: Path, work: Path, minutes: float, name: str) -> RegionHead:
    """The trained head, also written to `work`."""
    torch.manual_seed(SEED)
    encoder, examples = load_encoder(name), Examples(data, work)
    head, clock = RegionHead(part_words.known_words()), Clock(minutes)
    wordings = [text for texts in part_words.WORDS.values() for text in texts]
    head.text_mean.copy_(encoder.encode_text(wordings).mean(0))
    optimizer = torch.optim.AdamW(head.parameters(), LEARNING_RATE, weight_decay=0.01)
    path = work / f"regions_{name}.pt"
    if path.exists():
        stored = torch.load(path)
        head.load_state_dict(stored["head"])
        optimizer.load_state_dict(stored["optimizer"])
        clock.spent_seconds, clock.step = stored["seconds"], stored["step"]
    written = time.monotonic()
    while clock.progress < 1:
        with clock.stepping():
            images, texts, masks = examples.batch(clock.step)
            with torch.no_grad():
                maps = encoder.image_maps(images)
            kept = torch.rand(BATCH * QUERIES, generator=torch.Generator().manual_seed(clock.step))
            flat = [text for row in texts for text in row]
            queries = vectors(head, encoder, flat, (kept > 0.3).long()).view(BATCH, QUERIES, -1)
            with autocast("cpu"):  # five times as fast as float32, with this memory layout
                pixels = head.features(images.contiguous(memory_format=torch.channels_last), maps)
            loss = distance(head.logits(pixels.float(), queries), masks)
            for group in optimizer.param_groups:
                group["lr"] = clock.rate * LEARNING_RATE
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(head.parameters(), 1.0)
            optimizer.step()
        if clock.step % 50 == 0:
            spent = clock.spent_seconds / 60
            print(f"step {clock.step}  {spent:.1f} min  loss {loss.item():.3f}", flush=True)
        if time.monotonic() - written > CHECKPOINT_SECONDS or clock.progress >= 1:
            written = time.monotonic()
            partial = path.with_suffix(".partial")
            torch.save(
                {"head": head.state_dict(), "optimizer": optimizer.state_dict(),
                 "seconds": clock.spent_seconds, "step": clock.step, "minutes": minutes}, partial
            )  # fmt: skip
            partial.rename(path)
    return head.eval()


@torch.no_grad()
def evaluate(
    head: RegionHead, encoder: Encoder, pool: PartPool, count: int = TESTS
) -> dict[str, float]:
    """The mean IoU of each part over the images that show it, over a plain background."""
    scores: dict[str, list[float]] = {}
    for index in range(min(count, len(pool.bits))):
        rgba, parts = image_of(pool, index), masks_of(pool, index)
        image = (rgba[:3] + 0.8 * (1 - rgba[3:]))[None]
        texts = [name for name, mask in parts.items() if mask.sum() >= 8]
        pixels = head.features(image, encoder.image_maps(image))
        queries = vectors(head, encoder, [f"the {name}" for name in texts])
        found = head.logits(pixels, queries[None])[0] > 0
        for name, inside in zip(texts, found, strict=True):
            truth = torch.from_numpy(parts[name])
            iou = (inside & truth).sum() / (inside | truth).sum()
            kind = name if pool.names[index] != pool.names[0] or " " not in name else "solids"
            scores.setdefault("solids" if " " in kind else kind, []).append(float(iou))
    return {name: round(float(np.mean(each)), 4) for name, each in scores.items()}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Train the head of regions by words")
    parser.add_argument("--data", type=Path, required=True, help="where avatar_parts.jsonl lies")
    parser.add_argument("--work", type=Path, required=True, help="where pools and checkpoint go")
    parser.add_argument("--minutes", type=float, default=15)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--encoder", default="mini")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    os.nice(15)
    arguments.work.mkdir(parents=True, exist_ok=True)
    trained = train(arguments.data, arguments.work, arguments.minutes, arguments.encoder)
    for pool_name, pool in pools(arguments.data, arguments.work, train=False).items():
        print(pool_name, evaluate(trained, load_encoder(arguments.encoder), pool), flush=True)
