"""What runs promise when machines fail and files are not what they seem, counted.

`python -m benchmarks.reliability` runs the scenarios; each is a module of this folder with `FULL`,
the count of a full run, and `run(scene, count)`.
"""
