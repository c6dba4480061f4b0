"""A month of small events, and ways to see what a lake holds."""

from __future__ import annotations

from tests.s3 import bucket, s3_endpoint

__all__ = ["bucket", "s3_endpoint"]
