"""Data sets to try things on: found on disk, or downloaded once and checked."""

from jaxlayers.datasets import digits, mnist, tiny_shakespeare

__all__ = ["digits", "mnist", "tiny_shakespeare"]
