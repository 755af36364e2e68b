"""Valid configurations of each task, as YAML and inside files of a run."""

from __future__ import annotations

import contextlib
import json
import random
from typing import Any

from benchmarks.reliability.inputs.mutate import mutated, mutated_json

COMMANDS: tuple[tuple[str, ...], ...] = (
    ("text2image", "--prompt", "a red heart", "--negative", "blue", "--loss", "clip,sds:0.5"),
    (
        "text2image",
        "--prompt",
        "a pizza",
        "--generator",
        "pyramid",
        "--frames",
        "3",
        "--at",
        "50% b",
    ),
    ("text2image", "--prompt", "a pear", "--learning-rate", "1 -> 0.1 cosine", "--style", "b:0.5"),
    ("text2mesh", "--prompt", "a pear", "--mode", "generate"),
    ("text2mesh", "--prompt", "a pear", "--mesh", "sphere", "--mode", "texture", "--texels", "64"),
    ("stylize", "--image", "photo.png", "--prompt", "fire"),
    ("edit", "--image", "photo.png", "--source", "a", "--prompt", "b", "--loss", "pds"),
)


def config_inputs() -> list[dict[str, Any]]:
    """The resolved configurations of some runs, with their headers."""
    from guidance.commands.run import find_task, parse_task
    from guidance.config.files import as_mapping

    found = []
    for name, *words in COMMANDS:
        task = parse_task(find_task(name), name, words)
        found.append(json.loads(json.dumps(as_mapping(task, name))))
    return found


def config_file(values: list[dict[str, Any]], draw: random.Random) -> bytes:
    """A damaged config.yaml: wrong values, or wrong YAML."""
    import yaml

    chosen = draw.choice(values)
    if draw.random() < 0.6:
        chosen = mutated_json(chosen, draw)
    text = json.dumps(chosen)  # is YAML as well
    if isinstance(chosen, dict) and draw.random() < 0.8:
        with contextlib.suppress(RecursionError):
            text = yaml.safe_dump(chosen, sort_keys=False)
    content = text.encode(errors="replace")
    if draw.random() < 0.4:
        content = (
            _syntax(content, draw) if draw.random() < 0.5 else mutated(content, [content], draw)
        )
    return content


#: What YAML knows beyond plain values.
SYNTAX = (
    b"!!python/object/apply:os.system [touch x]", b"!!int x", b"!!binary x", b"&a [*a]", b"*a",
    b"<<: {a: 1}", b"2026-99-99", b"0x" + b"f" * 5000, b"1:2:3", b"? [a]\n: b", b"|\n  a", b"\t",
    b"---\n---", b"%YAML 9.9\n---", b"{" * 2000, b"- " * 2000, b"!!timestamp x", b"=", b"!!set {a}",
    b"!!float 1e", b"'\\x1b'", b'"\\x1b]0;t\\x07"', b"\xef\xbb\xbf", b"1e400", b".inf", b".nan",
)  # fmt: skip


def _syntax(content: bytes, draw: random.Random) -> bytes:
    lines = content.split(b"\n")
    at = draw.randrange(len(lines))
    key, colon, _ = lines[at].partition(b":")
    piece = draw.choice(SYNTAX)
    lines[at] = key + b": " + piece if colon and draw.random() < 0.7 else piece
    return b"\n".join(lines)
