"""Where the images and captions come from; every module makes one `Pool`."""
