"""Names the Python that runs the functions in a region of Function Compute.

The deploy command takes it as a default, and doctor compares it with what is deployed.
"""

from __future__ import annotations

from typing import Final

OUT_OF_SUPPORT: Final = "python3.10"
"""Gets no more fixes since October 2026 (docs/platform/function-compute.md §4)."""
SUPPORTED: Final = "python3.12"
WITHOUT_SUPPORTED: Final = ("ap-southeast-1", "ap-southeast-2", "ap-southeast-3", "ap-southeast-5")
"""Regions without the supported runtime: Singapore, Sydney, Kuala Lumpur, Jakarta
(docs/platform/function-compute.md §4)."""
DEFAULT_REGION: Final = "cn-shanghai"


def default_runtime(region: str) -> str:
    """Return SUPPORTED if the region offers that runtime, else OUT_OF_SUPPORT."""
    return OUT_OF_SUPPORT if region in WITHOUT_SUPPORTED else SUPPORTED
