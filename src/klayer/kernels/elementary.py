"""exp and log of klayer's own: those of C libraries and of NumPy differ between machines.

Both are made of additions, multiplications and divisions of float64 in a written order, which
IEEE 754 rounds alike everywhere; float32 arguments are computed in float64 and rounded once.
"""

from __future__ import annotations

import math

import numpy as np

from klayer.kernels.loops import compiled

LOG2_E = 1.4426950408889634  # log2(e)
# ln 2 in two parts, the first with 21 zeros at its end, so that k * LN2_HIGH is exact.
LN2_HIGH, LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
SQRT2 = math.sqrt(2)
SHIFT = 1.5 * 2.0**52  # adding it rounds to a whole number, which the last bits then hold
# 1/k!, from k = 13 down: |r| <= ln(2)/2, so the next term is below 2^-53.
INVERSE_FACTORIALS = tuple(1 / math.factorial(k) for k in range(13, -1, -1))
# 2/k for odd k, from 23 down to 3: |s| <= 0.172, so the next term is below 2^-53 of the first.
ODD_TERMS = tuple(2 / k for k in range(23, 1, -2))


@compiled
def _bits(number: float) -> int:
    """The 64 bits of a float64, as an int64."""
    return np.float64(number).view(np.int64)  # type: ignore[return-value]


@compiled
def _number(bits: int) -> float:
    """The float64 of 64 bits."""
    return np.int64(bits).view(np.float64)


@compiled
def exp(x: float) -> float:
    """e^x with an error below 1.5 units in the last place of float64; 0 and infinity where it
    underflows and overflows; NaN of NaN.

    x = k ln 2 + r with a whole k and |r| <= ln(2)/2; e^x = 2^k e^r; e^r by its Taylor series, which
    is summed by Horner's scheme.
    """
    x = float(x)
    if x < -800.0:
        x = -800.0
    if x > 800.0:
        x = 800.0
    shifted = x * LOG2_E + SHIFT
    k = shifted - SHIFT
    r = (x - k * LN2_HIGH) - k * LN2_LOW
    total = INVERSE_FACTORIALS[0]
    for term in INVERSE_FACTORIALS[1:]:
        total = total * r + term
    exponent = _bits(shifted) - _bits(SHIFT)
    half = exponent >> 1  # in two steps, as 2^k may lie outside the range of float64
    return (total * _number((half + 1023) << 52)) * _number((exponent - half + 1023) << 52)


@compiled
def log(x: float) -> float:
    """ln x with an error below 1 unit in the last place of float64; -infinity of 0, NaN of
    negative numbers and of NaN.

    x = 2^k (1 + f) with 1 + f from sqrt(1/2) to sqrt(2). With s = f/(2 + f),
    ln(1 + f) = 2 (s + s^3/3 + s^5/5 + ...) = f - s (f - t), where t = 2 (s^2/3 + s^4/5 + ...) is
    summed by Horner's scheme.
    """
    x = float(x)
    if not x > 0.0:
        return -math.inf if x == 0.0 else math.nan
    if x == math.inf:
        return x
    k = 0.0
    if x < 2.0**-1022:  # a subnormal number
        x, k = x * 2.0**54, -54.0
    bits = _bits(x)
    k += float((bits >> 52) - 1023)
    m = _number((bits & 0xFFFFFFFFFFFFF) | (1023 << 52))
    if m > SQRT2:
        m, k = 0.5 * m, k + 1.0
    f = m - 1.0
    s = f / (2.0 + f)
    square = s * s
    total = ODD_TERMS[0]
    for term in ODD_TERMS[1:]:
        total = total * square + term
    return k * LN2_HIGH - ((s * (f - total * square) - k * LN2_LOW) - f)
