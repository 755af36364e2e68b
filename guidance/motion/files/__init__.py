"""Files of motions: BVH, GLB and NPZ, and the rigs in them."""
