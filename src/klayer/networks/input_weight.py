"""The weights that read the images: nearly all of a network's numbers, and of a step's work."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import get_blas_funcs

from klayer.networks.arrays import Array, split

SMALLEST_SCALE = 2.0**-10  # V then holds 10 bits more than W, far from the limits of float32


class InputWeight:
    """W = scale * V, (d_in, M*d_out): the weights of all networks side by side.

    All networks read the same images, so one product with V serves the whole population. The scale,
    a number for each network, carries the weight decay (1 - 2 eta lambda), so that an update is a
    sum, without another pass over W: lazy weight decay, Bottou (2012), "Stochastic Gradient Descent
    Tricks", section 5.1.

    The last bit of a column depends on where it stands in the product, that is on the population
    in which its network is trained: BLAS sums the columns at the edges of its blocks differently.

    The scale is float64, so that no decay is lost: in float32 1 - 2 eta lambda is 1 where lambda is
    below 3e-8 / eta. The products take it rounded to the type of V, where a decay shows once it has
    summed up to 2^-25 of W: with lambda = 1e-8 after some 230 steps of the study's schedule.
    """

    fill = 0.0
    decays = True

    def __init__(self, networks: int, d_in: int, d_out: int, dtype: np.dtype) -> None:
        self.v: Array = np.zeros((d_in, networks * d_out), dtype)
        self.scale = np.ones(networks)  # (M,)
        self.values: Array = split(self.v, networks)  # of each, after `fold`
        self.gemm = get_blas_funcs("gemm", (self.v,))

    @property
    def column_scale(self) -> Array:
        """The scale of each column of V (M*d_out,), in its type."""
        return self._columns(self.scale)

    def keep(self, x: Array, grad_scores: Array) -> None:
        """Takes what the gradient x^T grad_scores is made of: (n, d_in) and (n, M*d_out).

        It is large, so it is made only where it is asked for; `descend` scales grad_scores in
        place, so once for each backward pass.
        """
        self.x, self.grad_scores = x, grad_scores

    def gradients(self, out: Array | None = None) -> Array:
        """The gradient of each network's weights, (M, d_in, d_out); in `out`, of the shape of V."""
        return split(np.matmul(self.x.T, self.grad_scores, out=out), len(self.values))

    def descend(self, eta: float, decay: NDArray[np.float64]) -> None:
        """W <- decay * W - eta * dW, with a decay for each network (M,)."""
        self.scale *= decay
        if not self.scale.min() > SMALLEST_SCALE:
            self.fold()
        self._add_gradient(-eta / self.scale)

    def _add_gradient(self, factor: NDArray[np.float64]) -> None:
        """V <- V + factor * dW, in one call of BLAS, which adds the product while it makes it.

        The factor (M,) is multiplied where the arrays are small. BLAS counts in columns, so it is
        told V^T <- grad_scores^T x + V^T.
        """
        columns = self._columns(factor)
        grad = np.multiply(self.grad_scores, columns, out=self.grad_scores)
        self.gemm(1.0, grad.T, self.x.T, 1.0, self.v.T, trans_b=True, overwrite_c=True)

    def _columns(self, of_each: NDArray[np.float64]) -> Array:
        """A number for each network (M,) as one for each column (M*d_out,), rounded."""
        columns = np.repeat(of_each, self.v.shape[1] // len(of_each))
        return columns.astype(self.v.dtype, copy=False)

    def fold(self) -> None:
        """Multiplies the scale into V, W = V, and sets it to 1."""
        scale = np.repeat(self.scale, self.v.shape[1] // len(self.scale))
        np.multiply(self.v, scale, out=self.v, casting="same_kind")  # in float64, rounded once
        self.scale[:] = 1

    def squared_norm(self) -> NDArray[np.float64]:
        """(M,) sums of the squares of W."""
        columns = np.einsum("ij,ij->j", self.v, self.v, dtype=np.float64)
        squares = columns.reshape(len(self.scale), -1).sum(axis=1) * self.scale**2
        return np.asarray(squares)
