"""What `guide search query` prints and writes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from guidance.commands.search_query import Answer
from guidance.commands.search_request import QueryRequest
from guidance.errors import InputError
from guidance.search.commands_for import commands_for
from guidance.search.hits import Hit
from guidance.search.times import clock
from guidance.streams import say
from guidance.texts import encodable


def print_hits(answers: Sequence[Answer], request: QueryRequest) -> None:
    """Prints the hits of each prompt as JSON, or as a table."""
    if request.json:
        values = [
            {"query": answer.query.text, "hits": [_values(hit, answer) for hit in answer.hits]}
            for answer in answers
        ]
        print(encodable(json.dumps(values, indent=1, ensure_ascii=False)))
        return
    for answer in answers:
        if len(answers) > 1:
            print(answer.query.text)
        for rank, hit in enumerate(answer.hits, 1):
            time = f"  {clock(hit.start)} - {clock(hit.stop)}" if hit.is_video else ""
            print(f"{rank:>3}  {hit.score:6.3f}  {hit.item.path}{time}")
            if request.commands:
                for line in commands_for(hit, answer.query.prompt).values():
                    print(f"             {line}")


def write_hits_page(path: Path, answers: Sequence[Answer]) -> Path:
    """Writes the page of the hits."""
    from guidance.runs.atomic import write_text
    from guidance.search.page import hits_page

    queries = {answer.query.text: (answer.query.prompt, answer.hits) for answer in answers}
    title = next(iter(queries)) if len(queries) == 1 else f"{len(queries)} searches"
    return write_text(path, hits_page(title, queries))


def copy(answers: Sequence[Answer], folder: Path) -> None:
    """Copies the files of the hits, with their rank before their names.

    Files that are missing or were changed are left out, with a note.

    Raises:
        InputError: a file of that name is there already, or the folder is not writable.
    """
    from guidance.runs.atomic import os_errors

    several = len(answers) > 1
    count = 0
    for number, answer in enumerate(answers, 1):
        for rank, hit in enumerate(answer.hits, 1):
            if not hit.is_there:
                say(f"guide: not copied, because it is missing or was changed: {hit.item.path}")
                continue
            prefix = f"{number:02}-{rank:03}" if several else f"{rank:03}"
            target = folder / f"{prefix}-{hit.path.name}"
            with os_errors(target):
                folder.mkdir(parents=True, exist_ok=True)
                if target.exists():
                    raise InputError(f"{target}: is there already; name another folder")
                shutil.copyfile(hit.path, target)
            count += 1
    say(f"guide: {count} files copied to {folder}")


def _values(hit: Hit, answer: Answer) -> dict[str, object]:
    return {**hit.as_json(), "commands": dict(commands_for(hit, answer.query.prompt))}
