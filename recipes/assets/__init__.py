"""Draws the inputs of the examples, `configs/assets/`: a mesh, two images, a mask and a video."""
