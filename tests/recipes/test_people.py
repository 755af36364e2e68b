"""The pools of people: what is painted, and that captions are true of it."""

from __future__ import annotations

import numpy as np
import pytest

from recipes.data import people
from recipes.data.canvas import Canvas
from recipes.data.costumes import COSTUMES, panda, skeleton


def canvas(seed: int) -> Canvas:
    """A canvas of some faces of the embedded body, at their centers."""
    surface = people.Surface.embedded()
    faces = np.arange(0, len(surface.faces), 5)
    return surface.canvas(faces, np.full((len(faces), 3), 1 / 3), np.random.default_rng(seed))


def test_every_costume_covers_a_good_part_of_the_body() -> None:
    bare = canvas(3).color
    for nouns, paint in COSTUMES:
        dressed = canvas(3)
        paint(dressed)
        changed = (np.abs(dressed.color - bare).max(1) > 20).mean()
        assert changed > 0.15, nouns
        assert dressed.color.min() >= 0 and dressed.color.max() <= 255, nouns


def test_costumes_look_like_their_names() -> None:
    bones, animal = canvas(1), canvas(1)
    skeleton(bones)
    limbs = bones.color[bones.at("arms legs")].mean(1)
    assert (limbs < 80).any() and (limbs > 180).any()
    panda(animal)
    assert animal.color[animal.at("legs")].max() < 90
    assert animal.color[animal.at("belly")].min() > 180


@pytest.fixture(scope="module")
def pool() -> people.Pool:
    return people.make(5, {"kicking": ("kick",), "sitting": ("sit",)}, 6)


def test_captions_say_the_action_and_answers_are_read_from_them(pool: people.Pool) -> None:
    costumes, actions = (values for _, values in people.QUESTIONS.values())
    answers = people.answers(pool)
    for captions, (costume, action) in zip(pool.captions, answers, strict=True):
        if action >= 0:
            assert actions[action] in ("kicking", "sitting")
            assert f"person {actions[action]}" in captions
        if costume >= 0:
            assert costumes[costume] in captions
            assert not any(" in a " in each and "shirt" in each for each in captions)
    assert (answers[:, 1] >= 0).any()


def test_people_fill_the_image_and_depend_on_the_seed_only(pool: people.Pool) -> None:
    inside = (pool.pictures[..., 3] > 128).mean((1, 2))
    assert (inside > 0.05).all() and (inside < 0.9).all()
    again = people.make(5, {"kicking": ("kick",), "sitting": ("sit",)}, 2)
    np.testing.assert_array_equal(again.pictures, pool.pictures[:2])


def test_unseen_actions_are_actions() -> None:
    assert set(people.UNSEEN_ACTIONS) < set(people.ACTIONS)
