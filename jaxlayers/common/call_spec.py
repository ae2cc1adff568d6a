"""The parameters of a layer's `call`, `build` and `__init__`: the signatures are read once for each class."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection
from typing import Any

import jax

from jaxlayers.common import registry
from jaxlayers.common.unknown_sizes import known


class CallSpec:
    """The parameters of `call` and `build`: their names and positions."""

    def __init__(self, cls: type):
        self.cls = cls
        parameters = list(inspect.signature(cls.call).parameters.values())  # type: ignore[attr-defined]
        if not isinstance(inspect.getattr_static(cls, "call"), staticmethod):
            del parameters[0]
        kinds = inspect.Parameter
        self.names = [p.name for p in parameters if p.kind in (kinds.POSITIONAL_ONLY, kinds.POSITIONAL_OR_KEYWORD)]
        self.all_names = {p.name for p in parameters}
        self.open_ended = any(p.kind is kinds.VAR_KEYWORD for p in parameters)
        self.has_training = "training" in self.all_names
        self.training_position = self.names.index("training") if "training" in self.names else 10**6
        default = next((p.default for p in parameters if p.name == "training"), None)
        self.training_default = None if default is inspect.Parameter.empty else default
        self.takes_masks = {n for n in self.all_names if n == "mask" or n.endswith("_mask")}
        base = next((c for c in reversed(cls.__mro__) if "compute_mask" in c.__dict__), cls)
        self.makes_masks = cls.compute_mask is not base.__dict__.get("compute_mask")  # type: ignore[attr-defined]

    @functools.cached_property
    def build_signature(self) -> inspect.Signature:
        """The signature of `build`, with `self`."""
        return inspect.signature(self.cls.build)  # type: ignore[attr-defined]

    @functools.cached_property
    def build_names(self) -> list[str]:
        """The names of the parameters of `build`, without `self`."""
        positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        return [p.name for p in self.build_signature.parameters.values() if p.kind in positional][1:]

    def training(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool | None:
        """Return the `training` argument of a call, or None if the call has none."""
        if self.has_training and len(args) > self.training_position:
            return args[self.training_position]
        return kwargs.get("training")

    def first(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Return the first argument of a call, positional or by keyword."""
        return args[0] if args else next((kwargs[name] for name in self.names if name in kwargs), None)

    def named(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        """Return all arguments of a call by name."""
        names = self.names + [f"argument_{i}" for i in range(len(self.names), len(args))]
        return {**dict(zip(names, args, strict=False)), **kwargs}

    def fill_masks(self, args: tuple[Any, ...], kwargs: dict[str, Any], mask_of: Callable[[Any], Any]) -> None:
        """Add the masks of the inputs to `kwargs`, for the mask parameters of `call` that have no argument yet.

        The mask of the input `x` goes to the parameter `x_mask`; the mask of the first input goes to `mask` if there
        is such a parameter. `mask_of` returns the mask of an array, or None.
        """
        if not self.takes_masks:
            return
        arguments = self.named(args, kwargs)
        inputs = {n: v for n, v in arguments.items() if n not in self.takes_masks and has_arrays(v)}
        for number, (name, value) in enumerate(inputs.items()):
            candidates = ("mask", f"{name}_mask") if number == 0 else (f"{name}_mask",)
            target = next((parameter for parameter in candidates if parameter in self.takes_masks), None)
            if target is not None and arguments.get(target) is None:
                mask = jax.tree.map(mask_of, value)
                if jax.tree.leaves(mask):
                    kwargs[target] = mask

    def build_arguments(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return the arguments of `build`, positional and by keyword: the shapes of the arguments of `call`."""
        shapes = {f"{n}_shape": shape_tree(v) for n, v in self.named(args, kwargs).items() if has_arrays(v)}
        if len(self.build_names) > 1:
            return (), {name: shapes[name] for name in self.build_names if name in shapes}
        return tuple(shapes.values())[: max(1, len(self.build_names))], {}

    def made_with(self, args: tuple[Any, ...], kwargs: dict[str, Any], without: Collection[str] = ()) -> dict[str, Any]:
        """Return the arguments of `__init__` by name as plain data, defaults included; some names can be left out."""
        signature = inspect.signature(self.cls.__init__)  # type: ignore[misc]
        bound = signature.bind(None, *args, **kwargs)
        bound.apply_defaults()
        arguments: dict[str, Any] = {}
        for name, value in list(bound.arguments.items())[1:]:
            kind = signature.parameters[name].kind
            if kind is inspect.Parameter.VAR_KEYWORD:
                arguments.update(value)
            elif kind is not inspect.Parameter.VAR_POSITIONAL:
                arguments[name] = value
            elif value and not without:
                raise TypeError(f"{self.cls.__name__} takes *{name}, so it must have its own get_config().")
        try:
            return {name: registry.describe(value) for name, value in arguments.items() if name not in without}
        except TypeError as error:
            raise TypeError(f"{self.cls.__name__} has no get_config() of its own, and {error}") from None

    def takes(self, name: str) -> bool:
        """True if `__init__` has a parameter of this name, or takes `**kwargs`."""
        parameters = inspect.signature(self.cls.__init__).parameters  # type: ignore[misc]
        return name in parameters or any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values())


class LazyCallSpec:
    """A class attribute that creates the `CallSpec` when it is first read: most imported classes are never called."""

    def __get__(self, instance: Any, owner: type) -> CallSpec:
        spec = CallSpec(owner)
        owner._call_spec = spec  # type: ignore[attr-defined]
        return spec


def has_arrays(value: Any) -> bool:
    """True if a nested structure holds at least one array."""
    return any(hasattr(leaf, "shape") and hasattr(leaf, "dtype") for leaf in jax.tree.leaves(value))


def shape_tree(value: Any) -> Any:
    """Return the shapes of the arrays in a nested structure, in the same structure; None for other values.

    Unknown sizes are None, also in an abstract run, where symbols stand for them.
    """

    def shape(leaf: Any) -> tuple[int | None, ...] | None:
        return tuple(map(known, leaf.shape)) if hasattr(leaf, "shape") else None

    return jax.tree.map(shape, value)
