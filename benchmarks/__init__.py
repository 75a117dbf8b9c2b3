"""Training speed of klayer beside PyTorch and JAX: one contest, one table, one chart.

klayer is imported first: an older one chooses OpenBLAS's kernels, before NumPy is loaded.
"""

import klayer as klayer
