"""Loads models in a process that watches what they do; run by `test_hostile.py`.

Reads from the file of its first argument: `root`, the folder with all artefacts, `allowed`, those
that may load, and `artefacts`, pairs of a kind ("encoder" or "denoiser") and a name for the loader.
Prints JSON: the outcome of each artefact, and the events that must not happen.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

#: Events of Python that leave the process, or change files.
FORBIDDEN = (
    "builtins.input", "ftplib.connect", "http.client.connect", "os.exec", "os.fork", "os.forkpty",
    "os.link", "os.mkdir", "os.posix_spawn", "os.putenv", "os.remove", "os.rename", "os.rmdir",
    "os.spawn", "os.symlink", "os.system", "os.truncate", "os.unlink", "pickle.find_class",
    "pty.spawn", "shutil.copyfile", "shutil.move", "shutil.rmtree", "socket.bind", "socket.connect",
    "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "subprocess.Popen",
    "urllib.Request", "webbrowser.open",
)  # fmt: skip
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Watch:
    """An audit hook that records forbidden events while it is armed."""

    def __init__(self, root: str, secret: str) -> None:
        self.root, self.secret = root, secret
        self.armed, self.at = False, ""
        self.events: list[str] = []
        sys.addaudithook(self)

    def __call__(self, event: str, arguments: tuple[object, ...]) -> None:
        if not self.armed:
            return
        self.armed = False  # what follows causes events too
        try:
            if found := self._forbidden(event, arguments):
                self.events.append(f"{self.at}: {event} {found:.200}")
        finally:
            self.armed = True

    def _forbidden(self, event: str, arguments: tuple[object, ...]) -> str:
        if event in FORBIDDEN:
            return repr(arguments)
        if event == "open":
            return self._opened(arguments[0], arguments[2])
        if event == "compile" and self._is_inside(arguments[1]):
            return repr(arguments[1])
        if event == "exec" and self._is_inside(getattr(arguments[0], "co_filename", "")):
            return repr(arguments[0])
        if event == "import" and self._is_inside(arguments[1]):
            return repr(arguments[:2])
        return ""

    def _opened(self, path: object, flags: object) -> str:
        if isinstance(flags, int) and flags & WRITING and path != os.devnull:
            return f"for writing: {path!r}"
        if isinstance(path, str | os.PathLike) and os.path.realpath(path) == self.secret:
            return f"of a file outside: {path!r}"
        return ""

    def _is_inside(self, path: object) -> bool:
        if isinstance(path, bytes):
            path = os.fsdecode(path)
        return isinstance(path, str) and path.startswith(self.root)


def load(kind: str, name: str) -> None:
    """Loads a model and encodes a text with it."""
    if kind == "encoder":
        from guidance.encoders import load_encoder

        load_encoder(name).encode_text(["a"])
    else:
        from guidance.diffusion import load_denoiser

        load_denoiser(name).encode_text(["a"])


def main() -> None:
    """Loads the models that may load, then all others under watch."""
    from guidance.errors import GuidanceError

    given = json.loads(Path(sys.argv[1]).read_text())
    watch = Watch(given["root"], given["secret"])
    for kind, name in given["allowed"]:  # imports what the libraries import on first use
        load(kind, name)
    outcomes = {}
    for kind, name in given["artefacts"]:
        watch.at, watch.armed = name.rpartition("/")[2], True
        try:
            load(kind, name)
            outcomes[name] = "loaded"
        except GuidanceError as error:
            outcomes[name] = f"{error.exit_code} {error}"
        except Exception as error:
            outcomes[name] = f"traceback {type(error).__name__}: {error}"
        finally:
            watch.armed = False
    print(json.dumps({"outcomes": outcomes, "events": watch.events}))


if __name__ == "__main__":
    main()
