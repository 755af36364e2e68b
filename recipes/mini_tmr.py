"""Trains the encoder of motions and texts, the judge of text2motion.

    python -m recipes.mini_tmr --work WORK --hold-out --minutes 3.5    # without some clips
    python -m recipes.mini_tmr --work WORK --minutes 2.5               # continues with all clips
    python -m recipes.publish_motion --work WORK                       # the folders, with figures

Two paraphrases of each clip are never trained on. `UNSEEN` clips and all their phrases are held out
from the first part, which is evaluated on them; the published network continues from it with all
clips. Training resumes from WORK; minutes are of one core.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from guidance.motion.bank import load_bank
from guidance.motion.networks.encoder import MotionTextEncoder
from guidance.motion.networks.joint_features import joint_features
from guidance.motion.networks.phrases import vocabulary
from recipes.clock import Clock
from recipes.motion_pool import SIDED, joint_windows, swapped
from recipes.precision import autocast

SEED = 23
POOL, BATCH = 6000, 64
LEARNING_RATES = {True: 2e-3, False: 1e-3}  # while clips are held out, and then with all
#: Paraphrases of each clip that are held out.
HELD_OUT = 2
#: Clips that are held out, each with clips of the same kind of action that are not.
UNSEEN: dict[str, tuple[str, ...]] = {
    "walk_formal": ("walk", "march", "carry"),
    "run_anime": ("run", "jog"),
    "left_jab": ("jab", "punch_bag", "cross", "uppercut", "fight"),
    "right_jab": ("cross", "uppercut", "punch_bag", "jab", "fight"),
    "side_kick": ("kick", "knee_strike"),
    "superman": ("fly",),
    "disco": ("dance", "charleston", "body_roll", "twist_dance", "robot_dance"),
    "sit_talk": ("sit", "talk"),
    "wave_both": ("wave", "cheer", "hands_up"),
    "long_jump": ("jump", "victory"),
    "crawl_low": ("crawl",),
    "hands_up": ("raise_hand", "wave_both", "cheer", "victory"),
    "sword_ready": ("sword", "aim", "fight"),
    "tread_water": ("swim",),
    "kneel_tired": ("kneel", "pray", "fix"),
    "trip": ("die", "lie_down", "roll"),
    "chop": ("hammer", "dig"),
    "piano": ("type",),
}
CONNECTIONS = {
    "while": ("{a} while {b}", "{b} while {a}", "{a} and {b}", "{b}, and {a} at the same time"),
    "then": ("{a}, then {b}", "{a} and then {b}", "first {a}, afterwards {b}", "{a}, then {b}"),
}


@dataclass(frozen=True)
class Phrases:
    """Texts of clips, split by what is trained on."""

    seen: dict[str, list[str]]
    held_out: dict[str, list[str]]


def phrases() -> Phrases:
    """The phrases of each clip; which ones are held out depends on the seed and the name."""
    seen, held_out = {}, {}
    for place, (name, clip) in enumerate(load_bank().labels.items()):
        order = np.random.default_rng([SEED, place]).permutation(len(clip.paraphrases))
        texts = [clip.paraphrases[i] for i in order]
        held_out[name], seen[name] = texts[:HELD_OUT], [clip.label, *texts[HELD_OUT:]]
    return Phrases(seen, held_out)


def trained_names(hold_out: bool) -> list[str]:
    """The clips that are trained on."""
    return [name for name in load_bank().labels if not (hold_out and name in UNSEEN)]


class Batches:
    """Windows with texts, and which of them belong together."""

    def __init__(self, names: list[str], pool: dict[str, object], network: MotionTextEncoder):
        self.names, self.pool, self.network = names, pool, network
        self.seen = phrases().seen
        self.places = {name: place for place, name in enumerate(names)}
        self.texts: list[str] = []
        for name in names:
            own = self.seen[name]
            self.texts += own + [swapped(text) for text in own if SIDED.search(text)]
        rows = network.bags(self.texts)
        self.rows = dict(zip(self.texts, rows, strict=True))

    def draw(self, step: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Positions, lengths, bags of texts, and the target of each motion over the texts."""
        random = np.random.default_rng([SEED, 1, step])
        chosen = random.integers(len(self.pool["first"]), size=BATCH)  # type: ignore[arg-type]
        texts: list[Tensor] = []
        owners: list[tuple[str, bool | None]] = []
        for name in self.names:
            text = self.seen[name][random.integers(len(self.seen[name]))]
            sided = SIDED.search(text) is not None
            texts.append(self.rows[text])
            owners.append((name, False if sided else None))
            if sided:
                texts.append(self.rows[swapped(text)])
                owners.append((name, True))
        target = torch.zeros(BATCH, len(texts) + BATCH)
        for row, place in enumerate(chosen):
            first, second, mirrored = (
                self.pool[key][place] for key in ("first", "second", "mirrored")
            )  # type: ignore[index]
            share = {first: 0.5, second: 0.5} if second else {first: 1.0}
            for column, (name, side) in enumerate(owners):
                if side in (None, mirrored):
                    target[row, column] = share.get(name, 0.0)
            if second:
                a, b = (self._phrase(name, mirrored, random) for name in (first, second))
                both = CONNECTIONS[self.pool["relation"][place]]  # type: ignore[index]
                text = both[random.integers(4)].format(a=a, b=b)
                texts.append(self.network.bags([text])[0])
                target[row] *= 0.5
                target[row, len(texts) - 1] = 1.0
        target = target[:, : len(texts)]
        bags = torch.stack(texts)
        draw = torch.Generator().manual_seed(SEED + step)
        kept = torch.rand(bags.shape, generator=draw) > 0.25
        bags = F.normalize(bags * kept, dim=1)
        joints = self.pool["joints"][chosen].float()  # type: ignore[index]
        joints = joints + 0.01 * torch.randn(joints.shape[0], 1, 22, 3, generator=draw)
        joints = joints + 0.004 * torch.randn(joints.shape, generator=draw)
        return joints, self.pool["lengths"][chosen], bags, target  # type: ignore[index]

    def _phrase(self, name: str, mirrored: bool, random: np.random.Generator) -> str:
        text = self.seen[name][random.integers(len(self.seen[name]))]
        return swapped(text) if mirrored else text


