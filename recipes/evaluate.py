"""How well the published models name what training never showed them.

    python -m recipes.evaluate --data DIR --work DIR

Loads the folders as any user would, with open_clip, and writes `recipes/results.json` and the
`evaluation` of each `guidance.json`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recipes import model as towers
from recipes import publish
from recipes.attack import push
from recipes.corpus import Corpus
from recipes.data import faces
from recipes.data.pool import Pool
from recipes.retrieval import EncodeText, held_out_numbers, name_vectors, ranked, retrieval, whole

ATTACK_EPS, ATTACK_STEPS = 1.0, 10  # L2 radius in [0, 1] at the model's own size
FOUND_BY = {  # caption forms that are compared for each attribute of a face
    "hair": "face with {} hair",
    "mouth": "{} face",
    "glasses": "face {} glasses",
}


def robust(
    model: nn.Module, encode_text: EncodeText, config: dict[str, Any], corpus: Corpus
) -> tuple[float, float]:
    """R@1 and R@5 of the held-out drawings after an L2 attack on their cross-entropy."""
    with torch.no_grad():
        names = name_vectors(encode_text, corpus.names)
    true, scale = held_out_numbers(corpus), model.logit_scale.exp().item()

    def loss(images: Tensor) -> Tensor:
        return F.cross_entropy(scale * towers.encode_image(model, images, config) @ names.T, true)

    draw = torch.Generator().manual_seed(0)
    pushed = push(whole(corpus.held_out, config), loss, ATTACK_EPS, ATTACK_STEPS, draw)
    with torch.no_grad():
        right = ranked(model, pushed, encode_text, config, corpus)
    return right[:, 0].float().mean().item(), right.any(1).float().mean().item()


@torch.no_grad()
def attribute_accuracy(
    model: nn.Module, encode_text: EncodeText, config: dict[str, Any], unseen: Pool
) -> dict[str, float]:
    """Share of unseen avatars whose hair colour, expression and glasses are named rightly."""
    encoded = towers.encode_image(model, whole(unseen, config), config)
    known = faces.attributes(unseen)
    found = {}
    for attribute, form in FOUND_BY.items():
        rows = [i for i, face in enumerate(known) if face[attribute] is not None]
        values = [_word(known[i][attribute]) for i in rows]
        choices = sorted(set(values))
        texts = name_vectors(encode_text, [form.format(choice) for choice in choices])
        best = (encoded[rows] @ texts.T).argmax(1).tolist()
        right = [choices[b] == value for b, value in zip(best, values, strict=True)]
        found[attribute] = sum(right) / len(right)
    return found


def _word(value: str | bool) -> str:
    """A yes or no about glasses as the word that the form takes."""
    return value if isinstance(value, str) else ("with" if value else "without")


def evaluate(name: str, data: Path, work: Path) -> dict[str, Any]:
    """All figures of one published model."""
    import open_clip

    recipe, folder = publish.RECIPES[name], publish.WEIGHTS / name
    corpus = Corpus(data, work / "pools", recipe.mix, recipe.seed)
    model, _ = open_clip.create_model_from_pretrained(f"local-dir:{folder}")
    tokenize = open_clip.get_tokenizer(f"local-dir:{folder}")
    model.eval().requires_grad_(False)
    config = json.loads((folder / "open_clip_config.json").read_text())

    def encode_text(texts: list[str]) -> Tensor:
        return F.normalize(model.encode_text(tokenize(texts)).float(), dim=-1)

    first, fifth = retrieval(model, encode_text, config, corpus)
    robust_first, robust_fifth = robust(model, encode_text, config, corpus)
    unseen = faces.split(faces.cached_pool(data, work / "pools"))[1]
    accuracy = attribute_accuracy(model, encode_text, config, unseen)
    return {
        "held_out_drawings": len(corpus.held_out.captions),
        "names": len(corpus.names),
        "r_at_1": round(first, 3),
        "r_at_5": round(fifth, 3),
        "attacked_r_at_1": round(robust_first, 3),
        "attacked_r_at_5": round(robust_fifth, 3),
        "attack": {"norm": "L2", "eps": ATTACK_EPS, "steps": ATTACK_STEPS, "pixels": recipe.size},
        "unseen_avatars": len(unseen.captions),
        "attributes": {key: round(value, 3) for key, value in accuracy.items()},
        "megabytes": round(sum(f.stat().st_size for f in folder.iterdir()) / 1e6, 1),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Evaluate the published models")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("names", nargs="*", default=list(publish.RECIPES))
    arguments = parser.parse_args()
    path = Path(__file__).with_name("results.json")
    results = json.loads(path.read_text()) if path.exists() else {}
    for name in arguments.names:
        results[name] = evaluate(name, arguments.data, arguments.work)
        publish.add_evaluation(name, results[name])
        print(name, json.dumps(results[name], indent=1))
    path.write_text(json.dumps(results, indent=1) + "\n")
