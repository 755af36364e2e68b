"""Evaluates the published models on held-out data.

    python -m recipes.evaluate --data DIR --work DIR

Loads the folders with open_clip, as users do, and writes `recipes/results.json` and the
`evaluation` of each `guidance.json`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recipes import model as towers
from recipes import publish
from recipes.attack import push
from recipes.corpus import Corpus
from recipes.data import faces, groups, people, portrait_pool
from recipes.retrieval import (
    EncodeText,
    attribute_accuracy,
    name_vectors,
    numbers,
    ranked,
    retrieval,
    titles_retrieval,
    whole,
)

ATTACK_EPS, ATTACK_STEPS = 1.0, 10  # L2 radius in [0, 1] at the model's own size
COUNT_CONCEPTS, COUNT_SEED = 200, 99  # images of two to four unseen drawings


def robust(
    model: nn.Module, encode_text: EncodeText, config: dict[str, Any], corpus: Corpus
) -> tuple[float, float]:
    """R@1 and R@5 of the held-out drawings after an L2 attack on their cross-entropy."""
    with torch.no_grad():
        names = name_vectors(encode_text, corpus.names)
    true, scale = numbers(corpus, corpus.held_out), model.logit_scale.exp().item()

    def loss(images: Tensor) -> Tensor:
        return F.cross_entropy(scale * towers.encode_image(model, images, config) @ names.T, true)

    draw = torch.Generator().manual_seed(0)
    pushed = push(whole(corpus.held_out, config), loss, ATTACK_EPS, ATTACK_STEPS, draw)
    with torch.no_grad():
        right = ranked(model, pushed, encode_text, config, corpus.names) == true[:, None]
    return right[:, 0].float().mean().item(), right.any(1).float().mean().item()


@torch.no_grad()
def count_accuracy(
    model: nn.Module, encode_text: EncodeText, config: dict[str, Any], corpus: Corpus
) -> float:
    """Share of images of two, three or four drawings, all of them unseen, that are counted."""
    assert corpus.unseen_style is not None
    words = frozenset(c[0] for c in corpus.unseen_style.captions)
    pictures = groups.make(corpus.unseen_style, words, COUNT_CONCEPTS, COUNT_SEED)
    counted = [
        (i, *captions[0].split(" ", 1))
        for i, captions in enumerate(pictures.captions)
        if captions[0].split()[0] in groups.COUNTS.values()
    ]
    encoded = towers.encode_image(
        model, whole(pictures.select(np.array([i for i, *_ in counted])), config), config
    )
    choices = list(groups.COUNTS.values())
    right = 0
    for picture, (_, count, noun) in zip(encoded, counted, strict=True):
        texts = name_vectors(encode_text, [f"{choice} {noun}" for choice in choices])
        right += choices[int((texts @ picture).argmax())] == count
    return right / len(counted)


@torch.no_grad()
def korean_retrieval(
    model: nn.Module, encode_text: EncodeText, config: dict[str, Any], corpus: Corpus
) -> float:
    """R@1 of the held-out drawings among all Korean names."""
    names = list(corpus.korean)
    rows = [i for i, c in enumerate(corpus.held_out.captions) if c[0] in corpus.korean]
    true = torch.tensor([names.index(corpus.held_out.captions[i][0]) for i in rows])
    texts = encode_text([corpus.korean[name] for name in names])
    pictures = whole(corpus.held_out.select(np.array(rows)), config)
    best = (towers.encode_image(model, pictures, config) @ texts.T).argmax(1)
    return (best == true).float().mean().item()


def evaluate(name: str, data: Path, work: Path) -> tuple[dict[str, Any], list[str]]:
    """All metrics of one published model, and the names of all concepts."""
    import open_clip

    recipe, folder = publish.RECIPES[name], publish.WEIGHTS / name
    corpus = recipe.corpus(data, work)
    model, _ = open_clip.create_model_from_pretrained(f"local-dir:{folder}")
    tokenize = open_clip.get_tokenizer(f"local-dir:{folder}")
    model.eval().requires_grad_(False)
    config = json.loads((folder / "open_clip_config.json").read_text())

    def encode_text(texts: list[str]) -> Tensor:
        return F.normalize(model.encode_text(tokenize(texts)).float(), dim=-1)

    assert corpus.unseen_style is not None
    first, fifth = retrieval(model, encode_text, config, corpus, corpus.held_out)
    style = retrieval(model, encode_text, config, corpus, corpus.unseen_style)
    robust_first, robust_fifth = robust(model, encode_text, config, corpus)
    accuracy = {
        view: {
            what: round(share, 3)
            for what, share in attribute_accuracy(model, encode_text, config, shown).items()
        }
        for view, shown in corpus.unseen_faces.items()
    }
    portraits = portrait_pool.unseen_pool(data, work / "pools")
    known = np.array(
        [not any(a in c[0] for a in people.UNSEEN_ACTIONS) for c in corpus.unseen_people.captions]
    )
    groups_of_people = {
        "people": corpus.unseen_people.select(np.flatnonzero(known)),
        "people, unseen actions": corpus.unseen_people.select(np.flatnonzero(~known)),
        "portraits": portraits,
    }
    accuracy |= {
        name: {
            what: round(share, 3)
            for what, share in attribute_accuracy(model, encode_text, config, shown).items()
        }
        for name, shown in groups_of_people.items()
    }
    titles = titles_retrieval(model, encode_text, config, corpus.unseen_clipart)
    figures = {
        "held_out_drawings": len(corpus.held_out.captions),
        "names": len(corpus.names),
        "r_at_1": round(first, 3),
        "r_at_5": round(fifth, 3),
        "unseen_style": recipe.unseen_style,
        "unseen_style_drawings": len(corpus.unseen_style.captions),
        "unseen_style_r_at_1": round(style[0], 3),
        "unseen_style_r_at_5": round(style[1], 3),
        "korean_r_at_1": round(korean_retrieval(model, encode_text, config, corpus), 3),
        "counts": round(count_accuracy(model, encode_text, config, corpus), 3),
        "attacked_r_at_1": round(robust_first, 3),
        "attacked_r_at_5": round(robust_fifth, 3),
        "attack": {"norm": "L2", "eps": ATTACK_EPS, "steps": ATTACK_STEPS, "pixels": recipe.size},
        "unseen_avatars": faces.UNSEEN,
        "attributes": accuracy,
        "clipart_titles": len({c[0] for c in corpus.unseen_clipart.captions}),
        "clipart_r_at_1": round(titles[0], 3),
        "clipart_r_at_5": round(titles[1], 3),
        "megabytes": round(sum(f.stat().st_size for f in folder.iterdir()) / 1e6, 1),
    }
    return figures, corpus.names


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Evaluate the published models")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("names", nargs="*", default=list(publish.RECIPES))
    arguments = parser.parse_args()
    path = Path(__file__).with_name("results.json")
    results = json.loads(path.read_text()) if path.exists() else {}
    for name in arguments.names:
        results[name], names = evaluate(name, arguments.data, arguments.work)
        publish.add_evaluation(name, results[name], names)
        print(name, json.dumps(results[name], indent=1))
    path.write_text(json.dumps(results, indent=1) + "\n")