def contrastive(motions: Tensor, texts: Tensor, target: Tensor, scale: Tensor) -> Tensor:
    """Cross-entropy of motions over texts, and of texts over motions, with soft targets."""
    logits = scale.exp().clamp_max(50) * motions @ texts.T
    own = target / target.sum(1, keepdim=True)
    over_texts = -(own * logits.log_softmax(1)).sum(1).mean()
    used = target.sum(0) > 0
    columns = target[:, used] / target[:, used].sum(0)
    over_motions = -(columns * logits[:, used].log_softmax(0)).sum(0).mean()
    return over_texts + over_motions


def train(work: Path, minutes: float, hold_out: bool) -> MotionTextEncoder:
    """The trained network, also written to `work`; resumes from there."""
    torch.manual_seed(SEED)
    names, kind = trained_names(hold_out), "split" if hold_out else "all"
    network = MotionTextEncoder(vocabulary(phrases().seen.values()))
    pool = _pool(work / f"tmr_pool_{kind}.pt", names)
    if hold_out:
        features = joint_features(pool["joints"][:1500].float()).flatten(0, 1)  # type: ignore[index]
        network.mean.copy_(features.mean(0))
        network.scale.copy_(features.std(0).clamp_min(0.05))
    else:
        before = torch.load(work / "tmr_split.pt", weights_only=True)
        network.load_state_dict(before["network"])
    optimizer = torch.optim.AdamW(network.parameters(), LEARNING_RATES[hold_out], weight_decay=0.05)
    clock, path = Clock(minutes), work / f"tmr_{kind}.pt"
    if path.exists():
        stored = torch.load(path, weights_only=True)
        network.load_state_dict(stored["network"])
        optimizer.load_state_dict(stored["optimizer"])
        clock.spent_seconds, clock.step = stored["spent_seconds"], stored["step"]
    batches, saved, shown = Batches(names, pool, network), clock.spent_seconds, []
    network.train()
    while clock.progress < 1:
        with clock.stepping():
            joints, lengths, bags, target = batches.draw(clock.step)
            with autocast("cpu"):
                found = network.encode_joints(joints, lengths).float()
                texts = network.encode_bags(bags).float()
            loss = contrastive(found, texts, target, network.log_scale)
            for group in optimizer.param_groups:
                group["lr"] = clock.rate * LEARNING_RATES[hold_out]
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            shown.append(loss.item())
        done = clock.progress >= 1
        if done or clock.spent_seconds - saved > 60:
            saved = clock.spent_seconds
            mean = sum(shown[-100:]) / len(shown[-100:])
            print(f"step {clock.step}  {saved / 60:.1f} min  loss {mean:.3f}", flush=True)
            state = {"network": network.state_dict(), "optimizer": optimizer.state_dict()}
            torch.save(
                {**state, "spent_seconds": saved, "step": clock.step}, path.with_suffix(".part")
            )
            path.with_suffix(".part").replace(path)
    return network.eval().requires_grad_(False)


def _pool(path: Path, names: list[str]) -> dict[str, object]:
    if not path.exists():
        torch.save(joint_windows(names, POOL, SEED), path)
    found: dict[str, object] = torch.load(path, weights_only=True)
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Train the encoder of motions and texts")
    parser.add_argument("--work", type=Path, required=True, help="where the checkpoint goes")
    parser.add_argument("--minutes", type=float, default=3.5)
    parser.add_argument("--hold-out", action="store_true", help="without the unseen clips")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    arguments.work.mkdir(parents=True, exist_ok=True)
    train(arguments.work, arguments.minutes, arguments.hold_out)
