"""The file of a scene: several meshes with their prompts, and a prompt for the whole.

An example in YAML:

    prompt: a snowman with a red hat
    parts:
      - mesh: body.obj            # as for --mesh; paths are relative to this file
        prompt: a snowman
      - mesh: cone
        name: hat                 # of its node and files; by default the name of the mesh
        prompt: a red hat
        position: [0, 1.2, 0]     # of its origin, in the units of the scene
        scale: 0.4                # from its own units to those of the scene
        up: z                     # the axis of its file that points upwards; by default y
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from guidance.config.files import MAX_BYTES, read_config
from guidance.errors import InputError
from guidance.files import refuse_special_file
from guidance.prompts import Prompt
from guidance.wording import what_is_wrong

MOST_PARTS = 32
#: Larger coordinates are a mistake.
FAR = 1e9
Number = Annotated[float, Field(ge=-FAR, le=FAR, allow_inf_nan=False)]


class ScenePart(BaseModel):
    """One mesh of a scene."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mesh: str = Field(min_length=1)
    prompt: Prompt
    name: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_-]{1,40}$")
    position: tuple[Number, Number, Number] = (0.0, 0.0, 0.0)
    scale: float = Field(default=1.0, gt=0, le=FAR)
    up: Literal["y", "z"] = "y"


class Scene(BaseModel):
    """Meshes that belong together."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    prompt: Prompt
    parts: list[ScenePart] = Field(min_length=2, max_length=MOST_PARTS)

    def names(self) -> tuple[str, ...]:
        """A unique name for each part: that of the file, or of its mesh with a number."""
        taken = {part.name for part in self.parts if part.name is not None}
        found = []
        for part in self.parts:
            name = part.name
            if name is None:
                stem = re.sub(r"[^A-Za-z0-9_-]", "_", Path(part.mesh).stem)[:30] or "part"
                numbered = (f"{stem}-{number}" for number in range(2, 2 + 2 * MOST_PARTS))
                name = stem if stem not in taken else next(n for n in numbered if n not in taken)
                taken.add(name)
            found.append(name)
        return tuple(found)


def read_scene(path: Path) -> Scene:
    """Reads a scene from a YAML or TOML file, chosen by its suffix; nothing in it is executed.

    Paths of meshes are relative to the file.

    Raises:
        InputError: names the place in the file and what is wrong.
    """
    values = _read_toml(path) if path.suffix.lower() == ".toml" else read_config(path)
    try:
        scene = Scene.model_validate(values)
    except ValidationError as error:
        raise InputError(_explained(error, path)) from None
    given = [part.name for part in scene.parts if part.name is not None]
    for name in given:
        if given.count(name) > 1:
            raise InputError(f"{path}: two parts are named {name!r}; use unique names")
    parts = [part.model_copy(update={"mesh": _beside(path, part.mesh)}) for part in scene.parts]
    return scene.model_copy(update={"parts": parts})


def _beside(path: Path, mesh: str) -> str:
    """The path of the mesh of a part, or the name of a built-in shape."""
    found = path.parent / mesh
    return str(found) if Path(mesh).suffix or found.exists() else mesh


def _read_toml(path: Path) -> dict[str, Any]:
    refuse_special_file(path)
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise InputError(f"{path}: is larger than {MAX_BYTES // 1024} KB; it is not a scene")
        return tomllib.loads(content.decode())
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; expected a scene in YAML or TOML") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check it") from None
    except RecursionError:
        raise InputError(f"{path}: is nested too deeply; it is not a scene") from None
    except InputError:
        raise
    except ValueError as error:  # no UTF-8, or no TOML
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: is not valid TOML: {reason:.100}") from None


def _explained(error: ValidationError, path: Path) -> str:
    """The first error of pydantic in one line; parts are counted from 1."""
    first = error.errors(include_url=False)[0]
    where = [str(part + 1) if isinstance(part, int) else str(part) for part in first["loc"]]
    place = f"{path}: {' '.join(where)}".rstrip()
    if first["type"] == "extra_forbidden":
        known = ScenePart.model_fields if where[0] == "parts" else Scene.model_fields
        return f"{place[:200]}: is unknown; known keys are {', '.join(known)}"
    if isinstance(first.get("ctx", {}).get("error"), InputError):
        return f"{place}: {first['ctx']['error']}"
    return " ".join(f"{place}: {what_is_wrong(error)}".split())
