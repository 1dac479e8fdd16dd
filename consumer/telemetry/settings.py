"""Settings of the telemetry room."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field


class TelemetrySettings(BaseModel, frozen=True, extra="forbid"):
    """[telemetry]"""

    listen: str = Field(
        "127.0.0.1:9464",
        pattern=r"^(\[[0-9a-fA-F:]+\]|[^:\s]+):\d{1,5}$",
        description="Address and port of /metrics, /health and /ready; port 0 lets the kernel choose.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is logged.")
