"""`load`: the functions of an exported file, which run without the code that they were made from."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import export

from jaxlayers.common import explanations, masks
from jaxlayers.common.array_like import from_other_library, unwrap
from jaxlayers.common.errors import ends_in_user_code
from jaxlayers.common.settings import overflows
from jaxlayers.core import InputSpec
from jaxlayers.export import _structures
from jaxlayers.export._file import Reader, reading
from jaxlayers.export._programs import Program
from jaxlayers.export._structures import Leaf, Matched, Structure, checked_leaf
from jaxlayers.export._tracing import as_key


class LoadedVariant:
    """One program of an endpoint; see `Variant`.

    Attributes:
        absent: the paths of the inputs that are absent.
        weights: the names of the weights that it takes.
        writes: the names of those that it changes.
    """

    def __init__(self, data: Any, inputs: Structure, weights: dict[str, Leaf], read: Callable[[str], bytes]):
        self.inputs, self.outputs = _structures.from_json(data["inputs"]), _structures.from_json(data["outputs"])
        taken, present = dict(_structures.leaves_of(inputs)), dict(_structures.leaves_of(self.inputs))
        self.absent = taken.keys() - present.keys()
        self.weights, self.writes = (_names_at(data[key], list(weights)) for key in ("weights", "writes"))
        self.program = Program.from_json(data["program"], read)
        arguments = [*(weights[name] for name in self.weights), *present.values()]
        results = [*(leaf for _, leaf in _structures.leaves_of(self.outputs)), *(weights[name] for name in self.writes)]
        fits = _same_arrays(self.program.inputs, arguments) and _same_arrays(self.program.outputs, results)
        if not fits or not _same_arrays(present.values(), [taken.get(path) for path in present]):
            raise ValueError("the arguments of a program do not fit its endpoint")


def _names_at(numbers: Any, names: list[str]) -> list[str]:
    """Return the names of weights by their numbers."""
    if not all(type(number) is int and 0 <= number < len(names) for number in numbers):
        raise ValueError("an endpoint has weights that the file does not have")
    return [names[number] for number in numbers]


def _same_arrays(leaves: Iterable[Leaf | None], others: Iterable[Leaf | None]) -> bool:
    """Return True if the shapes and dtypes are the same."""
    one, other = ([leaf and (leaf.shape, leaf.dtype) for leaf in side] for side in (leaves, others))
    return one == other


class Function:
    """An endpoint as a pure function of a list of weights and of its arguments by name.

    Attributes:
        what: the name of the endpoint and the file, for messages.
        inputs: the description of the arguments, a dict by name.
        variants: the programs.
        weights: the names of the weights that it takes.
        writes: the names of those that it changes.
    """

    def __init__(
        self, what: str, data: Any, platforms: tuple[str, ...], weights: dict[str, Leaf], read: Callable[[str], bytes]
    ):
        self.what = what
        self.inputs = _structures.from_json(data["inputs"])
        if isinstance(self.inputs, Leaf) or self.inputs.kind != "dict":
            raise ValueError("the inputs of an endpoint are no dict")
        if not data["variants"]:
            raise ValueError("an endpoint has no program")
        self.variants = [LoadedVariant(variant, self.inputs, weights, read) for variant in data["variants"]]
        self.weights = list(dict.fromkeys(weight for v in self.variants for weight in v.weights))
        self.writes = [name for name in self.weights if any(name in v.writes for v in self.variants)]
        refusal = f"{what} was exported without derivatives of this order. Export it again with vjp_order=1, or more."
        self._runs = [variant.program.bind(platforms, refusal) for variant in self.variants]

    def __call__(self, weights: list[Any], arguments: Any) -> tuple[Any, dict[str, Any]]:
        """Compute the outputs and the new weights; traced once for each combination of shapes and structures."""
        matched = self.match(arguments)
        described = list(_structures.leaves_of(self.inputs))
        absent = frozenset(path for v, (path, _) in zip(matched.values, described, strict=True) if v is None)
        number = next(number for number, variant in enumerate(self.variants) if variant.absent == absent)
        variant = self.variants[number]
        sizes: dict[str, Any] = {}
        arrays = [
            self._fit(value, path, leaf, sizes)
            for value, (path, leaf) in zip(matched.values, described, strict=True)
            if value is not None
        ]
        by_name = dict(zip(self.weights, weights, strict=True))
        results = self._runs[number](*[by_name[name] for name in variant.weights], *arrays)
        new = dict(zip(variant.writes, results[len(results) - len(variant.writes) :], strict=True))
        outputs = [leaf for _, leaf in _structures.leaves_of(variant.outputs)]
        values = iter([as_key(array, leaf) for array, leaf in zip(results, outputs, strict=False)])
        return _structures.build(variant.outputs, values, matched.classes), new

    def bind(self, args: Any, kwargs: Any) -> dict[str, Any]:
        """Return the arguments by name, as arrays in containers."""
        names = [str(key) for key in self.inputs.keys]  # type: ignore[union-attr]
        received = {**dict(zip(names, args, strict=False)), **kwargs}
        missing = [name for name in names if name not in received and not self._may_be_absent(name)]
        if missing or len(args) + len(kwargs) != len(received) or not received.keys() <= set(names):
            by_name = f" and {', '.join(kwargs)} by name" if kwargs else ""
            raise self.error(f"it takes {', '.join(names)}; received {len(args)} by position{by_name}")
        arguments = {name: received.get(name) for name in names}
        if masks.in_use() and any(masks.get_mask(leaf) is not None for leaf in jax.tree.leaves(arguments)):
            raise self.error("an input has a mask, which it ignores. Export the mask as an input, or pass jnp.copy(x)")
        if all(map(_is_ready, jax.tree.leaves(arguments))):
            return arguments
        matched = self.match(arguments)
        leaves = zip(matched.values, _structures.leaves_of(self.inputs), strict=True)
        values = iter([self._as_array(value, leaf.name or path) for value, (path, leaf) in leaves])
        return _structures.build(self.inputs, values, matched.classes)

    def match(self, arguments: Any) -> Matched:
        """Return the values of all inputs."""
        try:
            return Matched(self.inputs, arguments)
        except ValueError as error:
            raise self.error(str(error)) from None

    def error(self, what: str) -> ValueError:
        """Return an error about the arguments of a call."""
        return _ArgumentError(f"{self.what} cannot be called: {what}.")

    def _may_be_absent(self, name: str) -> bool:
        part = self.inputs.parts[self.inputs.keys.index(name)]  # type: ignore[union-attr]
        return isinstance(part, Leaf) and part.optional

    def _as_array(self, value: Any, name: str) -> Any:
        """Return a number, list or foreign array as an array."""
        if value is None or _is_ready(value):
            return value
        try:
            array: Any = unwrap(from_other_library(value))
            array = array if isinstance(array, jax.Array) else np.asarray(array)
        except (ValueError, TypeError) as error:
            raise self.error(f"the input {name!r} is no array: {error}") from None
        if not _is_ready(array) and (array.dtype.kind in _TEXT or overflows(array)):
            what = explanations.describe(array)
            raise self.error(f"the input {name!r} must hold numbers that fit into JAX's dtypes; received {what}")
        return array

    def _fit(self, value: Any, path: str, leaf: Leaf, sizes: dict[str, Any]) -> Any:
        """Return an input in the dtype that the program takes, once its shape has been checked."""
        array, dtype = jnp.asarray(value), jnp.dtype(leaf.dtype)
        if jnp.issubdtype(array.dtype, jax.dtypes.prng_key):
            if leaf.key is None:
                raise self.error(f"the input {(leaf.name or path)!r} must have {leaf}; received a key of jax.random")
            array = jax.random.key_data(array)
        fits, different = len(array.shape) == len(leaf.shape), []
        for size, expected in zip(array.shape, leaf.shape, strict=False):
            # Expressions such as "2*t" are left to JAX, which solves them.
            is_symbol = isinstance(expected, str) and expected.isidentifier()
            stated = sizes.setdefault(expected, size) if is_symbol else expected  # type: ignore[arg-type]
            if stated != size and (is_symbol or isinstance(expected, int)):
                fits = False
                different += [f", where {expected} is {stated} in the inputs before"] * is_symbol
        if jnp.issubdtype(array.dtype, jnp.complexfloating) and not jnp.issubdtype(dtype, jnp.complexfloating):
            fits = False
        if not fits:
            raise self.error(
                f"the input {(leaf.name or path)!r} must have {leaf}{''.join(different)}; received shape "
                f"{tuple(array.shape)} and dtype {array.dtype}"
            )
        return array.astype(dtype)


class _ArgumentError(ValueError):
    """An error about the arguments of a call, raised inside of JAX."""


class Endpoint:
    """One function of an exported file.

    It is called like the function that was exported, also under `jax.jit` and `jax.vmap`, and under `jax.grad` if it
    was exported with `vjp_order`. Its inputs are checked, and cast to the dtypes that they had when it was exported,
    except complex numbers to real ones. It is compiled once for each combination of sizes.

    Attributes:
        name: the name of the endpoint.
        weights: the weights of the file, which all of its endpoints share.
    """

    def __init__(self, name: str, function: Function, weights: dict[str, Any], platforms: tuple[str, ...]):
        self.name, self.weights = name, weights
        self._function, self._platforms = function, platforms
        names = map(str, function.inputs.keys)  # type: ignore[union-attr]
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        self.__signature__ = inspect.Signature([inspect.Parameter(name, kind) for name in names])
        self._run = jax.jit(function)

    @ends_in_user_code
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the function on `weights`. Weights that it changes, such as the state of a seed generator, are replaced.

        Raises:
            ValueError: when an input is missing, is not expected, or has another shape; or when the function changes
                weights inside of a JAX transformation: use `apply` there.
        """
        outputs, new = self._compute(self.weights, args, kwargs)
        if any(isinstance(array, jax.core.Tracer) for array in new.values()):
            raise ValueError(
                f"{self._function.what} changes weights ({', '.join(new)}), which a JAX transformation cannot carry "
                f"out. Inside of it, call outputs, weights = loaded.{self.name}.apply(weights, ...)."
            )
        self.weights.update(new)
        return outputs

    @ends_in_user_code
    def apply(self, weights: Mapping[str, Any], *args: Any, **kwargs: Any) -> tuple[Any, dict[str, Any]]:
        """Run the function on other weights, as a pure function.

        Args:
            weights: an array for each weight that the function uses, by name, as in `loaded.weights`.
            *args: the arguments of the function.
            **kwargs: likewise, by name.

        Returns:
            The outputs, and the weights after the call.

        Raises:
            ValueError: when a weight or an input is missing, or does not fit.
        """
        missing = [name for name in self._function.weights if name not in weights]
        if missing:
            raise ValueError(f"{self._function.what} cannot be called: the weights {missing} are missing.")
        outputs, new = self._compute(weights, args, kwargs)
        return outputs, {**weights, **new}

    @property
    def input_signature(self) -> dict[str, Any]:
        """The arguments by name, with an `InputSpec` for each array; None is a size that may be any."""
        return _specs(self._function.inputs)

    @property
    def output_signature(self) -> Any:
        """The outputs, with an `InputSpec` for each array."""
        return _specs(self._function.variants[0].outputs)

    def stablehlo(self) -> str:
        """Return the program as text."""
        return self._function.variants[0].program.exported(self._platforms).mlir_module()

    def __repr__(self) -> str:
        return f"<Endpoint {self.name}{self.__signature__}>"

    def _compute(self, weights: Mapping[str, Any], args: Any, kwargs: Any) -> tuple[Any, dict[str, Any]]:
        try:
            return self._run([weights[name] for name in self._function.weights], self._function.bind(args, kwargs))
        except _ArgumentError as error:  # without the notes that JAX adds
            raise ValueError(*error.args) from None


