"""A page of hits: one HTML file without scripts, which loads nothing.

Thumbnails are part of the file. The policy in its head allows these and its own style, and nothing
else, whatever a prompt or the name of a file contains.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from hashlib import sha256
from html import escape

from guidance.errors import InputError
from guidance.media.pixels import Frame, resized_frame
from guidance.media.read_image import load_image
from guidance.media.read_video import sampled_frames
from guidance.media.write_image import encode_jpeg
from guidance.prompts import Prompt
from guidance.search.commands_for import commands_for
from guidance.search.hits import Hit
from guidance.search.times import clock
from guidance.texts import encodable, one_line

SIDE = 224  # pixels of the longer side of a thumbnail
STYLE = """
:root { color-scheme: light dark; --line: #8884; --quiet: #767676; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 76rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 2.5rem 0 .75rem; overflow-wrap: anywhere; }
p { color: var(--quiet); margin: 0 0 1.5rem; }
ol { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(11rem, 1fr));
     list-style: none; margin: 0; padding: 0; }
li { border: 1px solid var(--line); border-radius: .5rem; overflow: hidden; }
.picture { align-items: center; background: #fff; display: flex; height: 11rem;
           justify-content: center; color: #555; }
img { height: 100%; object-fit: contain; width: 100%; }
.text { font-size: .875rem; padding: .5rem .75rem .75rem; overflow-wrap: anywhere; }
.score { font-variant-numeric: tabular-nums; font-weight: 600; }
.time { color: var(--quiet); }
summary { cursor: pointer; color: var(--quiet); }
code { display: block; font-size: .75rem; margin-top: .5rem; user-select: all; }
"""


def hits_page(title: str, queries: Mapping[str, tuple[Prompt, Sequence[Hit]]]) -> str:
    """The page of the hits of one or more queries.

    Args:
        title: of the page.
        queries: each query as text, with its prompt and its hits.
    """
    digest = base64.b64encode(sha256(STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'"
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="referrer" content="no-referrer">',
        f"<title>{_text(title)}</title><style>{STYLE}</style></head><body>",
        f"<h1>{_text(title)}</h1>",
        "<p>The score is the weighted sum of cosines of the image and the phrases of the query."
        " Open a card for commands that continue from its image.</p>",
    ]
    for text, (prompt, hits) in queries.items():
        parts.append(f"<h2>{_text(text)}</h2><ol>")
        parts += [_card(hit, prompt) for hit in hits]
        parts.append("</ol>")
    return "\n".join((*parts, "</body></html>\n"))


def _card(hit: Hit, prompt: Prompt) -> str:
    time = f' <span class="time">{clock(hit.start)} - {clock(hit.stop)}</span>'
    commands = "".join(f"<code>{_text(line)}</code>" for line in commands_for(hit, prompt).values())
    more = f"<details><summary>{_text(hit.path.name)}</summary>"
    more += f"<code>{_text(hit.item.path)}</code>{commands}</details>"
    score = f'<span class="score">{hit.score:.3f}</span>{time if hit.is_video else ""}'
    return (
        f'<li><div class="picture">{_picture(hit)}</div><div class="text">{score}{more}</div></li>'
    )


def _picture(hit: Hit) -> str:
    """The thumbnail of a hit; a text where its file is gone, changed or damaged."""
    if not hit.is_there:
        return "missing or changed"
    try:
        thumbnail = _thumbnail(hit)
    except InputError:
        return "cannot be read"
    data = base64.b64encode(encode_jpeg(thumbnail, 85)).decode()
    return f'<img alt="{_text(hit.path.name)}" src="data:image/jpeg;base64,{data}">'


def _thumbnail(hit: Hit) -> Frame:
    if hit.is_video:
        frame = _frame_at(hit)
    else:
        pixels = (load_image(hit.path, "image") * 255).round().byte()
        frame = pixels.permute(1, 2, 0).contiguous().numpy()
    height, width = frame.shape[:2]
    factor = min(1.0, SIDE / max(height, width))
    return resized_frame(frame, max(1, round(height * factor)), max(1, round(width * factor)))


def _frame_at(hit: Hit) -> Frame:
    """The first frame of the best scene."""
    for frame, time in sampled_frames(hit.path, 0.0):
        if time >= hit.best - 1e-3:
            return frame
    raise InputError(f"{hit.path}: has no frame at {clock(hit.best)}")


def _text(text: str) -> str:
    return escape(encodable(one_line(text)))
