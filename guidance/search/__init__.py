"""Search: an index of the images and videos of folders, and prompts as queries."""
