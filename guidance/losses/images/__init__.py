"""Images as embeddings: crops, whole images, and the masks of regional prompts."""
