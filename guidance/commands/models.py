"""`guide models`: which weights there are, fetching them, and verifying their hashes."""

from __future__ import annotations

from guidance.errors import InputError

HELP = """\
usage: guide models list
       guide models fetch NAME
       guide models verify [NAME]
       guide models convert FILE [--output FOLDER]

list    the weights in the catalogue: whether they are on this machine, size, use and license
fetch   downloads weights once, into the cache of their library
verify  compares files with the published hashes
convert reads a StyleGAN network without executing its pickle, and writes config.json and
        model.safetensors into FOLDER, by default beside FILE. FILE is a network pickle of
        stylegan2-ada-pytorch or stylegan3 (.pkl), or a checkpoint of rosinality's
        stylegan2-pytorch (.pt)
"""


def run(words: list[str]) -> int:
    """Runs the command and returns its exit code."""
    match words:
        case [] | ["-h"] | ["--help"]:
            print(HELP, end="")
            return 0 if words else InputError.exit_code
        case ["list"]:
            _list()
        case ["fetch", name]:
            from guidance.models.fetch import fetch

            print(fetch(name))
        case ["verify", *names] if len(names) <= 1:
            from guidance.models.hashes import verify

            for item in verify(*names):
                print(f"{item.model}: {item.path.name} matches {item.against}")
        case ["convert", file]:
            _convert(file, None)
        case ["convert", file, "--output", folder] | ["convert", "--output", folder, file]:
            _convert(file, folder)
        case _:
            raise InputError(
                "models: expected `list`, `fetch NAME`, `verify [NAME]` or "
                "`convert FILE [--output FOLDER]`"
            )
    return 0


def _convert(file: str, folder: str | None) -> None:
    from pathlib import Path

    from guidance.stylegan.convert.files import convert

    converted = convert(Path(file), Path(folder) if folder is not None else None)
    for note in converted.notes:
        print(f"note: {note}")
    network = converted.network
    print(
        f"{converted.folder}: {network.config.model_type}, {network.synthesis.resolution} px, "
        f"{network.synthesis.num_ws} latents of {network.synthesis.w_dim}"
    )


def _list() -> None:
    from guidance.models.catalogue import list_models
    from guidance.models.judges import table

    for model in list_models():
        here = "here" if model.is_here else "-"
        size = f"{model.megabytes} MB" if model.megabytes else ""
        print(f"{model.name:<46} {here:<5} {size:<8} {model.serves}; {model.license}")
    print("\njudges of losses by family, in order of preference:")
    for family, judges in table():
        print(f"  {family:<12} {', '.join(judges)}")
