"""k-layer fully connected networks with and without batch normalisation, on CIFAR-10.

Importing it settles how numbers are computed, which has to happen before NumPy is loaded. On an
x86-64 processor with AVX2, OpenBLAS takes its Haswell kernels and NumPy leaves its AVX-512 loops:
any such processor then computes the same bytes. `KLAYER_KERNELS=native` leaves the choice to the
libraries and to the variables that they find. Elsewhere there is nothing to choose.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from klayer.training.models import load_networks

__all__ = ["load_networks"]

PORTABLE = {
    "OPENBLAS_CORETYPE": "Haswell",
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",  # all that NumPy has above AVX2
}


def _choose_kernels() -> None:
    """Processes that are started from here inherit the choice. Ends Python for a wrong one."""
    choice = os.environ.get("KLAYER_KERNELS") or "portable"
    if choice not in ("portable", "native"):
        raise SystemExit(f"Error: KLAYER_KERNELS is {choice!a}, it has to be portable or native")
    if choice == "native":
        return
    for name in [name for name in os.environ if name.startswith("NUMBA_")]:
        if name != "NUMBA_CACHE_DIR":  # the others change what is compiled, or whether
            del os.environ[name]
    if _has_avx2():
        os.environ.pop("NPY_ENABLE_CPU_FEATURES", None)  # NumPy refuses both at once
        os.environ.update(PORTABLE)


def _has_avx2() -> bool:
    """Whether the Haswell kernels can run here, as far as the system tells."""
    try:
        with open("/proc/cpuinfo", "rb") as file:
            flags = file.read(8192).split()  # of the first core; Arm's have other names
    except OSError:
        return False
    return {b"avx2", b"fma"} <= set(flags)


_choose_kernels()


def __getattr__(name: str) -> Any:
    """`load_networks` when it is asked for: NumPy is not loaded before the kernels are chosen."""
    if name == "load_networks":
        from klayer.training.models import load_networks

        return load_networks
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
