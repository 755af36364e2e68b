"""Where the pictures and captions come from; every module makes one `Pool`."""
