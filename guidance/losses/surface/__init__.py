"""Access to the mesh behind a rendering, for the mesh regularizers."""
