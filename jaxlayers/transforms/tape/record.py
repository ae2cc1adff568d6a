"""The operations that depend on watched arrays, as a gradient needs them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jaxlayers.transforms.tape.sources import WatchedVariables


class Node:
    """One operation of a record.

    Attributes:
        name: the name of the operation, for messages.
        inputs: the identities of the inputs that were known.
        outputs: the identities of the outputs; None for those without a gradient.
        pull: a function from the cotangents of the outputs (None for those that are zero) and the positions among
            `inputs` that are of interest to the cotangents of these inputs.
        pull_again: as `pull`, from the arguments of the operation, so that the gradient is a function of them: for a
            gradient that the record itself is to hold.
    """

    __slots__ = ("inputs", "name", "outputs", "pull", "pull_again")

    def __init__(
        self,
        name: str,
        inputs: list[int],
        outputs: list[int | None],
        pull: Callable[..., Any],
        pull_again: Callable[..., Any],
    ):
        self.name, self.inputs, self.outputs = name, inputs, outputs
        self.pull, self.pull_again = pull, pull_again


class Record:
    """The operations that depend on watched arrays, in the order in which they ran.

    Attributes:
        arrays: all arrays that are known, by identity. They are kept alive, so that no identity is used twice.
        nodes: the operations.
        variables: the variables whose reads are recorded.
        is_persistent: if True, the operations keep their arguments, so that the record can hold its own gradients.
    """

    def __init__(self, is_persistent: bool = False) -> None:
        self.is_persistent = is_persistent
        self.arrays: dict[int, Any] = {}
        self.nodes: list[Node] = []
        self.variables = WatchedVariables()

    def add(self, array: Any) -> None:
        """Make an array known."""
        self.arrays[id(array)] = array
