"""The mathematics of k-layer networks. Imports NumPy, SciPy and Numba, nothing else of klayer."""
