"""The parameters of a layer's `call`, `build` and `__init__`: the signatures are read once for each class."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable, Collection
from typing import Any

import jax

from jaxlayers.common import registry
from jaxlayers.common.explanations import describe
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
        arguments = self.named(args, kwargs)
        shapes = {f"{n}_shape": shape_tree(v) for n, v in arguments.items() if has_arrays(v)}
        if len(self.build_names) <= 1:
            parameters = [*self.build_signature.parameters.values()][1:]
            takes_any = any(p.kind is inspect.Parameter.VAR_POSITIONAL for p in parameters)
            if takes_any and len(shapes.keys() - {"mask_shape"}) > 1:  # `Layer.build`: they are kept for files
                return (), {name: shape for name, shape in shapes.items() if name != "mask_shape"}
            return tuple(shapes.values())[: max(takes_any, len(self.build_names))], {}
        required = [
            n for n in self.build_names if self.build_signature.parameters[n].default is inspect.Parameter.empty
        ]
        missing = [name for name in required if name not in shapes]
        if shapes and missing and (self.open_ended or kwargs.keys() <= self.all_names):
            wrong = {n: v for n, v in arguments.items() if f"{n}_shape" in missing and v is not None}
            if wrong:
                received = ", ".join(f"{describe(value)} as {name}" for name, value in wrong.items())
                raise TypeError(f"{self.cls.__name__} expects arrays; received {received}.")
            raise TypeError(
                f"{self.cls.__name__}.build expects {', '.join(missing)}; the arrays in this call have the shapes "
                f"{', '.join(shapes)}. Name each parameter of build after an argument of call, with _shape at the end, "
                "and give it a default if that argument may be left out. Or let build have one parameter: it receives "
                "the shape of the first argument."
            )
        return (), {name: shapes[name] for name in self.build_names if name in shapes}

    def call_arguments(self, convert: Callable[[Any], Any], args: Any, kwargs: Any) -> tuple[Any, dict[str, Any]]:
        """Return the arguments of `call` that the arguments of `build` are the shapes of, each converted."""
        named = {name.removesuffix("_shape"): convert(shape) for name, shape in kwargs.items()}
        positional = tuple(map(convert, args))
        return (positional, named) if named.keys() <= self.all_names else ((*positional, *named.values()), {})

    def made_with(self, args: tuple[Any, ...], kwargs: dict[str, Any], without: Collection[str] = ()) -> dict[str, Any]:
        """Return the arguments of `__init__` by name as plain data, defaults included; some names can be left out."""
        signature = inspect.signature(self.cls.__init__)  # type: ignore[misc]
        bound = signature.bind(None, *args, **kwargs)
        fields = dataclasses.fields(self.cls) if dataclasses.is_dataclass(self.cls) else ()
        made_anew = {f.name for f in fields if f.default_factory is not dataclasses.MISSING} - bound.arguments.keys()
        bound.apply_defaults()
        for name in made_anew:
            bound.arguments.pop(name, None)
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


def split_method(layer: Any, method: Any, kwargs: dict[str, Any]) -> tuple[dict[str, Any], Any]:
    """Return the keyword arguments for a layer, and its method to run; `method` may be an argument of `call` itself."""
    is_argument = method is not None and "method" in layer._call_spec.all_names
    return ({**kwargs, "method": method}, None) if is_argument else (kwargs, method)


def bind_method(
    layer: Any, method: Any, kwargs: dict[str, Any]
) -> tuple[Callable[..., Any], bool | None, dict[str, Any]]:
    """Return a function that calls a method of a layer, `training`, and the keyword arguments of the function.

    Args:
        layer: the layer.
        method: the name of a method or of a layer inside; a method of the layer, of its class, or of a layer inside;
            or a function whose first argument is the layer.
        kwargs: the keyword arguments; `training` among them is left out if the function has no such parameter.

    Raises:
        TypeError: when `method` is none of these.
    """
    function = getattr(layer, method, None) if isinstance(method, str) else method
    if not callable(function):
        raise TypeError(
            f"{layer.path!r} expects as method= the name of one of its methods, the method itself, or a function whose "
            f"first argument is the layer; received {repr(method) if isinstance(method, str) else describe(method)}."
        )
    candidates = (function, getattr(function, "__self__", None))
    is_bound = isinstance(method, str) or any(a is below for a in candidates for below in layer._tracked_objects)
    function = function if is_bound else functools.partial(getattr(function, "__func__", function), layer)
    takes_training = "training" in inspect.signature(function).parameters
    passed = {name: value for name, value in kwargs.items() if name != "training" or takes_training}
    return function, kwargs.get("training"), passed


def has_arrays(value: Any) -> bool:
    """True if a nested structure holds at least one array."""
    return any(hasattr(leaf, "shape") and hasattr(leaf, "dtype") for leaf in jax.tree.leaves(value))


def is_numeric(leaf: Any) -> bool:
    """True for an array that holds no strings or objects."""
    return hasattr(leaf, "shape") and hasattr(leaf, "dtype") and getattr(leaf.dtype, "kind", "f") not in "USOT"


def dtypes_of(value: Any) -> list[str]:
    """Return the names of the dtypes of the arrays in a nested structure."""
    return [str(leaf.dtype) for leaf in jax.tree.leaves(value) if hasattr(leaf, "dtype")]


def shape_tree(value: Any) -> Any:
    """Return the shapes of the arrays in a nested structure, in the same structure; None for other values.

    Unknown sizes are None, also in an abstract run, where symbols stand for them.
    """

    def shape(leaf: Any) -> tuple[int | None, ...] | None:
        return tuple(map(known, leaf.shape)) if hasattr(leaf, "shape") else None

    return jax.tree.map(shape, value)
