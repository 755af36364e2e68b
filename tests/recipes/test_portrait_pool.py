"""The captions of portraits, and the answers that are read back from them."""

from __future__ import annotations

import numpy as np

from recipes.captions import contradict
from recipes.data import faces, portrait_pool
from recipes.data import portrait_factors as factors
from recipes.data.pool import Pool, cached


def _pool(count: int) -> tuple[Pool, dict[str, np.ndarray]]:
    drawn = factors.sample(count, np.random.default_rng(8), 1.0)
    captions = [
        portrait_pool.said({name: each[i] for name, each in drawn.items()}) for i in range(count)
    ]
    return Pool("portraits", np.zeros((count, 2, 2, 4), np.uint8), captions), drawn


def test_answers_read_from_captions_are_the_attributes() -> None:
    pool, drawn = _pool(300)
    answers = dict(zip(faces.QUESTIONS, portrait_pool.answers(pool).T, strict=True))
    np.testing.assert_array_equal(answers["length"], factors.lengths(drawn))
    for what, attribute in (("skin", "skin"), ("eyes", "eyes"), ("shirt", "clothes_color")):
        np.testing.assert_array_equal(answers[what], drawn[attribute])
    np.testing.assert_array_equal(answers["beard"], 1 - drawn["beard"])  # "with" comes first
    np.testing.assert_array_equal(answers["glasses"], 1 - drawn["glasses"])
    hair = [faces.QUESTIONS["hair"][1][i] for i in answers["hair"]]
    assert hair == [factors.ATTRIBUTES["hair_color"][i] for i in drawn["hair_color"]]
    smiling = answers["mouth"] == faces.QUESTIONS["mouth"][1].index("smiling")
    np.testing.assert_array_equal(smiling, drawn["mouth"] < 2)


def test_captions_do_not_contradict_each_other() -> None:
    pool, _ = _pool(200)
    import random

    for captions in pool.captions:
        assert len(set(captions)) > 20
        for caption in captions:
            false = contradict(caption, random.Random(caption))
            assert false not in captions, (caption, false)


def test_a_cached_pool_is_read_as_it_was_made(tmp_path) -> None:
    pool, _ = _pool(3)
    pool.pictures[1, 0, 1] = 7
    made = cached("some", tmp_path, lambda: pool)
    again = cached("some", tmp_path, lambda: 1 / 0)  # type: ignore[arg-type]
    for found in (made, again):
        np.testing.assert_array_equal(found.pictures, pool.pictures)
        assert found.captions == pool.captions
