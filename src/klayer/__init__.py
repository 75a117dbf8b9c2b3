"""k-layer fully connected networks with and without batch normalisation, on CIFAR-10."""