class LoadedArchive:
    """The functions and arrays of an exported file; see `load`.

    A call runs the endpoint `"serve"`, or the only endpoint. Each endpoint is also an attribute.

    Attributes:
        path: the path of the file.
        platforms: the platforms that it was exported for.
        endpoints: a dict from name to `Endpoint`.
        weights: a dict from path to array, on the default device.
        collections: a dict from name to the structure of arrays that was stored under it.
        made_with: the version of JAX that made the file.
    """

    def __init__(self, reader: Reader):
        manifest, self.path = reader.manifest, reader.path
        self.platforms = tuple(manifest["platforms"])
        self.made_with = dict(manifest["made_with"])
        here = export.default_export_platform()
        if here not in self.platforms:
            raise ValueError(
                f"it was exported for {', '.join(self.platforms)}, and this process computes on {here}. Export it "
                f'again with platforms=("{here}",), or more'
            )
        names = [weight["name"] for weight in manifest["weights"]]
        if len(set(names)) != len(names) or not all(type(name) is str for name in names):
            raise ValueError("the names of weights are no texts, or occur twice")
        described = {each["name"]: checked_leaf(each["shape"], each["dtype"]) for each in manifest["weights"]}
        functions = {
            name: Function(f"The endpoint {name!r} of {self.path!r}", data, self.platforms, described, reader.read)
            for name, data in manifest["endpoints"].items()
        }
        if not functions:
            raise ValueError("it has no endpoint")
        arrays = [reader.read_array(weight) for weight in manifest["weights"]]
        self.weights: dict[str, Any] = dict(zip(names, jax.device_put(arrays), strict=True))
        self.endpoints = {
            name: Endpoint(name, function, self.weights, self.platforms) for name, function in functions.items()
        }
        self.collections = {name: self._collection(data, reader) for name, data in manifest["collections"].items()}

    def _collection(self, data: Any, reader: Reader) -> Any:
        structure = _structures.from_json(data["structure"])
        leaves = [leaf for _, leaf in _structures.leaves_of(structure)]
        arrays = jax.device_put([reader.read_array(array) for array in data["arrays"]])
        return _structures.build(structure, iter(map(as_key, arrays, leaves)), {})

    @property
    def _default(self) -> Endpoint:
        if len(self.endpoints) == 1:
            return next(iter(self.endpoints.values()))
        if "serve" not in self.endpoints:
            raise ValueError(
                f"{self.path!r} has no endpoint 'serve'. Call one of {', '.join(self.endpoints)} by its name."
            )
        return self.endpoints["serve"]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the endpoint `"serve"`, or the only one; see `Endpoint`."""
        return self._default(*args, **kwargs)

    @property
    def input_signature(self) -> dict[str, Any]:
        """The arguments of a call; see `Endpoint.input_signature`."""
        return self._default.input_signature

    @property
    def output_signature(self) -> Any:
        """The outputs of a call; see `Endpoint.output_signature`."""
        return self._default.output_signature

    def __getattr__(self, name: str) -> Any:
        endpoint = self.__dict__.get("endpoints", {}).get(name)
        if endpoint is None:
            raise AttributeError(f"{type(self).__name__} has no attribute and no endpoint {name!r}.")
        return endpoint

    def __repr__(self) -> str:
        endpoints = ", ".join(map(repr, self.endpoints.values()))
        return f"<LoadedArchive {self.path} for {', '.join(self.platforms)}: {endpoints}>"


@ends_in_user_code
def load(filepath: Any) -> LoadedArchive:
    """Load a file that `model.export`, `ExportArchive` or `save` has written.

    The file is data: StableHLO, arrays and their description. This function imports and runs nothing of it, and checks
    its hash. The functions in it run what StableHLO can express: computations on arrays.

    Args:
        filepath: the path of the file.

    Returns:
        The functions of the file, which are called as they were in the process that exported them.

    Raises:
        FileNotFoundError: when there is no such file.
        ValueError: when the file is damaged, is no exported file, was exported for other platforms than that of this
            process, or needs another version of JAX.

    Example:
        >>> import jaxlayers as jl, numpy as np, os, tempfile
        >>> model = jl.Sequential([jl.Input((3,)), jl.layers.Dense(2)])
        >>> path = os.path.join(tempfile.mkdtemp(), "model.stablehlo")
        >>> model.export(path)
        >>> loaded = jl.export.load(path)
        >>> loaded.platforms
        ('cpu', 'cuda', 'rocm', 'tpu')
        >>> bool(np.allclose(loaded(np.ones((5, 3))), model(np.ones((5, 3)))))
        True
    """
    with reading(filepath) as reader:
        return LoadedArchive(reader)


def _specs(structure: Structure) -> Any:
    """Return a structure with an `InputSpec` for each leaf."""
    specs = []
    for path, leaf in _structures.leaves_of(structure):
        shape = tuple(size if isinstance(size, int) else None for size in leaf.shape)
        specs.append(InputSpec(leaf.dtype, shape, name=leaf.name or path or None, optional=leaf.optional))
    return _structures.build(structure, iter(specs), {})


_TEXT = "OUST"  # the kinds of NumPy dtypes that hold texts or objects


def _is_ready(value: Any) -> bool:
    """Return True for arrays that JAX takes without a look at their values."""
    if isinstance(value, jax.Array):
        return True
    is_array = isinstance(value, np.ndarray | np.generic)
    return is_array and value.dtype.kind not in _TEXT and (value.dtype.kind not in "iu" or value.dtype.itemsize < 8)


RESERVED = frozenset(dir(LoadedArchive)) | {"path", "platforms", "endpoints", "weights", "collections", "made_with"}
