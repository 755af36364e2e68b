"""Small networks that know motions: an encoder of motions and texts, and a denoiser of motions."""
