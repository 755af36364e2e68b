"""The kernels of the CPU backend, compiled by numba; each works on one image or a band of its rows.

Arrays are numpy arrays of float32 and int32. Colors are stored in planes, `[c, h, w]`. The
mathematics is documented in `guidance.rendering.rasterizer.reference`, which computes the same in
torch.
"""
