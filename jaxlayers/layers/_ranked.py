"""Layers of which there is one class for each number of spatial axes: `class Conv2D(_Conv, rank=2)`."""

from __future__ import annotations

from typing import Any

from jaxlayers.core import InputSpec, Layer


class Ranked(Layer):
    """Takes inputs with `rank` axes beside those of batch and channels.

    A mask of steps does not travel through it: steps become fewer, or more, or others.
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
