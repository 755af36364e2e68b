"""Reading and writing of images and videos, by imageio, within limits on untrusted files."""
