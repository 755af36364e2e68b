"""Bodies: skeletons, skinned meshes, and how they are posed."""
