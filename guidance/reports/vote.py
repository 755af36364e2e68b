"""`guide report --vote`: a page that asks a person which of two results fits a prompt better."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import combinations

from guidance.errors import InputError
from guidance.reports.items import Item, make_items
from guidance.reports.media import FACES, Budget, Medium, kind_of, read_medium
from guidance.reports.page import Source, render
from guidance.runs.summary import shown

#: The most pairs of a page: half an hour of a person's time.
MOST_PAIRS = 300
SCHEMA_VERSION = 1


def vote_page(source: Source, seed: int, megabytes: float) -> str:
    """A page of pairs of results of the same prompt, in random order and without names.

    Args:
        seed: of the choice, the order and the sides of the pairs.

    Raises:
        InputError: no prompt has two results that fit into the page.
    """
    budget, problems = Budget(round(megabytes * 1e6)), list[str]()
    media: dict[str, Medium] = {}
    for item in make_items(source.done):
        medium = _medium(item, problems)
        if medium is not None and budget.takes(medium, item.place):
            media[item.id] = medium
    items = [item for item in make_items(source.done) if item.id in media]
    pairs = choose_pairs(items, seed)
    if not pairs:
        raise InputError(
            "report: --vote needs two results of the same prompt; run it with --samples 2, or with "
            "other options, and name all runs"
        )
    used = {item.id for pair in pairs for item in pair}
    return render(
        "vote.html",
        ["base.css", "vote.css"],
        ["media.js", "vote.js"],
        title="Which one fits better?",
        contents=[(key, m.mime, m.base64) for key, m in media.items() if key in used],
        problems=problems,
        omitted=budget.omitted,
        data={
            "schema_version": SCHEMA_VERSION,
            "seed": seed,
            "pairs": [
                {
                    "prompt": first.sample.prompt,
                    "sides": [
                        {"id": i.id, "kind": media[i.id].kind, "title": "", "name": name(i),
                         "pixels": max(media[i.id].width, media[i.id].height)}
                        for i in (first, second)
                    ],
                }
                for first, second in pairs
            ],
        },
    )  # fmt: skip


def choose_pairs(items: Sequence[Item], seed: int) -> list[tuple[Item, Item]]:
    """Pairs of results of the same prompt, drawn evenly over prompts, with random sides."""
    rng = random.Random(seed)
    by_prompt: dict[str, list[Item]] = {}
    for item in items:
        by_prompt.setdefault(item.sample.prompt, []).append(item)
    lists = [list(combinations(each, 2)) for each in by_prompt.values() if len(each) > 1]
    for each in lists:
        rng.shuffle(each)
    chosen: list[tuple[Item, Item]] = []
    while len(chosen) < MOST_PAIRS and any(lists):
        chosen += [each.pop() for each in lists if each]
    chosen = chosen[:MOST_PAIRS]
    rng.shuffle(chosen)
    return [(b, a) if rng.random() < 0.5 else (a, b) for a, b in chosen]


def name(item: Item) -> str:
    """The name of a result in votes; see `guidance.evaluate.votes.vote_name`."""
    return f"{shown(item.run.folder.resolve().name)}#{item.index}"


def _medium(item: Item, problems: list[str]) -> Medium | None:
    """What a person sees of a result: the image, or the turntable of a mesh."""
    by_name = {path.name: path for path in item.sample.files if kind_of(path) in ("image", "video")}
    for known in FACES:
        if known in by_name:
            try:
                return read_medium(item.run.folder, by_name[known], item.run.hashes)
            except InputError as error:
                problems.append(shown(str(error)))
    return None
