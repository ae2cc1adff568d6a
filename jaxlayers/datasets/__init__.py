"""Small data sets: read from disk, or downloaded once and checked by hash."""

from jaxlayers.datasets import digits, mnist, tiny_shakespeare

__all__ = ["digits", "mnist", "tiny_shakespeare"]
