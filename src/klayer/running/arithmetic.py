"""Says whether numbers are computed portably here, that is to the same bytes everywhere."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def in_use() -> str | None:
    """None when the portable kernels are in use (see `klayer`), else a sentence that names others.

    It asks the libraries themselves: another one than OpenBLAS, a processor without AVX2, or a
    NumPy that was imported before klayer may have left the choice without effect.
    """
    import scipy.linalg.blas  # noqa: F401  # loads SciPy's own OpenBLAS, which trains
    from threadpoolctl import threadpool_info

    libraries = [library for library in threadpool_info() if library["user_api"] == "blas"]
    kernels = {library.get("architecture") or library["internal_api"] for library in libraries}
    numpy_core: Any = import_module("numpy._core._multiarray_umath")
    features = numpy_core.__cpu_features__
    loops = {
        name
        for name in numpy_core.__cpu_dispatch__
        if features.get(name) and name.startswith(("X86_V4", "AVX512"))
    }
    if kernels == {"Haswell"} and features.get("X86_V3") and not loops:
        return None
    names = sorted((kernels | loops) - {"Haswell"}) or ["not known"]
    return (
        f"computed with the kernels {', '.join(map(str, names))} instead of the portable ones: "
        "repeats within tolerance, not byte for byte"
    )
