"""Weights: the catalogue, the local cache, download and verification.

The commands `guide models list | fetch | verify` use it. Importing it is cheap.
"""

from __future__ import annotations

from guidance.models.catalogue import list_models
from guidance.models.fetch import fetch
from guidance.models.hashes import Checked, verify
from guidance.models.model import Model

__all__ = ["Checked", "Model", "fetch", "list_models", "verify"]
