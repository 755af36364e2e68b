"""`guide list`: tasks and components."""

from __future__ import annotations

from guidance.config.kinds import (
    CAMERAS,
    ENCODERS,
    IMAGE_GENERATORS,
    LOSSES,
    MESH_MODES,
    STYLE_GENERATORS,
    TASKS,
    names,
)
from guidance.errors import InputError

KINDS = {
    "tasks": TASKS,
    "generators of text2image": IMAGE_GENERATORS,
    "generators of stylize": STYLE_GENERATORS,
    "modes of text2mesh": MESH_MODES,
    "losses": LOSSES,
    "cameras": CAMERAS,
    "encoders": ENCODERS,
}


def run(words: list[str]) -> int:
    """Runs the command and returns its exit code."""
    if words in (["-h"], ["--help"]):
        print("usage: guide list\n\nLists tasks, generators, mesh modes and losses.")
        return 0
    if words:
        raise InputError(f"list: takes no arguments, got {words[0]!r:.40}")
    for title, kind in KINDS.items():
        print(f"{title}:")
        for name, line in names(kind).items():
            print(f"  {name:<20} {line}")
        print()
    print("docs/generators.md shows an image of each generator.")
    return 0
