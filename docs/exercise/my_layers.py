"""Your own layers: fill the three gaps, then run, in this folder:

klayer check-gradients --layer my_layers.py:BatchNorm
"""

import numpy as np

from klayer.networks.layer import Array, Layer, Mode, Parameter, Start


class BatchNorm(Layer):
    """gamma * (x - mean) / sqrt(variance + epsilon) + beta, for each column of x (n, units)."""

    kind = "batch_norm"
    epsilon = 1e-5

    def build(self, inputs: int, start: Start) -> int:
        """Makes gamma and beta, of shape (inputs,); returns the number of outputs."""
        self.gamma = Parameter(np.ones(inputs, start.dtype))
        self.beta = Parameter(np.zeros(inputs, start.dtype))
        self.parameters = {"gamma": self.gamma, "beta": self.beta}
        return inputs

    def forward(self, x: Array, mode: Mode) -> Array:
        """The output of x (n, units), of the same shape; `mode` may be ignored here."""
        # Gap 1: the mean and the variance (divided by n) of each column of x. Then
        # self.inv_std (units,), self.normalised (n, units), which backward needs, and the output.
        raise NotImplementedError("gap 1")

    def backward(self, grad: Array) -> Array:
        """The gradient of x (n, units), from that of the output, `grad` (n, units)."""
        # Gap 2: the gradients of the parameters, sums over the batch:
        # self.gamma.grad[:] = ... and self.beta.grad[:] = ...
        # Gap 3: the gradient of x. x also acts through the mean and through the variance.
        raise NotImplementedError("gap 2")
