"""Every layer, once for each combination of arguments that takes another way through its code.

Each family has its list in `cases/`; `test_every_layer.py` drives each entry through every transform, and
`test_layers_against_keras.py` compares it with Keras's. A new layer is added to its family's list, nowhere else.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from jaxlayers import layers


def floats(*shape: int) -> np.ndarray:
    """Values that are different everywhere, of both signs, and the same in every process."""
    return np.random.default_rng(shape).normal(0.3, 1.0, shape).astype("float32")


def integers(*shape: int) -> np.ndarray:
    return np.random.default_rng(shape).integers(0, 5, shape).astype("int32")


def masks(*shape: int) -> np.ndarray:
    """A mask of which each row starts with at least one True and ends anywhere."""
    lengths = np.random.default_rng(shape).integers(1, shape[-1] + 1, (*shape[:-1], 1))
    return np.arange(shape[-1]) < lengths


def anew(value: Any) -> Any:
    """Arguments with new layers like those in them, so that no two tests share one."""
    if isinstance(value, dict):
        return {name: anew(one) for name, one in value.items()}
    if isinstance(value, list):
        return [anew(one) for one in value]
    return type(value).from_config(value.get_config()) if isinstance(value, layers.Layer) else value


def holds_layers(value: Any) -> bool:
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return isinstance(value, layers.Layer) or any(map(holds_layers, inside))


@dataclasses.dataclass(frozen=True)
class Case:
    """One layer with its arguments, and what it is called with.

    Args:
        name: of the test; each has its own.
        cls: the class.
        arguments: its arguments.
        inputs: one batch: an array, or what the layer takes as its first argument (a list of arrays, say).
        more: further positional arguments of the call.
        call: keyword arguments of the call that are not arrays.
        training: what decides while training, beside the inputs: "" for nothing, "draws", "statistics".
        varies: False where the layer was made for this batch size only.
        half: the tolerance of computing in bfloat16, relative and absolute.
        loose: the tolerance against Keras, where the same mathematics in another order asks for more than the usual.
        alone: why it is not compared with Keras's class of that name, where it is not.
    """

    name: str
    cls: Callable[..., Any]
    arguments: dict[str, Any]
    inputs: Any
    training: str = ""
    varies: bool = True
    more: tuple[Any, ...] = ()
    call: dict[str, Any] = dataclasses.field(default_factory=dict)
    half: float = 5e-2
    loose: float = 2e-5
    alone: str = ""

    def make(self, **more: Any) -> Any:
        return self.cls(**{**anew(self.arguments), **more})

    @property
    def args(self) -> tuple[Any, ...]:
        return (self.inputs, *self.more)

    @property
    def quiet(self) -> dict[str, Any]:
        """Keyword arguments of a call outside of training; layers that change data train unless told not to."""
        takes = inspect.signature(self.cls.call).parameters.get("training") if isinstance(self.cls, type) else None
        return {**self.call, "training": False} if takes is not None and takes.default is True else self.call
