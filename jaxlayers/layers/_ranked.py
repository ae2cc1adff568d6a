"""The base of layers with one class for each number of spatial axes: `class Conv2D(_Conv, rank=2)`."""

from __future__ import annotations

from typing import Any

from jaxlayers.core import InputSpec, Layer


class Ranked(Layer):
    """A layer for inputs with `rank` spatial axes besides the batch and the channels.

    The mask of the inputs is not passed on: the outputs have other time steps than the inputs.
    """

    rank: int
    supports_masking = False

    def __init_subclass__(cls, rank: int | None = None, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if rank is not None:
            cls.rank = rank

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        self.input_spec = InputSpec(ndim=self.rank + 2)
