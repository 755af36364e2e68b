"""Old names of options. They are accepted for one edition, with a line that names the new one.

Configurations of schema version 1 use the old names too. Remove an entry with the next edition.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any

from guidance.config.flags import key_of


@dataclass(frozen=True)
class Rule:
    """What became of an old option.

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

    def advice(self, old: str) -> str:
        """What to write instead."""
        if self.loss is not None:
            return f'--loss "...,{self.loss}:WEIGHT"'
        if self.component is not None:
            return f"--{self.component[0]} {self.component[1]}"
        new = f"--{(self.name or old).replace('_', '-')}"
        return f'--loss "...,{self.of_loss}" {new}' if self.of_loss else new


def _as_style(paths: Any) -> str:
    """Image prompts as the style of all prompts."""
    items = paths if isinstance(paths, list) else [paths]
    return " | ".join(f"image:{path}" for path in items)


#: For all tasks.
ALL = {
    "sharpen": Rule("contrastive_weight"),
    "view_words": Rule("view_prompts", switch=True),
    "image_prompt": Rule("style", value=_as_style),
}
OF_TASK: dict[str, dict[str, Rule]] = {
    "text2image": {
        "region": Rule("region_prompt"),
        "noise_norm": Rule("norm_weight"),
        "palette": Rule("palette", of_loss="palette"),
        "palette_weight": Rule(loss="palette"),
        "edge": Rule("border_color", of_loss="border"),
        "edge_weight": Rule(loss="border"),
        "smoothness": Rule(loss="smoothness"),
        "symmetry": Rule(loss="symmetry"),
        "reference": Rule("reference", of_loss="lpips"),
        "lpips": Rule(loss="lpips"),
        "lpips_network": Rule("network", of_loss="lpips"),
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
        for new, what in _new(rule, key, given, extra).items():
            flag = new.replace("_", "-")
            found += (
                [f"--{flag}" if what else f"--no-{flag}"] if rule.switch else [f"--{flag}={what}"]
            )
    if extra:
        texts = [w for w in found if key_of(w) == "loss" and "=" in w]
        at = next((i for i, w in enumerate(found) if w == "--loss"), None)
        base = texts[-1].partition("=")[2] if texts else found[at + 1] if at is not None else loss
        found.append(f"--loss={_with(base, extra)}")
    return found, notes


def old_values(task: str, values: Mapping[str, Any], loss: str) -> dict[str, Any]:
    """The values of a configuration of schema version 1 by their new names."""
    table = rules(task)
    found: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    for key, value in values.items():
        rule = table.get(key)
        if value is None or (rule is not None and value in (False, [], "")):
            continue
        if rule is None:
            found[key] = value
        else:
            found |= _new(rule, key, value, extra)
    if extra:
        found["loss"] = _with(str(found.get("loss", loss)), extra)
    return found


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
