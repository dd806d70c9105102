"""Frameworks that may not be there."""

from __future__ import annotations

__all__ = ["missing"]


def missing(module: str, framework: str, extra: str) -> ImportError:
    """The error of a module whose framework cannot be imported."""
    return ImportError(f"imagxp.{module} needs {framework}: pip install 'imagxp[{extra}]'", name=f"imagxp.{module}")
