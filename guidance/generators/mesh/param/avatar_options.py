"""Options of avatars, which `Avatar` and the task share."""

from __future__ import annotations

from pydantic import Field

from guidance.options import Plain


class AvatarOptions(Plain):
    """Resolution of the map, and bounds of the shape."""

    texels: int = Field(default=1024, ge=16, le=2048, multiple_of=16)
    """Texels per side of the map in the files."""
    seen_texels: int = Field(default=512, ge=16, le=2048, multiple_of=16)
    """Texels per side of the map at the end of the run, if --texels are not fewer; it starts with
    256. More are visible only with a higher --resolution."""
    symmetric: bool = True
    """Paints the left side like the right side, except for details finer than 256 texels."""
    part_rate: float = Field(default=0.03, gt=0, le=1)
    """Learning rate of the color of each part of the body."""
    texel_rate: float = Field(default=0.005, gt=0, le=1)
    """Learning rate of texels, relative to colors between 0 and 1 before a sigmoid."""
    reach: float = Field(default=0.02, ge=0, le=0.03)
    """Largest offset of a vertex, in meters."""
    offsets_from: float = Field(default=0.4, ge=0, le=1)
    """Share of the run after which vertices move."""
