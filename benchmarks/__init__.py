"""Training speed beside PyTorch, JAX and scikit-learn, how it grows, and what a command costs.

Stands outside the package: none of this is used by the study, and each contestant has a module of
its own. klayer comes first here, for it chooses the kernels before NumPy loads.
"""

import klayer as klayer
