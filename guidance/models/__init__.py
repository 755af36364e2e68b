"""Weights: the catalogue, the local cache, download and verification.

The commands `guide models list | fetch | verify` use it. Importing it is cheap.
"""

from __future__ import annotations

from guidance.models.catalogue import Model, list_models
from guidance.models.fetch import fetch
from guidance.models.hashes import Checked, verify

__all__ = ["Checked", "Model", "fetch", "list_models", "verify"]
