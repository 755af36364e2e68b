"""The sources of images and captions; each module makes one `Pool`."""
