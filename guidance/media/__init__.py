"""Reading and writing of images and videos, by Pillow and PyAV, within limits on user files."""
