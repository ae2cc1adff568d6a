"""A count of the changes that traced functions may depend on: attributes of layers, `trainable`, the list of layers.

A compiled function compares the count with the one that it was traced at. If they differ, it examines what it depends
on (see `transforms.fingerprints`), and is traced again if that has changed.
"""

from __future__ import annotations

from typing import Any

_count = 0


def note() -> None:
    """Count one more change."""
    global _count
    _count += 1


def count() -> int:
    """The number of changes so far."""
    return _count


class Noticed:
    """A base of objects without variables that layers and optimizers use, such as losses: changes of them are noted."""

    def __setattr__(self, name: str, value: Any) -> None:
        note()
        object.__setattr__(self, name, value)
