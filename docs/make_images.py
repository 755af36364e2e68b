"""Makes the small images of docs/generators.md: one prompt and one seed for all generators.

    python docs/make_images.py [NAME ...] [--preset draft|normal|best]

Without names it makes all of them, in a few minutes on two cores. Run it again when the embedded
models change. Generators that change an image or a mesh start from a green apple or a sphere.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import guidance as gd
from guidance.media.write_video import encode_mp4

PROMPT, SEED, SIDE = "a red apple", 0, 160
#: What the embedded StyleGAN network can show.
PORTRAIT = "a person with red hair and glasses"
SOURCE = "a green apple"
IMAGES = Path(__file__).parent / "images" / "generators"
#: The most bytes of one image; all together stay below 300 KB.
MOST = 16_000
FLAT = (
    "cutout", "pyramid", "wavelet", "fourier", "siren", "grid", "strokes", "pixels",
    "latent", "noise",
)  # fmt: skip
MESHES = ("stylize", "texture", "deform", "deform_normals", "generate", "generate_grid")


def flat(name: str, prompt: str, preset: str, folder: Path) -> Path:
    """An image by a generator of text2image."""
    run = gd.TextToImage(prompt=prompt, generator=name, **common(preset, folder)).run()
    return run.folder / "image.png"


def common(preset: str, folder: Path) -> dict[str, Any]:
    return {"preset": preset, "seed": SEED, "judge": False, "output": folder}


def changed(name: str, preset: str, folder: Path) -> Path:
    """A green apple, made red by a network, for a video, or inside a mask."""
    picture = flat("cutout", SOURCE, preset, folder)
    options: dict[str, Any] = {"image": picture, "source": SOURCE, "size": 128}
    if name == "masked":
        levels = np.asarray(Image.open(picture).convert("L")) * 0
        levels[:, levels.shape[1] // 2 :] = 255
        options["mask"] = folder / "mask.png"
        Image.fromarray(levels).save(options["mask"])
    if name == "video":
        given = np.asarray(Image.open(picture).convert("RGB"))
        frames = [np.roll(given, shift, 1) for shift in range(-8, 9, 2)]
        options["image"] = folder / "clip.mp4"
        options["image"].write_bytes(encode_mp4(frames, 12, least_side=2))
    run = gd.Stylize(prompt=PROMPT, **options, **common(preset, folder)).run()
    return run.folder / "image.png"


def edited(name: str, preset: str, folder: Path) -> Path:
    """A green apple whose latents are moved until it is red."""
    picture = flat("cutout", SOURCE, preset, folder)
    options: dict[str, Any] = {"image": picture, "source": SOURCE, "size": 128}
    return gd.Edit(prompt=PROMPT, **options, **common(preset, folder)).run().folder / "image.png"


def mesh(name: str, preset: str, folder: Path) -> Path:
    """The first fixed view of a mesh."""
    run = gd.TextToMesh(prompt=PROMPT, mode=name, **common(preset, folder)).run()
    return sorted((run.folder / "preview").glob("*.png"))[-1]


MAKERS: dict[str, Callable[[str, str, Path], Path]] = {
    **{name: lambda name, preset, folder: flat(name, PROMPT, preset, folder) for name in FLAT},
    "stylegan": lambda name, preset, folder: flat(name, PORTRAIT, preset, folder),
    **dict.fromkeys(("unet", "video", "masked"), changed),
    "latent_edit": edited,
    **dict.fromkeys(MESHES, mesh),
}


def shrink(made: Path, target: Path) -> None:
    """A JPEG of `SIDE` pixels per side and at most `MOST` bytes."""
    picture = Image.open(made).convert("RGB")
    kind = Image.Resampling.NEAREST if picture.width < SIDE else Image.Resampling.LANCZOS
    picture = picture.resize((SIDE, SIDE), kind)
    for quality in (90, 80, 65, 50):
        picture.save(target, "JPEG", quality=quality, optimize=True)
        if target.stat().st_size <= MOST:
            return
    raise SystemExit(f"{target}: {target.stat().st_size} bytes at the least quality")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(MAKERS))
    parser.add_argument("--preset", choices=("draft", "normal", "best"), default="normal")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(MAKERS):
        parser.error(f"no image of {', '.join(sorted(unknown))}; use {', '.join(MAKERS)}")
    IMAGES.mkdir(parents=True, exist_ok=True)
    for name in arguments.names or MAKERS:
        with tempfile.TemporaryDirectory() as folder:
            shrink(MAKERS[name](name, arguments.preset, Path(folder)), IMAGES / f"{name}.jpg")
        print(IMAGES / f"{name}.jpg", flush=True)


if __name__ == "__main__":
    main()
