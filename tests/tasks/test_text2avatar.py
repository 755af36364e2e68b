"""Avatars from prompts: words, files, resuming, independence, and the number of encodes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from guidance import cli
from guidance.body.load import load_body
from guidance.encoders.openclip import OpenClip
from guidance.errors import InputError
from guidance.generators.mesh.param.body_marks import MARKS
from guidance.generators.mesh.param.outfit import Outfit
from guidance.loop.optimize import optimize
from guidance.motion.bank import load_bank
from guidance.prompts import Prompt
from guidance.tasks.avatar.costume import color_named, costumes, start_outfit
from guidance.tasks.avatar.part_prompt import PARTS, PartPrompt, named, parse_parts
from guidance.tasks.avatar.recipe import wanted
from guidance.tasks.avatar.wording import describe, female
from guidance.tasks.text2avatar import TextToAvatar

SMALL: dict[str, Any] = {
    "body": "capsule",
    "texels": 32,
    "resolution": 32,
    "crops": 1,
    "poses": 2,
    "steps": 2,
    "offsets_from": 0,
    "judge": False,
}


@pytest.mark.parametrize(
    ("prompt", "appearance", "action"),
    [
        ("an astronaut walking", "an astronaut", "walking"),
        ("a knight in armour kicking", "a knight in armour", "kicking"),
        ("a person in a red coat waving", "a person in a red coat", "waving"),
        ("a superhero in a blue suit", "a superhero in a blue suit", ""),
        ("a woman with long dreadlocks", "a woman with long dreadlocks", ""),
    ],
)
def test_a_prompt_is_split_into_appearance_and_action(
    prompt: str, appearance: str, action: str
) -> None:
    found = describe(Prompt.parse(prompt), load_bank())
    assert (found.prompt.text, found.action) == (appearance, action)


def test_clothes_cover_parts_and_the_rest_is_kept() -> None:
    found = wanted(Prompt.parse("a man in a red shirt and blue jeans"), "", (), "auto", words=True)
    assert [(named(each.parts), each.prompt.text) for each in found.parts] == [
        ("torso, arms", "a red shirt"),
        ("legs, hips", "blue jeans"),
    ]
    assert found.change == set(parse_parts("torso+arms+hips+legs", ""))
    assert found.outfit.colors["chest"] == color_named("red")
    assert found.outfit.colors["shins"] == color_named("blue")
    given = (PartPrompt.parse("torso=a green vest"),)
    own = wanted(Prompt.parse("a man in a red shirt"), "", given, "none", words=False)
    assert own.parts == given and own.change == set(PARTS) and own.outfit == Outfit()


def test_words_for_women_and_men_choose_the_shape_at_the_start() -> None:
    prompts = ["a woman in a red coat", "a fireman running", "an astronaut", "the king's queen"]
    assert [female(Prompt.parse(text)) for text in prompts] == [0.5, -0.5, 0.0, -0.5]
    task = TextToAvatar(prompt=prompts[:3], body="cc0", texels=32, resolution=32, judge=False)
    betas = task.build().generator.betas
    body = load_body("cc0")
    assert torch.equal(betas[0], body.betas(female=0.5))
    assert torch.equal(betas[1], -betas[0]) and not bool(betas[2].any())
    shaped = TextToAvatar(prompt=prompts[0], shape=["female=0", "height_cm=5"], texels=32)
    assert torch.equal(shaped.build().generator.betas[0], body.betas(height_cm=5))


def test_costumes_name_known_parts_and_colors() -> None:
    known = {*PARTS, *MARKS}
    assert all(
        each.paint and {place for place, _ in each.paint} <= known for each in costumes().values()
    )
    outfit, name = start_outfit(Prompt.parse("a police officer"), ())
    assert name == "police officer" and "face" not in outfit.colors and "chest" in outfit.colors
    assert start_outfit(Prompt.parse("a cup of tea"), ()) == (Outfit(), "")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--part", "tail=a tail"], "part 'tail': 'tail' is none of head, torso"),
        (["--part", "a helmet"], 'expected PART=PROMPT, e.g. "head=a helmet"'),
        (["--shape", "height_cm=tall"], "expected CONTROL=NUMBER"),
        (["--shape", "wings=2"], "--shape: capsule has no 'wings'; its controls are none"),
        (["--motion", "missing.bvh"], "missing.bvh: no such file"),
        (["--keep", "tail"], "--keep 'tail': 'tail' is none of head"),
    ],
)
def test_mistakes_are_one_line(
    flags: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["run", "text2avatar", "--prompt", "a clown", "--body", "capsule", *flags]
    with pytest.raises(SystemExit) as stopped:
        cli.main([*words, "--output", str(tmp_path)])
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err


def finished(folder: Path, **options: Any) -> TextToAvatar:
    return TextToAvatar(prompt="a clown walking", output=folder, **{**SMALL, **options})


def test_a_run_writes_its_files_and_counts_encodes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = 0
    encode = OpenClip.encode_image

    def counting(self: OpenClip, images: torch.Tensor) -> torch.Tensor:
        nonlocal counted
        counted += len(images)
        return encode(self, images)

    monkeypatch.setattr(OpenClip, "encode_image", counting)
    run = finished(tmp_path).run()
    names = {path.name for path in run.samples[0].files}
    assert names >= {"avatar.glb", "avatar.vrm", "texture.png", "turntable.mp4", "contact.png"}
    done = json.loads((run.folder / "DONE.json").read_text())
    assert done["samples"][0]["facts"]["image_encodes"] == counted > 0
    text = (run.folder / "avatar.glb").read_bytes()
    assert b'"animations"' in text and b"a clown walking" in text


def test_an_interrupted_run_continues_to_the_bit(tmp_path: Path) -> None:
    whole = finished(tmp_path / "whole").run()
    stopped = finished(tmp_path / "stopped")

    def stop(event: Any) -> None:
        if getattr(event, "step", 0) == 1:
            raise KeyboardInterrupt

    with pytest.raises(BaseException):  # noqa: B017
        stopped.run([stop])
    (folder,) = (tmp_path / "stopped" / "text2avatar").iterdir()
    again = stopped.run(folder=folder)
    for name in ("texture.png", "avatar.vrm"):
        assert (again.folder / name).read_bytes() == (whole.folder / name).read_bytes()


def test_samples_do_not_depend_on_each_other() -> None:
    found = []
    for other in ("a zombie", "a knight running"):
        task = TextToAvatar(prompt=["an astronaut walking", other], **SMALL)
        plan = task.build()
        optimize(plan.generator, plan.losses, task.settings(), views=plan.views)
        found.append([p[0].detach().clone() for p in plan.generator.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


def test_a_prompt_is_needed() -> None:
    with pytest.raises(InputError, match="text2avatar: no prompt"):
        TextToAvatar(**SMALL).build()
