"""The bases of layers with one class for each number of spatial axes: `class Conv2D(_Conv, rank=2)`."""

from __future__ import annotations

import functools
import inspect
from typing import Any

from jaxlayers.core import InputSpec, Layer
from jaxlayers.numerics.spatial import format_of, one_of, per_axis

_WRITTEN_OUT = ("dilation_rate", "pool_size", "size", "strides")


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
            if rank > 1 and "__init__" not in cls.__dict__:
                cls.__init__ = _written_out(cls.__init__, rank)  # type: ignore[method-assign]

    def __init__(self, data_format: str | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.data_format = format_of(type(self).__name__, data_format)
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def per_axis(self, name: str, value: Any, least: int = 1) -> tuple[int, ...]:
        """Return the argument `name` as one integer for each spatial axis."""
        return per_axis(type(self).__name__, name, value, self.rank, least)


class Convolving(Ranked):
    """A layer that convolves its inputs: the arguments of the convolution."""

    paddings: tuple[str, ...] = ("valid", "same")
    strides_or_dilation = True  # if True, only one of the two may be more than 1, as in Keras

    def __init__(self, kernel_size: Any, strides: Any, padding: str, dilation_rate: Any, **kwargs: Any):
        super().__init__(**kwargs)
        self.kernel_size = self.per_axis("kernel_size", kernel_size)
        self.strides = self.per_axis("strides", strides)
        self.padding = one_of(type(self).__name__, "padding", padding, self.paddings)
        self.dilation_rate = self.per_axis("dilation_rate", dilation_rate)
        if self.strides_or_dilation and max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise ValueError(
                f"{type(self).__name__}: only one of strides and dilation_rate may be more than 1; received "
                f"strides={strides!r} and dilation_rate={dilation_rate!r}."
            )


def _written_out(initialize: Any, rank: int) -> Any:
    """A copy of `__init__` whose defaults have one value for each spatial axis, as in Keras's signatures."""

    @functools.wraps(initialize)
    def own(self: Any, *args: Any, **kwargs: Any) -> None:
        initialize(self, *args, **kwargs)

    signature = inspect.signature(initialize)
    parameters = [
        p.replace(default=(p.default,) * rank) if p.name in _WRITTEN_OUT and isinstance(p.default, int) else p
        for p in signature.parameters.values()
    ]
    own.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    return own
