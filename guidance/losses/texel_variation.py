"""Total variation of a texture map along the surface, across the seams of its UV coordinates."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from guidance.errors import InputError
from guidance.losses.surface.scenes import mesh_scene
from guidance.outputs import Rendering
from guidance.types import Loss, StepContext

#: Differences below this count little, so that soft shading is not flattened.
SOFT = 0.01


class TexelVariation(Loss):
    """Mean difference of the colors of neighboring texels.

        mean over pairs (i, j) of  sqrt(|c_i - c_j|^2 + s^2) - s,    s = 0.01

    Neighbors are close on the surface (`scene.texel_pairs`), so pairs also lie across the seams of
    the map. Large areas of one color and sharp borders between them cost least. Differentiable in
    the texels of generators that optimize them (`scene.texels`).

    Source: Rudin, Osher and Fatemi 1992, Nonlinear total variation based noise removal algorithms,
    on a surface instead of a grid.
    """

    chosen_by_name = False

    reads_scene = True

    def forward(self, rendering: Rendering, context: StepContext) -> Float[Tensor, "n"]:
        """`[n]`, at least 0.

        Raises:
            InputError: images whose scene has no texels.
        """
        scene = mesh_scene(self, rendering)
        if scene.texels is None or scene.texel_pairs is None:
            raise InputError(
                "TexelVariation: applies only to generators that optimize texels; remove the loss"
            )
        # Rows of a matrix are gathered faster than along the second of three dimensions.
        rows = scene.texels.transpose(0, 1).flatten(1).contiguous()
        first, second = scene.texel_pairs.unbind(1)
        difference = rows.index_select(0, first) - rows.index_select(0, second)
        squared = difference.view(len(first), -1, 3).square().sum(-1)
        return ((squared + SOFT**2).sqrt() - SOFT).mean(0)
