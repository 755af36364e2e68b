"""Weights: which there are, where they lie, how they come here, and whether they are intact.

Behind `guide models list | fetch | verify`; importing it costs nothing.
"""

from __future__ import annotations

from guidance.models.catalogue import Model, list_models
from guidance.models.fetch import fetch
from guidance.models.hashes import Checked, verify

__all__ = ["Checked", "Model", "fetch", "list_models", "verify"]
