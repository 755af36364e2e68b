"""The commands that continue from a hit."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from guidance.prompts import Prompt, plain_text
from guidance.search.hits import Hit


def commands_for(hit: Hit, prompt: Prompt) -> Mapping[str, str]:
    """Commands that start from an image: a new image, an edit, and an edit of a face.

    A video has none: a task starts from an image.

    Args:
        hit: the image.
        prompt: of the query, which is also what the result should show; another text may be given.
    """
    if hit.is_video:
        return {}
    file, words = shlex.quote(hit.item.path), shlex.quote(plain_text(prompt))
    return {
        "text2image": f"guide run text2image --generator pyramid --start {file} --prompt {words}",
        "edit": f"guide run edit --image {file} --source {words} --prompt '...'",
        "style_edit": f"guide run style_edit --image {file} --prompt {words}",
    }
