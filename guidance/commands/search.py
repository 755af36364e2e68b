"""`guide search`: an index of images and videos, which prompts find."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

from guidance.errors import InputError
from guidance.streams import say

HELP = """\
usage: guide search build INDEX PLACE...   make an index of files and folders, or continue one
       guide search add INDEX PLACE...     add files; what is there already is not embedded again
       guide search remove INDEX FILE...   remove files, by path or by id
       guide search query INDEX PROMPT...  the images and segments of videos that match a prompt
       guide search verify INDEX           damaged parts, and files that are missing or were changed
       guide search dedupe INDEX           groups of images that look the same
       guide search classify ...           the same as guide classify

INDEX is a folder of its own. Images and videos are recognized by their content; one that cannot be
read is reported and left out. A build that was interrupted continues when it is run again.

build, add
  --encoder E      (default: mini) of `guide models list`, hf-hub:ORG/REPO or local-dir:FOLDER; an
                   index has one encoder, and others are refused
  --device D       cpu, cuda, mps or auto (default)

query: PROMPT as in docs/prompts.md, with weights ("apple | leaf:-0.5"), image:FILE, and audio:FILE
for indices of --encoder imagebind; weights are plain numbers. The order is that of `--loss clip`
with whole images: the best hit has the smallest loss.
  --negative P     what the images should not show; may be repeated
  --region R       'sky.png="a blue sky"', a prompt for the inside (white) of a mask; it orders the
                   200 best images; may be repeated
  --templates T    default, plain, or a file with wordings such as "a photo of {}"
  --count N        hits of each prompt (default: 20)
  --least S        leave out hits with a smaller score
  --json           print JSON
  --page FILE      write an HTML page of the hits, which loads nothing
  --copy FOLDER    copy the files of the hits there
  --commands       print commands that continue from each image
  --backend B      exact (default); usearch: a graph, approximate, for millions of images; qdrant: a
                   server
  --server URL     of qdrant; without it, the vectors are held in memory, which is slow
  --device D       (default: cpu)

remove
  --missing        all files that are not at their place any more

verify: exits with 1 if something is wrong
  --content        compare the content of all files, not only their size and time
  --heal           remove damaged parts; `add` then embeds their files again
  --json           print JSON

dedupe
  --least C        the cosine of two images of one group (default: 0.985)
  --drop           remove all but the largest file of each group from the index; no file is deleted
  --json           print JSON
"""


def run(words: list[str]) -> int:
    """Runs the command and returns its exit code."""
    if not words or words[0] in ("-h", "--help") or words[1:2] in (["-h"], ["--help"]):
        if words[:1] == ["classify"]:
            return _classify(words[1:])
        print(HELP, end="")
        return 0 if words else InputError.exit_code
    commands: dict[str, Callable[[list[str]], int]] = {
        "build": _build,
        "add": _add,
        "remove": _remove,
        "query": _query,
        "verify": _verify,
        "dedupe": _dedupe,
        "classify": _classify,
    }
    if words[0] not in commands:
        raise InputError(f"search: expected one of {', '.join(commands)}, got {words[0]!a:.40}")
    return commands[words[0]](words[1:])


def _build(words: list[str]) -> int:
    from guidance.commands.search_request import parse_build
    from guidance.search.manifest import NAME, read_manifest

    request = parse_build(words)
    known = read_manifest(request.index).encoder.name if (request.index / NAME).exists() else None
    _embed(request.index, request.places, request.encoder or known or "mini", request.device)
    return 0


def _add(words: list[str]) -> int:
    from guidance.commands.search_request import parse_build
    from guidance.search.manifest import read_manifest

    request = parse_build(words)
    known = read_manifest(request.index).encoder.name
    _embed(request.index, request.places, request.encoder or known, request.device)
    return 0


def _embed(index: Path, places: tuple[Path, ...], encoder: str, device: str) -> None:
    for place in places:  # before anything heavy is imported
        if not place.exists():
            raise InputError(f"{place}: no such file or folder")

    from guidance.models.devices import find_device
    from guidance.search.collection import Collection

    collection, report = Collection.built(index, places, encoder, find_device(device))
    print(f"{report}; {index} has {len(collection)} files")


def _remove(words: list[str]) -> int:
    from guidance.commands.search_request import parse_remove
    from guidance.search.store import Store, locked

    request = parse_remove(words)
    with locked(request.index):
        store = Store.open(request.index)
        items = list(store.items())
        ids = request.ids(items)
        store = store.changed(remove=frozenset(ids)) if ids else store
    print(f"{len(ids)} removed; {request.index} has {store.manifest.files} files")
    return 0


def _query(words: list[str]) -> int:
    from guidance.commands.search_output import copy, print_hits, write_hits_page
    from guidance.commands.search_query import answers
    from guidance.commands.search_request import parse_query

    request = parse_query(words)
    found = answers(request)
    print_hits(found, request)
    if request.page is not None:
        say(f"guide: {write_hits_page(request.page, found)}")
    if request.copy is not None:
        copy(found, request.copy)
    return 0


def _verify(words: list[str]) -> int:
    from guidance.commands.search_request import parse_verify
    from guidance.search.manifest import read_manifest
    from guidance.search.store import locked
    from guidance.search.verify import healed, verify

    request = parse_verify(words)
    problems = list(verify(request.index, content=request.content))
    lines = [{"what": p.what, "path": str(p.path), "reason": p.reason} for p in problems]
    if request.json:
        print(json.dumps(lines, indent=1))
    else:
        for problem in problems:
            reason = f" ({problem.reason})" if problem.reason else ""
            print(f"{problem.what:<8} {problem.path}{reason}")
    manifest = read_manifest(request.index)
    say(
        f"guide: {manifest.files} files, {manifest.vectors} vectors in {len(manifest.shards)} "
        f"shards, encoder {manifest.encoder.name}; {len(problems)} problems"
    )
    if request.heal:
        with locked(request.index):
            count = healed(request.index)
        say(f"guide: {count} damaged parts removed; run `guide search add` for their files")
    return 1 if problems else 0


def _dedupe(words: list[str]) -> int:
    from guidance.commands.search_request import parse_dedupe
    from guidance.search.dedupe import duplicates
    from guidance.search.store import Store, locked

    request = parse_dedupe(words)
    store = Store.open(request.index)
    groups = duplicates(store, request.least)
    if request.json:
        print(json.dumps([[item.as_json() for item in group] for group in groups], indent=1))
    else:
        for line in _grouped(groups):
            print(line)
    say(f"guide: {len(groups)} groups, {sum(map(len, groups)) - len(groups)} files to spare")
    if request.drop and groups:
        gone = frozenset(item.id for group in groups for item in group[1:])
        with locked(request.index):
            Store.open(request.index).changed(remove=gone)
        say(f"guide: {len(gone)} files removed from the index")
    return 0


def _grouped(groups: list[list]) -> Iterator[str]:  # type: ignore[type-arg]  # of Item
    for group in groups:
        for number, item in enumerate(group):
            yield f"{'=' if number else ' '} {item.id:>7}  {item.path}"


def _classify(words: list[str]) -> int:
    from guidance.commands.classify import run as run_classify

    return run_classify(words)
