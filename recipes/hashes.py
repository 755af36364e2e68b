"""Writes the hashes of the embedded models for `guide models verify`.

Run it after the last training: `python -m recipes.hashes`.
"""

from __future__ import annotations

from guidance.models.hashes import write_hashes

if __name__ == "__main__":
    print(write_hashes())
