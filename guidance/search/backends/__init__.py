"""How the nearest vectors are found: exactly, by a graph, or by a server."""
