"""The distributions: a mesh, and a rule from variables to layouts. XLA makes the communication."""

from __future__ import annotations

import contextlib
import math
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec, Sharding

from jaxlayers.common import placement
from jaxlayers.core import Layer
from jaxlayers.core.protocols import Role
from jaxlayers.distribution import _outputs
from jaxlayers.distribution._joining import Joiner, processes_along
from jaxlayers.distribution._layout_map import LayoutMap
from jaxlayers.distribution._mesh import DeviceMesh, TensorLayout, to_device

_LARGE = 1 << 20  # elements: larger weights that stay whole on every device are told


class Distribution:
    """The base class of distributions: a mesh, of which one axis splits the samples of a batch.

    Args:
        device_mesh: the mesh.
        batch_dim_name: the name of the axis of the mesh over which batches are split; the first by default.
        process_local: if False, the default, each process has the same data, and takes its own part of each batch;
            `predict` returns all outputs in each process. If True, the data of each process is its own, and a batch is
            what all processes have together: `batch_size=32` in each of 4 processes is a batch of 128. The parts may
            have different sizes, and a process may have fewer batches than another. `predict` returns the outputs for
            the data of the process. `steps_per_execution` is 1 then.
        auto_shard_dataset: Keras's name for the opposite of `process_local`; None by default.
    """

    def __init__(
        self,
        device_mesh: DeviceMesh,
        batch_dim_name: str | None = None,
        auto_shard_dataset: bool | None = None,
        process_local: bool = False,
    ):
        self.device_mesh = device_mesh
        self.batch_dim_name = batch_dim_name or device_mesh.axis_names[0]
        device_mesh.size_of(self.batch_dim_name)
        self.process_local = process_local if auto_shard_dataset is None else not auto_shard_dataset
        self._joins = self.process_local and jax.process_count() > 1
        if self._joins:
            self._order, self._devices_each = processes_along(device_mesh.backend_mesh, self.batch_dim_name)
        devices = list(device_mesh.backend_mesh.devices.flat)
        self.spans_processes = len({device.process_index for device in devices}) > 1
        here = [device for device in devices if device.process_index == jax.process_index()]
        self.is_simulated = len(here) > 1 and here[0].platform == "cpu"
        self._shardings: dict[tuple[Any, ...], NamedSharding] = {}
        self._told: set[str] = set()

    @property
    def auto_shard_dataset(self) -> bool:
        """True if each process takes its own part of the same data."""
        return not self.process_local

    @contextlib.contextmanager
    def scope(self) -> Iterator[None]:
        """A `with` block in which the distribution is in use."""
        before = placement.current()
        placement.set_current(self)
        try:
            yield
        finally:
            placement.set_current(before)

    def get_variable_layout(self, variable: Any) -> TensorLayout:
        """Return the layout of a variable: whole on every device, unless a subclass says otherwise."""
        return TensorLayout((), self.device_mesh)

    def get_tensor_layout(self, path: str) -> TensorLayout | None:
        """Return the layout of the outputs of the layer at a path, or None."""
        return None

    def get_data_layout(self, data_shape: Sequence[int]) -> TensorLayout:
        """Return the layout of a batch of a shape that the devices divide: split along the first axis."""
        return TensorLayout((self.batch_dim_name, *[None] * (len(data_shape) - 1)), self.device_mesh)

    def lay_out(self, layer: Any, outputs: Any) -> Any:
        """Return the outputs of a layer in the layout that they have; here XLA decides."""
        return outputs

    def check_model(self, model: Any) -> None:
        """Raise an error if the distribution does not fit a built model; here it fits every model."""

    def shardings_of(self, variables: Sequence[Any]) -> list[Sharding]:
        """Return the sharding of each variable.

        Raises:
            ValueError: when a layout does not fit the shape of its variable.
        """
        layouts = [self.get_variable_layout(variable) for variable in variables]
        for variable, layout in zip(variables, layouts, strict=True):
            layout.check_fits(variable.path, variable.shape)
        self._tell_whole(variables, layouts)
        return [self._sharding(layout.device_mesh.backend_mesh, *layout.axes) for layout in layouts]  # type: ignore[union-attr]

    def _tell_whole(self, variables: Sequence[Any], layouts: Sequence[TensorLayout]) -> None:
        """Warn of large weights that lie whole on every device, where a distribution is there to split them."""

    def _sharding(self, mesh: Mesh, *axes: Any) -> NamedSharding:
        """Return a sharding; the same object for the same arguments, so that compiled functions are found again."""
        return self._shardings.setdefault((mesh, *axes), NamedSharding(mesh, PartitionSpec(*axes)))

    def place_batch(self, batch: Any, leading: int = 0) -> Any:
        """Return a batch with each sample on its device.

        If the devices do not divide the number of samples, each device computes all of them. So each sample counts
        once, and statistics are those of the whole batch.

        Args:
            batch: arrays in any structure.
            leading: the number of axes before that of the samples; 0 by default.
        """
        leaves, structure = jax.tree.flatten(batch)
        shardings = [self._sharding_of_leaf(np.shape(leaf), leading) for leaf in leaves]
        if self.spans_processes:
            return jax.tree.unflatten(structure, map(placement.put, leaves, shardings))
        return jax.tree.unflatten(structure, jax.device_put(leaves, shardings))  # one call takes less time

    def _sharding_of_leaf(self, shape: tuple[int, ...], leading: int) -> NamedSharding:
        if len(shape) <= leading:
            return self._sharding(self.device_mesh.backend_mesh)
        return self._batch_sharding(shape[leading], leading)

    def joiner(self) -> Joiner | None:
        """Return the object that joins the parts of batches; None if each process has the whole batches."""
        if not self._joins:
            return None
        return Joiner(self._order, self._devices_each, self._place_parts, self.place_batch)

    def _place_parts(self, part: Any) -> Any:
        sharding = self._sharding(self.device_mesh.backend_mesh, self.batch_dim_name)
        return jax.tree.map(lambda leaf: jax.make_array_from_process_local_data(sharding, np.asarray(leaf)), part)

    def _batch_sharding(self, samples: int, leading: int) -> NamedSharding:
        # Several meshes in one program, one with as many parts as divide the batch, would split it further. JAX cannot
        # name the layouts of the outputs then.
        mesh, name = self.device_mesh.backend_mesh, self.batch_dim_name
        return self._sharding(mesh) if samples % mesh.shape[name] else self._sharding(mesh, *[None] * leading, name)

    def check_batch_size(self, samples: int) -> None:
        """Warn, once for each size, that each device computes a whole batch, when the devices do not divide it."""
        devices = self.device_mesh.size_of(self.batch_dim_name)
        if samples % devices:
            self._warn(
                f"The batch size {samples} is not a multiple of the {devices} devices along {self.batch_dim_name!r}: "
                "each of them computes all samples. The results are right, but no faster than on one device. Choose a "
                f"batch size that is a multiple of {devices}."
            )

    def _warn(self, message: str) -> None:
        if message not in self._told:
            self._told.add(message)
            warnings.warn(message, stacklevel=4)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} device_mesh={self.device_mesh}, batch_dim_name={self.batch_dim_name!r}>"


