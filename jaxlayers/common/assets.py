"""Assets: content of objects, such as vocabularies, that lies in files of its own and not in configs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar

_apart: ContextVar[bool] = ContextVar("jaxlayers_assets_apart", default=False)


def are_apart() -> bool:
    """True while the config of a model is written to a file that has the assets beside it."""
    return _apart.get()


@contextlib.contextmanager
def apart() -> Iterator[None]:
    """A `with` block in which configs leave out what `save_assets` writes."""
    token = _apart.set(True)
    try:
        yield
    finally:
        _apart.reset(token)
