"""How this room's kernels are compiled. (They make no arrays, so without numba's run-time: with it every array handed
to a helper is counted with an atomic addition.)"""

from __future__ import annotations

from typing import Any

KERNEL: dict[str, Any] = {"cache": True, "nogil": True, "_nrt": False}
HELPER: dict[str, Any] = {"nogil": True, "_nrt": False, "forceinline": True}
"""Into the kernel that calls it."""
