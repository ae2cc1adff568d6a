"""Devices by name, meshes of devices with named axes, and layouts: which axis of an array is split over which axis."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec


def list_devices(device_type: str | None = None) -> list[str]:
    """Return the names of all devices of all processes, such as `"gpu:0"`.

    Args:
        device_type: `"cpu"`, `"gpu"` or `"tpu"`; by default the type of JAX's default devices.

    Raises:
        ValueError: when there is no device of the type.

    Example:
        >>> from jaxlayers import distribution
        >>> distribution.list_devices("cpu")[0]
        'cpu:0'
    """
    return [name_of(device) for device in _devices_of_type(device_type)]


def get_device_count(device_type: str | None = None) -> int:
    """Return the number of devices of all processes; see `list_devices`."""
    return len(_devices_of_type(device_type))


def _devices_of_type(device_type: str | None) -> list[jax.Device]:
    try:
        return jax.devices(None if device_type is None else device_type.lower())
    except RuntimeError as error:
        found = ", ".join(map(name_of, jax.devices()))
        raise ValueError(f"There are no devices of the type {device_type!r}. JAX has found: {found}.") from error


def name_of(device: jax.Device) -> str:
    """Return the name of a device, such as `"gpu:0"`."""
    return f"{device.platform}:{device.id}"


def to_device(device: Any) -> jax.Device:
    """Return a device of JAX from its name, `"cpu"` or `"gpu:1"`, or from itself.

    Raises:
        ValueError: when there is no such device.
    """
    if isinstance(device, jax.Device):
        return device
    device = str(device)
    kind, _, number = device.lower().partition(":")
    for candidate in _devices_of_type(kind):
        if not number or str(candidate.id) == number:
            return candidate
    raise ValueError(f"There is no device {device!r}. There are: {', '.join(list_devices(kind))}.")


@contextlib.contextmanager
def device(name: Any) -> Iterator[None]:
    """A `with` block whose new arrays lie on one device, unless a distribution is in use.

    Args:
        name: the device, such as `"cpu:0"` or `"gpu"`.

    Raises:
        ValueError: when there is no such device.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> with jl.device("cpu:0"):
        ...     x = jnp.ones(3)
        >>> {each.platform for each in x.devices()}
        {'cpu'}
    """
    with jax.default_device(to_device(name)):
        yield


class DeviceMesh:
    """Devices in a grid with named axes.

    Args:
        shape: the sizes of the axes, such as `(2, 4)`.
        axis_names: the name of each axis, such as `("batch", "model")`.
        devices: the devices or their names, in the order of the grid with the last axis fastest; all by default.

    Raises:
        ValueError: when names and sizes differ in number, a name occurs twice, or the number of devices is not the
            product of the sizes.

    Example:
        >>> from jaxlayers import distribution
        >>> mesh = distribution.DeviceMesh((1, 1), ("batch", "model"), distribution.list_devices()[:1])
        >>> mesh.shape, mesh.axis_names
        ((1, 1), ['batch', 'model'])
    """

    def __init__(self, shape: Sequence[int], axis_names: Sequence[str], devices: Any = None):
        sizes, names = tuple(map(int, shape)), list(axis_names)
        if not sizes or len(sizes) != len(names) or len(set(names)) != len(names):
            raise ValueError(
                f"DeviceMesh expects a size and a name of its own for each axis; received shape={shape} and "
                f"axis_names={axis_names}."
            )
        found = jax.devices() if devices is None else [to_device(each) for each in np.asarray(devices).ravel()]
        if math.prod(sizes) != len(found):
            raise ValueError(f"DeviceMesh of shape {sizes} needs {math.prod(sizes)} devices; received {len(found)}.")
        grid = np.empty(len(found), object)
        grid[:] = found
        self._mesh = Mesh(grid.reshape(sizes), tuple(names), axis_types=(AxisType.Auto,) * len(names))

    @classmethod
    def from_jax(cls, mesh: Mesh) -> DeviceMesh:
        """Return the mesh with the devices and the axis names of a mesh of JAX; its axes become `Auto`."""
        return cls(mesh.devices.shape, mesh.axis_names, mesh.devices)

    @property
    def shape(self) -> tuple[int, ...]:
        """The sizes of the axes."""
        return self._mesh.devices.shape

    @property
    def axis_names(self) -> list[str]:
        """The names of the axes."""
        return list(self._mesh.axis_names)

    @property
    def devices(self) -> np.ndarray:
        """The names of the devices, in the grid."""
        return np.vectorize(name_of, otypes=[object])(self._mesh.devices)

    @property
    def backend_mesh(self) -> Mesh:
        """The mesh as JAX has it; its axes are of the type `Auto`."""
        return self._mesh

    def size_of(self, axis: str) -> int:
        """Return the size of an axis.

        Raises:
            ValueError: when there is no axis of this name.
        """
        if axis not in self._mesh.shape:
            raise ValueError(f"The mesh has no axis {axis!r}; its axes are {dict(self._mesh.shape)}.")
        return self._mesh.shape[axis]

    def __repr__(self) -> str:
        return f"<DeviceMesh shape={self.shape}, axis_names={self.axis_names}>"


class TensorLayout:
    """The layout of an array on a mesh: for each axis of the array the axis of the mesh that it is split over.

    Args:
        axes: for each axis of the array the name of an axis of the mesh, or None for an axis that stays whole. A tuple
            of names splits one axis over several.
        device_mesh: the mesh; without one, that of the `LayoutMap` that the layout is put into, or of the distribution.

    Raises:
        ValueError: when the mesh has no axis of a name, or a name occurs twice.

    Example:
        >>> from jaxlayers import distribution
        >>> mesh = distribution.DeviceMesh((1,), ("model",), distribution.list_devices()[:1])
        >>> distribution.TensorLayout((None, "model"), mesh).axes
        (None, 'model')
    """

    def __init__(self, axes: Sequence[Any], device_mesh: DeviceMesh | None = None):
        self._axes = tuple(tuple(axis) if isinstance(axis, list | tuple) else axis for axis in axes)
        self._mesh = device_mesh
        self._check()

    def _check(self) -> None:
        names = [name for axis in self._axes for name in names_in(axis)]
        if len(set(names)) != len(names):
            raise ValueError(f"A layout can use each axis of the mesh once; received {self._axes}.")
        for name in names if self._mesh is not None else ():
            self._mesh.size_of(name)  # type: ignore[union-attr]

    @property
    def axes(self) -> tuple[Any, ...]:
        """For each axis of the array the name of the axis of the mesh, or None."""
        return self._axes

    @property
    def device_mesh(self) -> DeviceMesh | None:
        """The mesh, or None if it is not set yet."""
        return self._mesh

    @device_mesh.setter
    def device_mesh(self, mesh: DeviceMesh) -> None:
        if self._mesh is not None:
            raise ValueError(f"The layout has a mesh already: {self._mesh}.")
        self._mesh = mesh
        self._check()

    @property
    def backend_layout(self) -> NamedSharding:
        """The layout as a sharding of JAX.

        Raises:
            ValueError: when the mesh is not set.
        """
        if self._mesh is None:
            raise ValueError(f"The layout {self._axes} has no mesh. Pass device_mesh=.")
        return NamedSharding(self._mesh.backend_mesh, PartitionSpec(*self._axes))

    def parts_along(self, axis: Any) -> int:
        """Return the number of parts that an axis is split into: the name of an axis of the mesh, several, or None."""
        mesh = self._mesh
        return 1 if mesh is None else math.prod([mesh.size_of(name) for name in names_in(axis)])

    def check_fits(self, path: str, shape: tuple[int, ...]) -> None:
        """Check that an array can be split so.

        Raises:
            ValueError: when the array has fewer axes than the layout, or a size is not divided.
        """
        if len(self._axes) > len(shape):
            raise ValueError(f"{path!r} has shape {shape}: the layout {self._axes} has more axes than that.")
        for number, (size, axis) in enumerate(zip(shape, self._axes, strict=False)):
            parts = self.parts_along(axis)
            if size % parts:
                raise ValueError(
                    f"{path!r} has shape {shape}: axis {number} of size {size} cannot be divided into {parts} equal "
                    f"parts, one for each device along {axis!r}. Choose another axis, another mesh, or None."
                )

    def __repr__(self) -> str:
        return f"<TensorLayout axes={self._axes}, device_mesh={self._mesh}>"


def names_in(axis: Any) -> tuple[str, ...]:
    """Return the names of the axes of a mesh in an entry of a layout: none, one or several."""
    return () if axis is None else axis if isinstance(axis, tuple) else (axis,)
