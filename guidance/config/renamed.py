"""Old names of options. They are accepted for one edition, with a line that names the new one.

Configurations of schema version 1 use the old names too. Remove an entry with the next edition.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any

from guidance.config.flags import key_of, peek, without


@dataclass(frozen=True)
class Rule:
    """How an old option maps to new ones.

    Exactly one of: a new `name`; a weight of a `loss`; an option `of_loss` that keeps its name or
    has a new one; a `component` that is chosen if the value is `when`.
    """

    name: str | None = None
    loss: str | None = None  # its weight is the old value
    of_loss: str | None = None  # the loss that has the option now
    component: tuple[str, str] | None = None  # the field and the name that are chosen
    when: Any = None  # the value for which the component is chosen; others need nothing
    value: Callable[[Any], Any] | None = None  # from the old value to the new one
    switch: bool = False  # a flag without a value
    example: str = ""  # added to the advice

    def advice(self, old: str) -> str:
        """What to write instead."""
        if self.loss is not None:
            return f'--loss "...,{self.loss}:WEIGHT"'
        if self.component is not None:
            return f"--{self.component[0]} {self.component[1]}"
        new = f"--{(self.name or old).replace('_', '-')}{self.example}"
        return f'--loss "...,{self.of_loss}" {new}' if self.of_loss else new


#: For all tasks.
ALL = {
    "sharpen": Rule("contrastive_weight"),
    "view_words": Rule("view_prompts", switch=True),
    "image_prompt": Rule("style", example=" image:FILE"),
}
OF_TASK: dict[str, dict[str, Rule]] = {
    "text2image": {
        "region": Rule("region_prompt"),
        "palette": Rule("palette", of_loss="palette"),
        "palette_weight": Rule(loss="palette"),
        "edge": Rule("border_color", of_loss="border"),
        "edge_weight": Rule(loss="border"),
        "smoothness": Rule(loss="smoothness"),
        "symmetry": Rule(loss="symmetry"),
        "reference": Rule("reference", of_loss="lpips"),
        "lpips": Rule(loss="lpips"),
        "lpips_network": Rule("backbone", of_loss="lpips"),
    },
    "text2mesh": {
        "surface": Rule(component=("mode", "generate_grid"), when="grid"),
        "deform_by": Rule(component=("mode", "deform_normals"), when="normals"),
        "asymmetric": Rule("symmetric", value=lambda on: not on, switch=True),
    },
    "stylize": {
        "picture": Rule("image"),
        "sharpen": Rule(loss="contrastive"),
        "patch": Rule(loss="patches"),
        "direction": Rule(loss="directional"),
        "content": Rule(loss="content"),
    },
    "edit": {
        "picture": Rule("image"),
        "total_variation": Rule(loss="total_variation"),
    },
}


def rules(task: str) -> Mapping[str, Rule]:
    """The old options of a task."""
    return {**ALL, **OF_TASK.get(task, {})}


def old_flags(
    task: str, words: Sequence[str], known: Callable[[str], bool], loss: str
) -> tuple[list[str], list[str]]:
    """Flags with old names as flags with new ones, and a line about each.

    Args:
        known: whether an option of that name is accepted as it is.
        loss: the losses of the task by default.
    """
    table = rules(task)
    found: list[str] = []
    notes: list[str] = []
    extra: dict[str, Any] = {}
    last: list[str] = []  # take precedence over flags with the same name
    images: list[str] = []
    waiting = list(words)
    while waiting:
        word = waiting.pop(0)
        key = key_of(word) or ""
        rule = table.get(key)
        if rule is None or known(key):
            found.append(word)
            continue
        _, equals, value = word.partition("=")
        if not equals and not rule.switch and waiting:
            value = waiting.pop(0)
        given: Any = True if rule.switch else value
        notes.append(f"--{key.replace('_', '-')} is an old name; use {rule.advice(key)}")
        if key == "image_prompt":
            images.append(value)
            continue
        for new, what in _new(rule, key, given, extra).items():
            flag = new.replace("_", "-")
            (last if rule.component else found).append(
                f"--{flag}={what}" if not rule.switch else f"--{flag}" if what else f"--no-{flag}"
            )
    found = [*without(found, [key_of(word) for word in last]), *last]
    if images:
        style = _style(images, peek(found, "style"))
        found = [*without(found, ["style"]), f"--style={style}"]
    if extra:
        losses = _with([loss, *peek(found, "loss")][-1], extra)
        found = [*without(found, ["loss"]), f"--loss={losses}"]
    return found, notes


def old_values(task: str, values: Mapping[str, Any], loss: str) -> dict[str, Any]:
    """The values of a configuration of schema version 1 by their new names."""
    table = rules(task)
    found: dict[str, Any] = {}
    last: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    for key, value in _independent(task, values).items():
        if value is None or value == []:  # version 1 wrote these for what was not given
            continue
        rule = table.get(key)
        if rule is None:
            found[key] = value
        else:
            (last if rule.component else found).update(_new(rule, key, value, extra))
    found |= last
    if extra:
        found["loss"] = _with(str(found.get("loss", loss)), extra)
    return found


def _independent(task: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of version 1, where the meaning of some depended on others."""
    found = dict(values)
    if images := found.pop("image_prompt", None):
        style = found.get("style")
        found["style"] = _style(images, [style] if style else [])
    if task == "text2image" and found.get("generator") == "grid":
        # Its only colors; other generators were drawn to them by a loss.
        colors = found.pop("palette", None)
        if colors:
            found["generator"] = {"kind": "grid", "palette": colors}
    if task == "text2mesh" and found.get("mode") == "generate":
        found["symmetric"] = not found.pop("asymmetric", False)
    elif task == "text2mesh":
        found.pop("asymmetric", None)
    if task == "stylize":
        found.pop("loss", None)  # always "cosine"
    return found


def _style(images: Any, styles: Sequence[str]) -> str:
    """The style with images, which every prompt gets."""
    paths = images if isinstance(images, list) else [images]
    return " | ".join([*(f"image:{path}" for path in paths), *styles[-1:]])


def _new(rule: Rule, old: str, value: Any, extra: MutableMapping[str, Any]) -> dict[str, Any]:
    """The new options; losses and their weights go to `extra`."""
    if rule.loss is not None:
        extra[rule.loss] = value
        return {}
    if rule.component is not None:
        return {rule.component[0]: rule.component[1]} if value == rule.when else {}
    if rule.of_loss is not None:
        extra.setdefault(rule.of_loss, 1.0)
    return {rule.name or old: value if rule.value is None else rule.value(value)}


def _with(text: str, extra: Mapping[str, Any]) -> str:
    """Losses as text, with others added or given another weight."""
    parts = {part.partition(":")[0].strip(): part.strip() for part in text.split(",")}
    for name, weight in extra.items():
        if str(weight) in ("0", "0.0"):
            parts.pop(name, None)
        else:
            parts[name] = f"{name}:{weight}"
    return ",".join(parts.values())
