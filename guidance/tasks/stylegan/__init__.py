"""What only style_edit needs: sources, methods, inversion, and what it writes."""
