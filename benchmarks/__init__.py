"""Training speed of klayer beside PyTorch, JAX and scikit-learn."""
