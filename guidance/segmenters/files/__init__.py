"""Loading of segmenters, and the network of the embedded one."""
