"""`guide motion`: banks of motions, and what is in them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from guidance.commands.arguments import Arguments
from guidance.errors import InputError

HELP = """\
usage: guide motion list [--bank FOLDER]
       guide motion find "PROMPT" [--bank FOLDER] [--count N] [--encoder NAME]
       guide motion show NAME_OR_PROMPT [--bank FOLDER] [--output FOLDER]
       guide motion export NAME_OR_PROMPT FILE [--bank FOLDER] [--t-pose]
       guide motion import FOLDER [--labels FILE] [--output BANK] [--in-place] [--loop]

list    the motions of a bank, with their labels and seconds; by default the included bank
find    the motions that match a prompt best, with scores and confidence
show    writes a contact sheet (PNG) and a video (MP4) of a motion, or of a composition such as
        "walks forward, then waves twice"
export  writes a motion or a composition as .bvh, or .npz (SMPL's axis-angle poses and trans)
import  makes a bank of the BVH, GLB, NPZ and YAML files in a folder. A file that cannot be read
        is left out, with a note

  --bank FOLDER    a bank that `guide motion import` made
  --count N        how many motions are listed (default: 5)
  --encoder NAME   also compare text embeddings of this encoder, e.g. mini or ViT-B-32/openai
  --output PATH    the folder that is written (show: ".", import: NAME-bank)
  --t-pose         the first frame of a .bvh is the T-pose
  --labels FILE    CSV or TSV with lines such as `file,label,paraphrase,...`; a motion without a
                   line is labeled by the name of its file
  --in-place       takes the travel over the ground out
  --loop           cuts every motion to its best cycle, and closes it
"""


def run(words: list[str]) -> int:
    """Runs the command and returns its exit code."""
    match words:
        case [] | ["-h"] | ["--help"] | [_, "-h"] | [_, "--help"]:
            print(HELP, end="")
            return 0 if words else InputError.exit_code
        case ["list", *rest]:
            _list(_parsed(rest))
        case ["find", *rest]:
            _find(_parsed(rest, "prompt"))
        case ["show", *rest]:
            from guidance.commands.motion_files import show

            request = _parsed(rest, "prompt")
            for path in show(request.prompt, request.bank, request.output or Path(".")):
                print(path, flush=True)
        case ["export", *rest]:
            from guidance.commands.motion_files import export

            request = _parsed(rest, "prompt", "file")
            print(export(request.prompt, request.bank, request.file, t_pose=request.t_pose))
        case ["import", *rest]:
            from guidance.commands.motion_import import import_bank

            request = _parsed(rest, "folder")
            output = request.output or Path(f"{request.folder.resolve().name}-bank")
            print(import_bank(request.folder, output, request.labels,
                              in_place=request.in_place, loop=request.loop))  # fmt: skip
        case [name, *_]:
            raise InputError(
                f"motion: no command {name!r:.40}; use list, find, show, export or import"
            )
    return 0


@dataclass(frozen=True)
class Request:
    """What `guide motion` is asked for."""

    bank: Path | None
    count: int
    encoder: str | None
    output: Path | None
    labels: Path | None
    in_place: bool
    loop: bool
    t_pose: bool
    prompt: str = ""
    file: Path = Path()
    folder: Path = Path()


def _parsed(words: list[str], *positional: str) -> Request:
    parser = Arguments("motion")
    for name in positional:
        parser.add_argument(name, type=str if name == "prompt" else Path)
    for name in ("bank", "output", "labels"):
        parser.add_argument(f"--{name}", type=Path)
    parser.add_argument("--count", type=int, default=5)
    parser.add_argument("--encoder")
    for name in ("in-place", "loop", "t-pose"):
        parser.add_argument(f"--{name}", action="store_true")
    found = vars(parser.parse_intermixed_args(words))
    found.pop("_given", None)
    return Request(**found)


def _list(request: Request) -> None:
    from guidance.motion.bank import load_bank

    bank = load_bank(request.bank)
    for name, clip in bank.labels.items():
        loop = " loop" if clip.loop else ""
        print(f"{name:<16} {bank.clips[name].seconds:5.1f} s{loop:<5}  {clip.label}")
    print(f"{len(bank.labels)} motions")


def _find(request: Request) -> None:
    from guidance.motion.bank import load_bank
    from guidance.motion.retrieve import retrieve

    encoder = None
    if request.encoder is not None:
        from guidance.encoders import load_encoder

        encoder = load_encoder(request.encoder)
    bank = load_bank(request.bank)
    count = max(1, request.count)
    for match in retrieve(request.prompt, bank, encoder=encoder, count=count):
        label = bank.labels[match.name].label
        print(f"{match.name:<16} {match.score:5.2f} {match.confidence:7.1%}  {label}")
