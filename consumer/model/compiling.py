"""How kernels are compiled, whatever room they are in.

Belongs here: numba's options. Does not: a kernel.
"""

from __future__ import annotations

from typing import Any

KERNEL: dict[str, Any] = {"cache": True, "nogil": True, "_nrt": False}
"""Called from Python. Without numba's run-time (kernels make no arrays) no array is reference-counted when it is passed
on; with it that was an atomic addition for every token, and more than half of the time (500 → 200 ns a line)."""

ROUTINE: dict[str, Any] = {"nogil": True, "_nrt": False}
"""Their rare parts: called by the kernel, cached with it."""

HELPER: dict[str, Any] = {**ROUTINE, "forceinline": True}
"""Their small parts: compiled into the kernel."""
