"""How well the encoder of motions and texts knows what it was not trained on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from guidance.motion.bank import load_bank
from guidance.motion.networks.encoder import MotionTextEncoder
from recipes.mini_tmr import UNSEEN, phrases
from recipes.motion_pool import joint_windows, long_clip

#: Windows of the evaluation on new augmentations; training has other seeds.
WINDOWS, WINDOWS_SEED = 600, 4321


def ranked(similarity: Tensor, right: Sequence[int]) -> dict[str, float]:
    """The share of rows whose right column is the best, and is among the best three."""
    own = similarity.gather(1, torch.tensor(right)[:, None])
    rank = (similarity > own).sum(1)
    return {
        "count": len(right),
        "R@1": round((rank < 1).float().mean().item(), 3),
        "R@3": round((rank < 3).float().mean().item(), 3),
    }


@torch.no_grad()
def held_out_paraphrases(network: MotionTextEncoder) -> dict[str, Any]:
    """Known clips and the paraphrases that were held out: the clip of a text, and back."""
    names, held_out = list(load_bank().labels), phrases().held_out
    motions = _motions(network, names)
    sets = [network.encode_text([held_out[name][i] for name in names]) for i in range(2)]
    places = list(range(len(names)))
    return {
        "text_to_clip": ranked(torch.cat(sets) @ motions.T, places * 2),
        "clip_to_text": ranked(torch.cat([motions @ texts.T for texts in sets]), places * 2),
        "clip_to_label": ranked(motions @ _labels(network, names).T, places),
        "chance_R@1": round(1 / len(names), 4),
    }


@torch.no_grad()
def held_out_clips(network: MotionTextEncoder) -> dict[str, Any]:
    """Clips that were held out with all their texts, among all clips and all labels.

    A clip is right by class if the label that is closest is its own or that of a trained clip of
    the same kind of action. `chance_by_class` is the share of such labels.
    """
    names, unseen = list(load_bank().labels), list(UNSEEN)
    motions, labels = _motions(network, names), _labels(network, names)
    places = [names.index(name) for name in unseen]
    found = (motions[places] @ labels.T).topk(3).indices.tolist()
    same = [{name, *UNSEEN[name]} for name in unseen]
    by_class = [
        sum(any(names[i] in kind for i in top[:k]) for top, kind in zip(found, same, strict=True))
        for k in (1, 3)
    ]
    return {
        "label_to_clip": ranked(labels[places] @ motions.T, places),
        "clip_to_label": ranked(motions[places] @ labels.T, places),
        "clip_to_label_by_class": {
            "count": len(unseen),
            "R@1": round(by_class[0] / len(unseen), 3),
            "R@3": round(by_class[1] / len(unseen), 3),
        },
        "chance_by_class": round(sum(map(len, same)) / len(unseen) / len(names), 3),
        "nearest_labels": {
            name: [names[i] for i in top] for name, top in zip(unseen, found, strict=True)
        },
    }


@torch.no_grad()
def new_augmentations(network: MotionTextEncoder) -> dict[str, Any]:
    """Windows of known clips that are changed in ways that were not trained on."""
    names = list(load_bank().labels)
    pool: Any = joint_windows(names, WINDOWS, WINDOWS_SEED)
    found = network.encode_joints(pool["joints"].float(), pool["lengths"])
    similarity = found @ _labels(network, names).T
    result = {}
    for relation in ("", "while", "then"):
        rows = [i for i, kind in enumerate(pool["relation"]) if kind == relation]
        first = [names.index(pool["first"][i]) for i in rows]
        key = {"": "alone", "while": "arms_of_another_clip", "then": "before_another_clip"}
        result[key[relation]] = ranked(similarity[rows], first)
    return result


def prompts(network: MotionTextEncoder, lines: Sequence[str]) -> dict[str, Any]:
    """Prompts of benchmarks/motions.txt, none of which is a phrase of the bank."""
    names = list(load_bank().labels)
    pairs = [line.rsplit(" : ", 1) for line in lines if line.strip() and line[0] != "#"]
    right = [[names.index(name.strip()) for name in each.split("|")] for _, each in pairs]
    similarity = network.encode_text([text for text, _ in pairs]) @ _motions(network, names).T
    best = [
        max(each, key=lambda i: float(row[i])) for row, each in zip(similarity, right, strict=True)
    ]
    return ranked(similarity, best)


def _motions(network: MotionTextEncoder, names: Sequence[str]) -> Tensor:
    """Clips as text2motion shows them: a loop lasts a few seconds."""
    return torch.stack([network.encode_motion(long_clip(name, False, 3.0)) for name in names])


def _labels(network: MotionTextEncoder, names: Sequence[str]) -> Tensor:
    bank = load_bank()
    return network.encode_text([bank.labels[name].label for name in names])
