"""Marks of options that name a StyleGAN network."""

from __future__ import annotations

from guidance.options import NamesFile

#: Names of the embedded network.
EMBEDDED = ("mini", "mini-stylegan")


class NamesNetwork(NamesFile):
    """Marks an option that names a network: the embedded one, one of the hub, or a folder."""

    def names_file(self, text: str) -> bool:
        # "local-dir:" names a file in every option, see `guidance.config.carried`.
        return super().names_file(text) and not text.startswith(("hf-hub:", "local-dir:"))
