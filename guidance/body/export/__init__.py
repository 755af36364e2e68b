"""Files of posed and animated bodies."""
