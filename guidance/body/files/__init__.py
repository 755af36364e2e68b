"""Files of bodies."""
