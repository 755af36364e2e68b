"""Models that others made: every folder with weights is checked here before a library opens it.

Nothing in such a folder may be executed, and nothing in it may choose a path, a host or a device:

    places          links must stay inside the folder, and only plain files are read
    configuration   JSON of bounded size; a configuration is a list of known keys and ranges
    tensors         the header of a safetensors file, read before anything is allocated
    fitting         a model must have exactly the tensors that the file holds
    libraries       errors of the libraries that read the rest, as one line

The other files are the known keys: of open_clip, of diffusers, and of transformers' text encoders
and tokenizers.
"""