class DataParallel(Distribution):
    """Every device holds all weights, and computes a part of each batch; XLA averages the gradients.

    Args:
        device_mesh: a mesh with one axis; by default all devices along the axis `"batch"`.
        devices: the devices, in the place of a mesh.
        auto_shard_dataset: False is the same as `process_local=True`.
        process_local: see `Distribution`.

    Raises:
        ValueError: for both a mesh and devices, or a mesh with several axes.

    Example:
        >>> import jaxlayers as jl
        >>> strategy = jl.distribution.DataParallel(devices=jl.distribution.list_devices()[:1])
        >>> with strategy.scope():
        ...     model = jl.Sequential([jl.Input((3,)), jl.layers.Dense(2)])
        >>> model.weights[0].value.sharding.is_fully_replicated
        True
    """

    def __init__(
        self,
        device_mesh: DeviceMesh | None = None,
        devices: Any = None,
        auto_shard_dataset: bool | None = None,
        process_local: bool = False,
    ):
        super().__init__(_line_of_devices(device_mesh, devices), None, auto_shard_dataset, process_local)


class FSDP(Distribution):
    """Fully sharded data parallelism: every device holds a part of each weight and of its optimizer slots.

    A weight is split along its largest axis that the devices divide. It is gathered where it is used, and each device
    gets the part of the gradient that it updates (Rajbhandari et al., 2020, https://arxiv.org/abs/1910.02054).

    Args:
        device_mesh: a mesh with one axis; by default all devices along the axis `"batch"`.
        devices: the devices, in the place of a mesh.
        min_size: weights with fewer elements stay whole; 1,024 by default.
        auto_shard_dataset: False is the same as `process_local=True`.
        process_local: see `Distribution`.

    Raises:
        ValueError: for both a mesh and devices, or a mesh with several axes.

    Example:
        >>> import jaxlayers as jl
        >>> strategy = jl.distribution.FSDP(devices=jl.distribution.list_devices()[:1])
        >>> strategy.get_variable_layout(jl.Variable("zeros", shape=(64, 128))).axes
        (None, 'batch')
    """

    def __init__(
        self,
        device_mesh: DeviceMesh | None = None,
        devices: Any = None,
        min_size: int = 1024,
        auto_shard_dataset: bool | None = None,
        process_local: bool = False,
    ):
        super().__init__(_line_of_devices(device_mesh, devices), None, auto_shard_dataset, process_local)
        self.min_size = min_size

    def get_variable_layout(self, variable: Any) -> TensorLayout:
        """Return the layout of a variable: split along its largest axis that the devices divide."""
        devices = self.device_mesh.size_of(self.batch_dim_name)
        shape = variable.shape
        divided = [axis for axis, size in enumerate(shape) if size % devices == 0]
        if math.prod(shape) < self.min_size or not divided:
            return super().get_variable_layout(variable)
        longest = max(divided, key=lambda axis: (shape[axis], axis))
        return TensorLayout((*[None] * longest, self.batch_dim_name), self.device_mesh)

    def lay_out(self, layer: Any, outputs: Any) -> Any:
        """Return the outputs of a layer, each sample on its device: XLA gathers weights where they are used."""
        return _outputs.split_samples(outputs, self._batch_sharding(0, 0))

    def _tell_whole(self, variables: Sequence[Any], layouts: Sequence[TensorLayout]) -> None:
        if names := _whole_and_large(variables, layouts):
            devices = self.device_mesh.size_of(self.batch_dim_name)
            self._warn(
                f"FSDP leaves these large weights whole on every device: {names}. None of their axes is a multiple of "
                f"the {devices} devices. Choose sizes that are."
            )


