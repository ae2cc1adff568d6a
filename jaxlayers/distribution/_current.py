"""The distribution in use, and arrays in layouts."""

from __future__ import annotations

from typing import Any

import jax

from jaxlayers.common import placement
from jaxlayers.distribution._mesh import TensorLayout
from jaxlayers.distribution._strategies import Distribution


def distribution() -> Distribution | None:
    """Return the distribution in use, or None.

    Example:
        >>> import jaxlayers as jl
        >>> jl.distribution.distribution() is None
        True
    """
    return placement.current()  # type: ignore[return-value]


def set_distribution(value: Distribution | None) -> None:
    """Use a distribution for all that follows; None for none.

    Weights that exist already are moved when they are used next: in `fit`, `evaluate`, `predict`, `train_on_batch` and
    the like, `train_state`, and functions under `jl.jit`.

    Raises:
        ValueError: when the value is no distribution.

    Example:
        >>> import jaxlayers as jl
        >>> jl.distribution.set_distribution(jl.distribution.DataParallel())
        >>> jl.distribution.set_distribution(None)
    """
    if value is not None and not isinstance(value, Distribution):
        raise ValueError(
            f"set_distribution expects a distribution such as DataParallel(), or None; received {value!r}."
        )
    placement.set_current(value)


def distribute_tensor(tensor: Any, layout: Any) -> jax.Array:
    """Return an array in a layout: moved there, or kept there inside of a compiled function.

    In `call` of a layer, it decides how activations are split, for sequence or tensor parallelism.

    Args:
        tensor: the array.
        layout: a `TensorLayout`, a sharding of JAX, or a tuple of names of axes of the mesh of the distribution in use.

    Raises:
        ValueError: when the layout has no mesh, or does not fit the shape.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> mesh = jl.distribution.DeviceMesh((1,), ("sequence",), jl.distribution.list_devices()[:1])
        >>> layout = jl.distribution.TensorLayout((None, "sequence"), mesh)
        >>> jl.distribution.distribute_tensor(jnp.ones((2, 8)), layout).sharding.spec == jax.P(None, 'sequence')
        True
    """
    if isinstance(layout, tuple | list):
        layout = TensorLayout(layout)
    if isinstance(layout, TensorLayout):
        in_use = distribution()
        if layout.device_mesh is None and in_use is not None:
            layout = TensorLayout(layout.axes, in_use.device_mesh)
        sharding: Any = layout.backend_layout
        layout.check_fits("the array", tuple(tensor.shape))
    else:
        sharding = layout
    if isinstance(tensor, jax.core.Tracer):
        return jax.lax.with_sharding_constraint(tensor, sharding)
    return placement.put(tensor, sharding)
