"""Score distillation: its methods, the prompts and latents of a denoiser, and validation."""
