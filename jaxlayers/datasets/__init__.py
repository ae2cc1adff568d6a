"""Data sets to try things on: found on disk, or downloaded once and checked."""

from jaxlayers.datasets import digits, mnist

__all__ = ["digits", "mnist"]
