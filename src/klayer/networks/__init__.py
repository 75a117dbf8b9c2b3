"""The mathematics of k-layer networks. Imports NumPy and klayer.kernels, nothing else of klayer."""
