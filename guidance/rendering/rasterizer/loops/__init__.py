"""The CPU backend's loops, compiled by numba; each works on one image, or on a band of its rows.

Arrays are numpy's, float32 and int32. Colours lie in planes, `[c, h, w]`. The mathematics is told
in `guidance.rendering.rasterizer.reference`, which computes the same in torch.
"""
