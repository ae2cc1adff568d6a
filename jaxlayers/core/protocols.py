"""Protocols of variables, layers and builds, for the modules below them.

`Variable` and `Layer` stand above scopes, yet scopes hold both. So scopes, values and effects are written against
these protocols, and import neither.
"""

from __future__ import annotations

import enum
from typing import Any, Protocol


class Role(enum.StrEnum):
    """The use of a variable. An object that owns variables has a role as well, which its variables take over."""

    WEIGHT = "weight"
    METRIC = "metric"
    STATE = "state"  # kept between calls, as by stateful recurrent layers
    SEED = "seed"  # the state of a seed generator
    SLOT = "slot"  # an optimizer's
    STREAM = "stream"  # the state of the global generator, from which draws without a seed start


class VariableLike(Protocol):
    """A variable, as scopes see it."""

    shape: tuple[int, ...]
    dtype: str
    role: Role | None
    initializer: Any

    @property
    def path(self) -> str:
        """The path of the variable, for messages."""

    def peek(self) -> Any:
        """Return the array in the object, or None where there is none at the moment."""

    def make(self) -> Any:
        """Return the array in the object, made now if it has not been."""

    @property
    def held(self) -> Any:
        """The array in the object, or None when it has not been made; waits for a step that overwrites it."""

    def store(self, value: Any) -> None:
        """Put an array into the object."""

    def start_from(self, value: Any) -> None:
        """Put an array into the object, and make it the initial value."""


class LayerLike(Protocol):
    """A layer, as scopes see it."""

    name: str

    def _path_of(self, thing: Any) -> tuple[str, ...]:
        """The path of something below the layer."""

    def _keep_losses(self, entries: list[tuple[Any, Any]]) -> None:
        """Hold the losses of the last outermost call."""


class BuildLike(Protocol):
    """A build in progress, as scopes see it."""

    thorough: bool

    def remember(self, layer: Any) -> Any:
        """Keep the structure of a layer before the build changes it."""

    def undo(self) -> None:
        """Put back the structure of every layer that the build has touched."""


class RecorderLike(Protocol):
    """The recorder of a gradient tape that is open, as values see it.

    Attributes:
        trace: the identity of the trace that the recorder is.
        trace_outside: the identity of the trace outside of it.
        level: the innermost `Values` when the recorder was opened, or None.
    """

    trace: Any
    trace_outside: Any
    level: Any

    def observe(self, variable: VariableLike, array: Any) -> Any:
        """Return the array in the place of one that was read from a variable."""
