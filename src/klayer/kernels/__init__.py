"""Products, exp and log whose bits depend on no processor. Imports NumPy and Numba, nothing else.

Every output is a sum whose order is written down (docs/numerics.md). How many numbers a register
of the processor holds changes the speed and no bit.
"""
