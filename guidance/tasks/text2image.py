"""Pictures from words: a generator's parameters climb the gradient of a frozen CLIP-type model."""

from __future__ import annotations

