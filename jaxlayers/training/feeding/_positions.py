"""Positions in data: which iterators and iterables have one that can be saved and restored."""

from __future__ import annotations

from typing import Any


class NotResumableError(ValueError):
    """Raised when the position in the data cannot be saved."""


_METHODS = (("get_state", "set_state"), ("state_dict", "load_state_dict"))  # the second pair is that of PyTorch


def is_resumable(data: Any) -> bool:
    """True if an iterator or iterable has a state that can be saved and restored."""
    return any(hasattr(data, get) and hasattr(data, put) for get, put in _METHODS)


def position_of(data: Any) -> Any:
    """Return the state of a resumable iterator or iterable."""
    return next(getattr(data, get) for get, _ in _METHODS if hasattr(data, get))()


def set_position(data: Any, state: Any) -> None:
    """Set the state of a resumable iterator or iterable."""
    next(getattr(data, put) for _, put in _METHODS if hasattr(data, put))(state)


def find_changing_hook(dataset: Any) -> str | None:
    """Return the name of a hook of epochs that the class of a data set overrides."""
    for name in ("on_epoch_begin", "on_epoch_end"):
        owner = next((cls for cls in type(dataset).__mro__ if name in vars(cls)), None)
        if name in vars(dataset) or (owner is not None and owner.__name__ != "PyDataset"):
            return name
    return None
