"""The layouts of the outputs of layers: constraints in compiled functions, which decide where activations lie.

Without a constraint, XLA takes the layout of an activation from those of the inputs and of the weights. Where both are
split over the same axis of the mesh, it may leave each weight in parts and send activations of the whole batch around.
"""

from __future__ import annotations

from typing import Any

import jax

from jaxlayers.common import masks, placement
from jaxlayers.distribution._mesh import TensorLayout


def lay_out(output: Any, layout: TensorLayout, path: str) -> Any:
    """Return the output of a layer in a layout; with whole batches where the devices do not divide the batch.

    Raises:
        ValueError: when the layout does not fit the shape.
    """
    if not _is_known(output):
        return output
    axes = layout.axes
    if output.shape and axes and output.shape[0] % layout.parts_along(axes[0]):
        layout = TensorLayout((None, *axes[1:]), layout.device_mesh)
    layout.check_fits(path, output.shape)
    if isinstance(output, jax.core.Tracer):
        return _constrain(output, layout.backend_layout)
    return placement.put(output, layout.backend_layout)


def split_samples(output: Any, sharding: jax.NamedSharding) -> Any:
    """Return the output of a layer in a compiled function with its first axis split, if the devices divide it.

    Inside of `jax.shard_map`, where each device has its samples already, the output is returned as it is.
    """
    if not isinstance(output, jax.core.Tracer) or not output.ndim or not _is_known(output):
        return output
    if output.shape[0] % sharding.mesh.size or jax.sharding.get_abstract_mesh().manual_axes:
        return output
    return _constrain(output, sharding)


def _is_known(output: Any) -> bool:
    """False while shapes are being inferred."""
    return all(isinstance(size, int) for size in output.shape)


def _constrain(output: Any, sharding: jax.NamedSharding) -> Any:
    constrained = jax.lax.with_sharding_constraint(output, sharding)
    if (mask := masks.get_mask(output)) is not None:  # the mask belongs to the array
        masks.set_mask(constrained, mask)
    return constrained
