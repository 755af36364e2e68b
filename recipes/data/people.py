"""People in clothes and costumes, in the poses of the bank's motions, seen from all around.

The embedded body is painted by `recipes.data.costumes` or with plain clothes; what is worn, what
is done and the side that is seen are known, so that captions are true by construction.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch

from guidance.body.body import Body
from guidance.body.load import load_body
from guidance.generators.mesh.param.body_parts import part_weights
from guidance.motion.bank import load_bank
from recipes.data import colors
from recipes.data.canvas import MAP, Canvas
from recipes.data.costumes import COSTUMES, belt, buttons
from recipes.data.meshes import drawn
from recipes.data.pool import SIDE, Pool, cached

COUNT, SEED, UNSEEN = 5600, 91, 600
#: Actions that one pose shows: words for it, and the clips that show it.
ACTIONS: dict[str, tuple[str, ...]] = {
    "walking": ("walk", "walk_formal", "march", "stairs"), "running": ("run", "jog", "run_anime"),
    "jumping": ("jump", "long_jump", "hop"), "waving": ("wave", "wave_both"),
    "kicking": ("kick", "side_kick"), "punching": ("left_jab", "right_jab", "uppercut", "cross"),
    "sitting": ("sit", "sit_talk"), "kneeling": ("kneel", "kneel_tired"),
    "crouching": ("crouch", "squat"), "lying down": ("sleep",), "crawling": ("crawl", "crawl_low"),
    "dancing": ("charleston", "dance", "disco", "twist_dance", "robot_dance"),
    "dancing ballet": ("ballet",), "pointing": ("point",), "saluting": ("salute",),
    "bowing": ("bow",), "clapping": ("clap",), "cheering": ("cheer", "fist_pump", "victory"),
    "throwing": ("throw",), "climbing": ("climb",), "swimming": ("swim",),
    "doing a handstand": ("handstand",), "flying": ("fly", "superman"), "reading": ("read",),
    "praying": ("pray",), "shrugging": ("shrug",), "thinking": ("think",), "standing": ("stand",),
    "with crossed arms": ("cross_arms",), "with hands on hips": ("hands_on_hips",),
    "with raised hands": ("hands_up",), "doing push-ups": ("pushup", "plank"),
    "doing yoga": ("tree", "warrior"), "lifting weights": ("lift_weight",),
    "playing the guitar": ("guitar",), "fighting": ("fight", "defend"), "hugging": ("hug",),
    "meditating": ("meditate",),
}  # fmt: skip
#: Kept for the evaluation: training sees none of their clips.
UNSEEN_ACTIONS = ("throwing", "praying", "swimming")
TOPS = {  # noun: parts that it covers
    "coat": "torso arms hips thighs", "jacket": "torso arms", "sweater": "torso arms",
    "shirt": "torso arms", "T-shirt": "torso upper_arms", "dress": "torso upper_arms hips thighs",
    "vest": "torso",
}  # fmt: skip
BOTTOMS = {"trousers": "hips legs", "jeans": "hips legs", "shorts": "hips thighs",
           "skirt": "hips thighs"}  # fmt: skip
PATTERNS = ("plain", "plain", "plain", "plain", "striped", "dotted", "checkered")
#: Who a person in a costume is, and what is done: two templates and the answers of each.
QUESTIONS: dict[str, tuple[tuple[str, str], tuple[str, ...]]] = {
    "costume": (("{}", "an image of {}"), tuple(nouns[0] for nouns, _ in COSTUMES)),
    "action": (("person {}", "someone {}"), tuple(ACTIONS)),
}
COSTUMED = 0.58  # share of images with a costume


@dataclass(frozen=True)
class Surface:
    """What the painting needs of the embedded body."""

    body: Body
    faces: np.ndarray  # [f, 3]
    at_points: np.ndarray  # [p, 4 + k]: place, z of the normal, weights of parts
    uv: np.ndarray  # [f, 3, 2]
    kinds: np.ndarray  # [h, w], index in `canvas.KINDS`

    @classmethod
    @cache
    def embedded(cls) -> Surface:
        body = load_body("cc0")
        assert body.uv is not None and body.face_uv is not None and body.base_color is not None
        template, faces = body.template.double().numpy(), body.faces.long().numpy()
        corners = template[faces]
        face_normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        normals = np.zeros_like(template)
        np.add.at(normals, faces.ravel(), np.repeat(face_normals, 3, 0))
        normals /= np.linalg.norm(normals, axis=1, keepdims=True).clip(1e-12)
        at_points = np.concatenate([template, normals[:, 2:], part_weights(body).numpy()], 1)
        image = body.base_color.permute(1, 2, 0).numpy() * 255
        kinds = ((image[:, :, None] - MAP) ** 2).sum(-1).argmin(-1)
        return cls(body, faces, at_points, body.uv.numpy()[body.face_uv.numpy()], kinds)

    def canvas(self, f: np.ndarray, w: np.ndarray, random: np.random.Generator) -> Canvas:
        """The canvas of points by their faces and their weights of the corners."""
        values = (self.at_points[self.faces[f]] * w[:, :, None]).sum(1)
        uv = (self.uv[f] * w[:, :, None]).sum(1)
        size = len(self.kinds)
        column, row = (np.clip(uv * size, 0, size - 1)).astype(int).T
        part = values[:, 4:].argmax(1)
        return Canvas.of(values[:, :3], values[:, 3], part, self.kinds[row, column], random)


@dataclass
class Person:
    """Who is drawn, and the words for that."""

    nouns: tuple[str, ...]  # the most common word first
    clothes: tuple[str, ...] = ()  # "red coat", "blue jeans"


def _dressed(canvas: Canvas, random: np.random.Generator) -> Person:
    """Plain clothes: a top and a bottom in named colors, some with a pattern."""
    top = str(random.choice(list(TOPS)))
    hues = [str(each) for each in random.choice(colors.NAMES, 4, replace=False)]
    pattern = str(random.choice(PATTERNS))
    words = []
    bottom = "" if top in ("coat", "dress") and random.random() < 0.8 else str(
        random.choice(list(BOTTOMS))
    )  # fmt: skip
    if bottom:
        hue = hues[1] if bottom != "jeans" else "blue"
        canvas.put(colors.paint(hue, random), BOTTOMS[bottom])
        words.append(f"{hue} {bottom}")
    else:
        canvas.put(colors.paint(hues[1], random), "legs")
    if top == "vest":
        canvas.put(colors.paint(hues[3], random), "torso arms")
    if top in ("jacket", "coat") and random.random() < 0.4:
        canvas.put(colors.paint(hues[3], random), "torso")
        canvas.put(colors.paint(hues[0], random), canvas.at(TOPS[top]) & ~canvas.box(
            (-0.05, 0.05), (0.9, 1.6)))  # fmt: skip
    else:
        canvas.put(colors.paint(hues[0], random), TOPS[top])
    if pattern != "plain":
        where = {
            "striped": canvas.stripes(random.uniform(0.07, 0.14)),
            "dotted": canvas.spots(0.09, 0.025),
            "checkered": np.sin(np.abs(canvas.x) / 0.03) * np.sin(canvas.y / 0.03) > 0,
        }[pattern]
        canvas.put(colors.paint(hues[2], random), canvas.at(TOPS[top]) & where)
    if random.random() < 0.3:
        buttons(canvas, hues[3])
    if random.random() < 0.3:
        belt(canvas, "dark brown", "gold")
    shoes = str(random.choice(["black", "brown", "white", "red"]))
    canvas.put(shoes, "feet" if random.random() < 0.7 else canvas.at("feet") | (
        canvas.at("shins") & (canvas.leg > 0.7)))  # fmt: skip
    said = [f"{hues[0]} {top}"]
    if pattern != "plain":
        said.append(f"{pattern} {top}")
    if random.random() < 0.25:
        hue = str(random.choice(colors.NAMES))
        canvas.put(colors.paint(hue, random), canvas.at("head") & (canvas.y > 1.722))
        words.append(f"{hue} hat")
    noun = str(random.choice(["person", "person", "man", "woman"]))
    return Person((noun,), (*said, *words))


def captions(person: Person, action: str, side: str, close: bool) -> list[str]:
    """What is true of an image, the fullest first."""
    noun, plain = person.nouns[0], not person.clothes
    wearing = f"{noun} in a {person.clothes[0]}" if person.clothes else noun
    shown = {"back": "the back of {}", "side": "{}, side view"}.get(side, "{}")
    face = "the face of {}"

    def a(text: str) -> str:
        return f"{'an' if text[0].lower() in 'aeiou' else 'a'} {text}"

    if close:
        found = [face.format(a(wearing)) if plain else f"{wearing}, close-up"]
        found += [wearing, *person.nouns] if plain else [wearing]
        return [*found, f"portrait of {a(wearing)}"]
    found = [f"{wearing} {action}", wearing]
    if side == "back":
        found = [shown.format(a(wearing)), f"{wearing} seen from behind", *found]
    elif side == "side":
        found += [shown.format(wearing)]
    found += [*person.nouns] if plain else []
    found += [f"{each} {action}" for each in person.nouns] + [f"person {action}"]
    if plain and not noun.startswith(("person", "golden", "stone", "bronze", "wooden", "tiger")):
        found += [f"person dressed as {a(noun)}", f"{noun} costume"]
    for piece in person.clothes:
        plural = piece.split()[-1] in ("trousers", "jeans", "shorts")
        found += [piece, f"person in {piece if plural else a(piece)}"]
    if len(person.clothes) > 1:
        found += [f"{noun} in a {person.clothes[0]} and {person.clothes[-1]}"]
    return found


def make(seed: int, actions: dict[str, tuple[str, ...]], count: int) -> Pool:
    """`count` views; every second person does one of the actions at its most telling time."""
    surface = Surface.embedded()
    pictures = np.empty((count, SIDE, SIDE, 4), np.uint8)
    said = []
    for index in range(count):
        random = np.random.default_rng([seed, index])
        action = str(random.choice(list(actions)))
        places = _posed(surface.body, str(random.choice(actions[action])), random)
        close = random.random() < 0.16
        azimuth = float(random.normal(0, 45) if random.random() < 0.75 else random.uniform(0, 360))
        if close:
            azimuth = float(np.clip(azimuth, -70, 70)) if abs(azimuth) < 180 else 0.0
        elevation = float(random.uniform(-8, 25))
        person = Person(("person",))

        def paint(f: np.ndarray, w: np.ndarray, random: np.random.Generator = random) -> np.ndarray:
            nonlocal person
            canvas = surface.canvas(f, w, random)
            if random.random() < COSTUMED:
                nouns, costume = COSTUMES[int(random.integers(len(COSTUMES)))]
                costume(canvas)
                person = Person(nouns)
            else:
                person = _dressed(canvas, random)
            return canvas.color

        gloss = (float(random.uniform(0, 0.15)), float(random.uniform(8, 30)))
        placed, near = _framed(surface, places, close)
        pictures[index] = drawn(
            placed, surface.faces, paint, random,
            gloss=gloss, angles=(-azimuth, elevation), near=near,
        )  # fmt: skip
        turned = abs((azimuth + 180) % 360 - 180)
        side = "front" if turned < 55 else "side" if turned < 125 else "back"
        said.append(captions(person, action, side, close))
    return Pool("people", pictures, said)


def _framed(surface: Surface, places: np.ndarray, close: bool) -> tuple[np.ndarray, float]:
    """The vertices so that the body, or its head, fills the image; and the depth's scale."""
    shown = places
    if close:
        shown = places[surface.at_points[:, 1] > 1.5]
        shown = shown[surface.at_points[surface.at_points[:, 1] > 1.5, 4:6].sum(1) > 0.5]
    center = (shown.max(0) + shown.min(0)) / 2
    radius = float(np.linalg.norm(shown - center, axis=1).max()) * (1.1 if close else 0.95)
    return (places - center) / radius, 0.15 if close else 1.0


