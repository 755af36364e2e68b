"""Regional prompts in a query: the best hits of the rest are ordered by them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float
from torch import Tensor

from guidance.encoders.base import Encoder
from guidance.encoders.text.embedding import device_of
from guidance.errors import InputError
from guidance.losses.images.encoding import embed_whole
from guidance.losses.images.regions import load_mask
from guidance.media.read_image import load_image
from guidance.outputs import Rendering
from guidance.prompts import Region
from guidance.search.hits import Hit, search
from guidance.search.index import Index
from guidance.search.queries import Query
from guidance.search.query_vectors import weighted
from guidance.search.store import Store
from guidance.streams import say

#: How many images are read again and compared with the regional prompts.
CANDIDATES = 200


def refined(
    store: Store, index: Index, query: Query, vector: np.ndarray, encoder: Encoder
) -> list[Hit]:
    """The best hits for prompt and negatives, ordered by these and by the regional prompts.

    The vectors of an index are those of whole images. So the best `CANDIDATES` are read again, and
    their regions are embedded as `Clip` does with `region`. Videos are left out.

    Raises:
        InputError: a mask that cannot be read, or that has the proportions of none of the images.
    """
    hits = [hit for hit in search(store, index, vector, CANDIDATES) if not hit.is_video]
    targets = [weighted(encoder, region.phrases, query) for region in query.regions]
    device = device_of(encoder)
    found, errors = [], []
    for hit in hits:
        if not hit.is_there:
            errors.append(InputError(f"{hit.path}: is missing or was changed"))
            continue
        try:
            image = Rendering(load_image(hit.path, "image")[None, None].to(device))
            scores = [
                float(embed_region(encoder, image, region) @ target)
                for region, target in zip(query.regions, targets, strict=True)
            ]
        except InputError as error:
            errors.append(error)
            continue
        found.append(replace(hit, score=hit.score + sum(scores)))
    if errors and not found:
        raise errors[0]
    if errors:
        say(f"guide: {len(errors)} of {len(hits)} images left out: {errors[0]}")
    return sorted(found, key=lambda hit: -hit.score)


def embed_region(encoder: Encoder, image: Rendering, region: Region) -> Float[Tensor, "d"]:
    """The unit vector of the inside of a mask, in float32 on the CPU."""
    inside = load_mask(region, image).cut(image)
    return embed_whole(encoder, inside)[0, 0].float().cpu()