class ModelParallel(Distribution):
    """Weights are split as a layout map says, and batches over one axis of its mesh.

    Args:
        layout_map: the layouts of weights by patterns of their paths; weights without one lie whole on every device,
            and optimizer slots lie as their weights do. `"auto"` takes layouts from the shapes: a kernel is split along
            its longer side, so that of two matrices in a row the first is split by columns and the second by rows
            (Shoeybi et al., 2019, https://arxiv.org/abs/1909.08053).
        batch_dim_name: the axis of the mesh over which batches are split; the first by default.
        device_mesh: the mesh for `layout_map="auto"`; by default all devices along `"model"`, and one along `"batch"`.
        min_size: for `"auto"`: weights with fewer elements stay whole; 1,024 by default.
        auto_shard_dataset: False is the same as `process_local=True`.
        process_local: see `Distribution`.

    Raises:
        ValueError: when there is no layout map. In `fit` and the like: when a pattern matches no weight of the model,
            or an axis of the mesh does not divide a size.

    Example:
        >>> import jaxlayers as jl
        >>> mesh = jl.distribution.DeviceMesh((1, 1), ("batch", "model"), jl.distribution.list_devices()[:1])
        >>> layouts = jl.distribution.LayoutMap(mesh)
        >>> layouts["up/kernel"] = (None, "model")
        >>> with jl.distribution.ModelParallel(layout_map=layouts).scope():
        ...     model = jl.Sequential([jl.Input((3,)), jl.layers.Dense(4, name="up")])
        >>> model.weights[0].value.sharding.spec == jax.P(None, 'model')
        True
    """

    def __init__(
        self,
        *,
        layout_map: LayoutMap | str | None = None,
        batch_dim_name: str | None = None,
        device_mesh: DeviceMesh | None = None,
        min_size: int = 1024,
        auto_shard_dataset: bool | None = None,
        process_local: bool = False,
    ):
        if layout_map != "auto" and not isinstance(layout_map, LayoutMap):
            raise ValueError(f"ModelParallel needs layout_map=, a LayoutMap or 'auto'; received {layout_map!r}.")
        self._map = layout_map if isinstance(layout_map, LayoutMap) else None
        if self._map is not None:
            device_mesh = self._map.device_mesh
        elif device_mesh is None:
            device_mesh = DeviceMesh((1, len(jax.devices())), ("batch", "model"))
        super().__init__(device_mesh, batch_dim_name, auto_shard_dataset, process_local)
        self.min_size = min_size
        self._model_axes = [name for name in device_mesh.axis_names if name != self.batch_dim_name]

    def get_variable_layout(self, variable: Any) -> TensorLayout:
        """Return the layout of a variable, by its path or, for `"auto"`, by its shape.

        Raises:
            ValueError: when several patterns match its path.
        """
        if variable.role not in (None, Role.WEIGHT):
            return super().get_variable_layout(variable)
        if self._map is None:
            return self._layout_by_shape(variable.shape) or super().get_variable_layout(variable)
        pattern = self._map.pattern_for(variable)
        return super().get_variable_layout(variable) if pattern is None else self._map[pattern]

    def get_tensor_layout(self, path: str) -> TensorLayout | None:
        """Return the layout of the outputs of the layer at a path, such as `"dense/output"`, or None."""
        return None if self._map is None else self._map[path]

    def lay_out(self, layer: Any, outputs: Any) -> Any:
        """Return the outputs of a layer in the layout of the pattern that matches `"<path of the layer>/output"`."""
        pattern = None if self._map is None else self._map.pattern_for_outputs(layer)
        if pattern is None:
            return outputs
        layout = self._map[pattern]  # type: ignore[index]
        return jax.tree.map(lambda output: _outputs.lay_out(output, layout, f"{layer.path}/output"), outputs)

    def _layout_by_shape(self, shape: tuple[int, ...]) -> TensorLayout | None:
        if math.prod(shape) < self.min_size or len(shape) < 2 or not self._model_axes:
            return None
        name = self._model_axes[-1]
        divided = [axis for axis, size in enumerate(shape) if size % self.device_mesh.size_of(name) == 0]
        if not divided:
            return None
        if len(shape) == 3 and 1 in divided and shape[0] >= shape[2]:
            axis = 1  # [features, heads, size]: each device has some of the heads
        elif len(shape) == 3 and 0 in divided and shape[2] >= shape[0]:
            axis = 0  # [heads, size, features]
        else:
            axis = max(divided, key=lambda axis: (shape[axis], axis))
        return TensorLayout((*[None] * axis, name), self.device_mesh)

    def check_model(self, model: Any) -> None:
        """Raise an error if a pattern of the layout map applies to no weight of a built model."""
        if self._map is None:
            return
        used = {self._map.pattern_for(variable) for variable in model.weights}
        used |= {self._map.pattern_for_outputs(part) for part in model._tracked_objects if isinstance(part, Layer)}
        if unused := [pattern for pattern in self._map if pattern not in used]:
            raise ValueError(self._map.explain_unused(unused, model))

    def _tell_whole(self, variables: Sequence[Any], layouts: Sequence[TensorLayout]) -> None:
        if names := _whole_and_large(variables, layouts):
            self._warn(
                f"ModelParallel leaves these large weights whole on every device: {names}. Add a pattern to the layout "
                "map that matches them, () to leave them whole on purpose is one as well."
                if self._map is not None
                else f"ModelParallel leaves these large weights whole on every device: {names}. The axis "
                f"{self._model_axes} divides none of their sizes."
            )


def _whole_and_large(variables: Sequence[Any], layouts: Sequence[TensorLayout]) -> str:
    """Return the paths of large trained weights that lie whole on every device."""
    pairs = zip(variables, layouts, strict=True)
    return ", ".join(
        variable.path
        for variable, layout in pairs
        if not any(layout.axes) and math.prod(variable.shape) >= _LARGE and variable.role in (None, Role.WEIGHT)
    )


def _line_of_devices(mesh: DeviceMesh | None, devices: Any) -> DeviceMesh:
    if mesh is not None and devices is not None:
        raise ValueError("Pass a mesh or devices, not both.")
    if mesh is None:
        found = jax.devices() if devices is None else [to_device(each) for each in np.asarray(devices).ravel()]
        return DeviceMesh((len(found),), ("batch",), found)
    if len(mesh.shape) != 1:
        raise ValueError(f"Expected a mesh with one axis; received {mesh}. ModelParallel takes meshes with several.")
    return mesh