@torch.no_grad()
def _posed(body: Body, clip: str, random: np.random.Generator) -> np.ndarray:
    """Vertices at a time at which the pose differs from standing as much as in most frames."""
    motion = load_bank().clips[clip]
    away = motion.rotations - torch.eye(3)
    away[:, 0] = 0
    sizes = away.flatten(1).norm(dim=1)
    telling = torch.nonzero(sizes >= sizes.median()).flatten()
    frame = int(telling[int(random.integers(len(telling)))])
    rotations = motion.rotations[frame].clone()
    if random.random() < 0.5:
        rotations = motion.mirrored().rotations[frame].clone()
    forward = rotations[0][:, 2]
    turn = float(torch.atan2(forward[0], forward[2])) if abs(float(forward[1])) < 0.8 else 0.0
    cos, sin = float(np.cos(-turn)), float(np.sin(-turn))
    rotations[0] = torch.tensor([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]]) @ rotations[0]
    betas = torch.from_numpy(random.normal(0, 0.8, (1, body.num_components))).float()
    placed = body.posed(rotations[None], body.rest[None, body.pelvis], betas)
    found: np.ndarray = placed[0].double().numpy()
    return found


def seen_and_unseen(cache_folder: Path) -> tuple[Pool, Pool]:
    """The people to train on, and those for the evaluation, some of whom do unseen actions."""
    shown = {action: names for action, names in ACTIONS.items() if action not in UNSEEN_ACTIONS}
    seen = cached("people", cache_folder, lambda: make(SEED, shown, COUNT))
    return seen, cached("people-unseen", cache_folder, lambda: make(SEED + 1, ACTIONS, UNSEEN))


def answers(pool: Pool) -> np.ndarray:
    """Which answer to each of the `QUESTIONS` is right, `int64 [m, 2]`, read from captions."""
    found = np.full((len(pool.captions), 2), -1)
    costumes, actions = (values for _, values in QUESTIONS.values())
    for row, captions in enumerate(pool.captions):
        said = set(captions)
        worn = [number for number, noun in enumerate(costumes) if noun in said]
        done = [number for number, action in enumerate(actions) if f"person {action}" in said]
        found[row] = worn[0] if worn else -1, done[0] if done else -1
    return found
