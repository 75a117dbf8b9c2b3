"""`klayer benchmark`: training speed beside PyTorch, JAX and scikit-learn, and how it grows.

Each contestant stands in a file of its own; none of this is used by the study itself.
"""
