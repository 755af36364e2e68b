"""The method `memory`: texts that are near an image, their concepts, and a caption of these."""
