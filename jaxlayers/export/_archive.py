"""`ExportArchive` and `save`: functions with their weights in one file."""

from __future__ import annotations

import inspect
import keyword
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import jax

from jaxlayers.common.errors import ends_in_user_code
from jaxlayers.common.settings import floatx, free_name, is_float
from jaxlayers.core import InputSpec, Layer, Variable, scope
from jaxlayers.core.inference import map_shapes
from jaxlayers.core.tracking import Tracked
from jaxlayers.export import _structures
from jaxlayers.export._file import Writer, writing
from jaxlayers.export._loaded import RESERVED
from jaxlayers.export._sizes import Sizes
from jaxlayers.export._structures import Leaf
from jaxlayers.export._tracing import Traced, Variant, trace

PLATFORMS = ("cpu", "cuda", "rocm", "tpu")
SERVE = "serve"  # the endpoint that a loaded file calls if it has several


class ExportArchive:
    """A collection of functions, with the weights that they use, to write to one file.

    An endpoint is a function by a name. It is traced when it is added, and stored as StableHLO for each platform. The
    weights that several endpoints share are stored once, with the values that they have in `write_out`. `load` needs
    none of the code.

    Args:
        platforms: the platforms on which the file will run: of `"cpu"`, `"cuda"`, `"rocm"` and `"tpu"`. All of them
            by default, whatever the machine on which the file is made.

    Example:
        >>> import jaxlayers as jl, numpy as np, os, tempfile
        >>> model = jl.Sequential([jl.Input((3,)), jl.layers.Dense(2, name="code"), jl.layers.Dense(3)])
        >>> archive = jl.export.ExportArchive()
        >>> archive.track(model)
        >>> archive.add_endpoint("serve", model)
        >>> archive.add_endpoint("encode", model.get_layer("code"), [jl.InputSpec(shape=(None, 3))])
        >>> path = os.path.join(tempfile.mkdtemp(), "model.stablehlo")
        >>> archive.write_out(path, verbose=False)
        >>> loaded = jl.export.load(path)
        >>> loaded.encode(np.ones((5, 3))).shape, loaded.serve(np.ones((5, 3))).shape
        ((5, 2), (5, 3))
        >>> sorted(loaded.weights)
        ['code/bias', 'code/kernel', 'dense/bias', 'dense/kernel']
    """

    def __init__(self, platforms: Sequence[str] | None = None):
        self._platforms = _check_platforms(platforms)
        self._endpoints: dict[str, Traced] = {}
        self._collections: dict[str, Any] = {}
        self._names: dict[Variable, str] = {}

    def track(self, resource: Any) -> None:
        """Name the weights of a layer, model or other object by their paths in it.

        Weights that endpoints use are found and stored anyway. Those of an object that is not tracked have the path
        that `Variable.path` shows. The paths of the first object begin inside of it; those of further objects begin
        with its name.

        Raises:
            ValueError: when the object has no variables that are tracked, or is not built.
        """
        if not isinstance(resource, Tracked):
            raise ValueError(
                f"track() expects a layer, a model or another object with variables; received "
                f"{type(resource).__name__}."
            )
        _check_built(resource)
        prefix = (resource.name,) if self._names and hasattr(resource, "name") else ()
        for path, variable in resource._tracked_walk.entries:
            self._name(variable, "/".join((*prefix, *path)))

    @ends_in_user_code
    def add_endpoint(
        self, name: str, fn: Callable[..., Any], input_signature: Any = None, *, vjp_order: int = 0
    ) -> None:
        """Add a function under a name.

        Args:
            name: an identifier. The endpoint `"serve"` is the one that a loaded file calls itself.
            fn: a layer or model, which is called with `training=False`; a method of one; or a function of arrays. It
                may read and write variables.
            input_signature: a list with an entry for each positional argument: a structure of `InputSpec`,
                `KerasTensor`, `jax.ShapeDtypeStruct` or arrays. None is a size that may be any; the first axis is the
                same for all inputs. The first axis of arrays and of a `KerasTensor` is a batch of any size, except in
                a `TrainState`. By default, a functional or sequential model has its inputs, and another layer the
                shapes that it was built for.
            vjp_order: the number of times that the loaded function can be differentiated; 0 by default.

        Raises:
            ValueError: when the name is taken or no identifier, the signature is not known, the function does not
                accept sizes of None, or it cannot be exported for one of the platforms.
        """
        if name in self._endpoints:
            raise ValueError(f"The archive has an endpoint {name!r} already. Choose another name.")
        if not isinstance(name, str) or not name.isidentifier() or keyword.iskeyword(name) or name in RESERVED:
            raise ValueError(
                f"The name of an endpoint must be an identifier that a loaded file has no other use for; received "
                f"{name!r}."
            )
        if input_signature is None:
            input_signature = _signature_of(fn if isinstance(fn, Layer) else getattr(fn, "__self__", None))
        elif not isinstance(input_signature, list | tuple):
            input_signature = [input_signature]
        elif getattr(fn, "_runs_layers", False) and len(input_signature) > 1:
            input_signature = [list(input_signature)]  # the inputs of a graph are one argument
        arguments = _named_arguments(fn, tuple(input_signature))
        batched = frozenset(key for key, value in arguments.items() if not _is_state(value))
        self._add(name, fn, Sizes(arguments, batched), vjp_order)

    def track_and_add_endpoint(self, name: str, resource: Any, input_signature: Any = None, **kwargs: Any) -> None:
        """Call `track` and `add_endpoint` for a layer or model."""
        self.track(resource)
        self.add_endpoint(name, resource, input_signature, **kwargs)

    def add_variable_collection(self, name: str, variables: Any) -> None:
        """Store arrays under a name: `load(...).collections[name]` has them in the same structure.

        Args:
            name: a text.
            variables: a list of variables, or any structure of variables and arrays, such as a `TrainState`. Variables
                are stored with the values that they have in `write_out`.

        Raises:
            ValueError: when the name is taken.
        """
        if not isinstance(name, str) or name in self._collections:
            raise ValueError(f"The name of a collection must be a text that is not taken; received {name!r}.")
        self._collections[name] = variables

    @property
    def variables(self) -> list[Variable]:
        """The variables of tracked objects."""
        return list(self._names)

    @property
    def trainable_variables(self) -> list[Variable]:
        """Those of `variables` that training changes."""
        return [variable for variable in self._names if variable.trainable]

    @property
    def non_trainable_variables(self) -> list[Variable]:
        """Those of `variables` that training does not change."""
        return [variable for variable in self._names if not variable.trainable]

    def write_out(self, filepath: Any, options: Any = None, verbose: bool = True) -> None:
        """Write the file: beside its target first, then in its place.

        Args:
            filepath: the path of the file.
            options: nothing; the options of TensorFlow's SavedModel have no use here.
            verbose: if True, the default, print the endpoints.

        Raises:
            ValueError: when there is no endpoint.
        """
        if options is not None:
            raise ValueError("write_out() has no options: these are of TensorFlow's SavedModel. Leave options out.")
        if not self._endpoints:
            raise ValueError("The archive has no endpoint. Call add_endpoint() first.")
        variables = self._used_variables()
        with writing(filepath) as writer:
            weights = [{"name": name, **writer.add_array(scope.read(v))} for v, name in variables.items()]
            places = {variable: number for number, variable in enumerate(variables)}
            endpoints = {
                name: {
                    "inputs": _structures.to_json(endpoint.inputs),
                    "variants": [_describe_variant(variant, places, writer) for variant in endpoint.variants],
                }
                for name, endpoint in self._endpoints.items()
            }
            writer.add_manifest(
                {
                    "made_with": {"jax": jax.__version__},
                    "platforms": list(self._platforms),
                    "weights": weights,
                    "endpoints": endpoints,
                    "collections": {
                        name: _describe_collection(tree, writer) for name, tree in self._collections.items()
                    },
                }
            )
        if verbose:
            print(f"Exported to {filepath}: {', '.join(self._endpoints)}, for {', '.join(self._platforms)}.")

    def _add(self, name: str, function: Any, sizes: Sizes, vjp_order: int) -> None:
        self._endpoints[name] = trace(
            str(getattr(function, "name", None) or getattr(function, "__name__", name)),
            _for_inference(function),
            sizes,
            self._platforms,
            vjp_order,
        )

    def _used_variables(self) -> dict[Variable, str]:
        """Return the variables that the endpoints use with their names, in the order of first use."""
        variables: dict[Variable, str] = {}
        for endpoint in self._endpoints.values():
            for variant in endpoint.variants:
                for variable in variant.variables:
                    variables[variable] = self._name(variable, variable.path)
        return variables

    def _name(self, variable: Variable, name: str) -> str:
        if variable not in self._names:
            self._names[variable] = free_name(name, frozenset(self._names.values()))
        return self._names[variable]


@ends_in_user_code
def save(
    filepath: Any,
    function: Callable[..., Any],
    *arguments: Any,
    batched: Iterable[int] | None = None,
    collections: dict[str, Any] | None = None,
    platforms: Sequence[str] | None = None,
    vjp_order: int = 0,
) -> None:
    """Export one function of arrays, such as a training step, to a file.

    Args:
        filepath: the path of the file.
        function: the function. It may also use layers and variables; their arrays are stored as weights.
        *arguments: arguments like those of later calls: structures of arrays, `jax.ShapeDtypeStruct`, `KerasTensor` or
            `InputSpec`, in which None is a size that may be any.
        batched: the positions of the arguments in which the first axis of each array is a batch of any size. By
            default those after a `TrainState`: the batch of `model.make_train_step()`.
        collections: structures of arrays to store in the file, by name: `{"train_state": model.train_state}`.
        platforms: see `ExportArchive`.
        vjp_order: see `ExportArchive.add_endpoint`.

    Raises:
        ValueError: as `ExportArchive.add_endpoint`.

    Example:
        >>> import jaxlayers as jl, numpy as np, os, tempfile
        >>> model = jl.Sequential([jl.Input((2,)), jl.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> state, batch = model.train_state, (np.ones((4, 2), "float32"), np.ones((4, 1), "float32"))
        >>> path = os.path.join(tempfile.mkdtemp(), "step.stablehlo")
        >>> jl.export.save(path, model.make_train_step(), state, batch, collections={"train_state": state})
        >>> step = jl.export.load(path)
        >>> state, logs = step(step.collections["train_state"], batch)
        >>> int(state.step)
        1
    """
    archive = ExportArchive(platforms)
    named = _named_arguments(function, arguments)
    if batched is None:
        is_after_state = bool(arguments) and _is_state(arguments[0])
        batched = range(1, len(arguments)) if is_after_state else ()
    names = list(named)
    archive._add(SERVE, function, Sizes(named, frozenset(names[position] for position in batched)), vjp_order)
    for name, tree in (collections or {}).items():
        archive.add_variable_collection(name, tree)
    archive.write_out(filepath, verbose=False)


def _signature_of(layer: Any) -> list[Any]:
    """Return the signature of a layer or model: its symbolic inputs, or the shapes and dtypes that it was built for.

    Raises:
        ValueError: when neither is known.
    """
    if not isinstance(layer, Layer):
        raise ValueError(
            "The inputs of a function are not known. Pass input_signature: a list with an entry for each argument, "
            "such as [jl.InputSpec(shape=(None, 3))]."
        )
    _check_built(layer)
    if getattr(layer, "_runs_layers", False) and getattr(layer, "_declared_input", layer) is not None:
        return [layer.input]
    if layer._first_call:  # on symbolic tensors
        return list(layer._first_call[0])
    shapes = layer.__dict__.get("_build_shapes")
    if not shapes:
        raise ValueError(
            f"{layer.path!r} has not been called, so its inputs are not known. Call it on data first, or pass "
            "input_signature."
        )

    # Floats were cast to the compute dtype. The first dtypes are those of the arguments whose shapes `build` takes.
    dtypes = iter([floatx() if is_float(dtype) else dtype for dtype in layer.__dict__.get("_build_dtypes", ())])
    specs = map_shapes(lambda shape: InputSpec(next(dtypes, floatx()), (None, *shape[1:])), list(shapes.values()))
    try:
        inspect.signature(layer.call).bind(*specs)
    except TypeError as error:
        raise ValueError(
            f"The call of {layer.path!r} takes more arguments than its build ({error}), and their shapes are not "
            "known. Pass input_signature, a list with an entry for each."
        ) from None
    return specs


def _check_built(resource: Any) -> None:
    if not getattr(resource, "built", True):
        raise ValueError(
            f"{resource.path!r} is not built, so it has no weights to export. Call it on data, or build() it, first."
        )


def _check_platforms(platforms: Any) -> tuple[str, ...]:
    if platforms is None:
        return PLATFORMS
    names = (platforms,) if isinstance(platforms, str) else tuple(platforms)
    if not names or len(set(names)) != len(names) or not set(names) <= set(PLATFORMS):
        way_out = ' "gpu" is "cuda" or "rocm".' if "gpu" in names else ""
        raise ValueError(f"platforms must be some of {', '.join(PLATFORMS)}; received {platforms!r}.{way_out}")
    return names


def _named_arguments(function: Any, arguments: tuple[Any, ...]) -> dict[str, Any]:
    """Return the arguments by the names of the function's parameters."""
    call = function.call if isinstance(function, Layer) else function
    try:
        parameters = list(inspect.signature(call).parameters.values())
    except (TypeError, ValueError):  # a function that is written in C
        parameters = []
    kinds = inspect.Parameter
    names = [p.name for p in parameters if p.kind in (kinds.POSITIONAL_ONLY, kinds.POSITIONAL_OR_KEYWORD)]
    names += [f"argument_{number}" for number in range(len(names), len(arguments))]
    return dict(zip(names, arguments, strict=False))


def _is_state(value: Any) -> bool:
    return type(value).__name__ == "TrainState"


def _for_inference(function: Any) -> Callable[..., Any]:
    """Return a function of positional arguments that calls a layer, or a method of one, as in inference."""
    if isinstance(function, Layer):
        return lambda *args: function(*args, training=False)
    owner = getattr(function, "__self__", None)
    if isinstance(owner, Layer):
        inner: Any = scope.current
        return lambda *args: owner._call_method(function, inner(), args, {"training": False})
    return function


def _describe_variant(variant: Variant, places: dict[Variable, int], writer: Writer) -> dict[str, Any]:
    return {
        "inputs": _structures.to_json(variant.inputs),
        "outputs": _structures.to_json(variant.outputs),
        "program": variant.program.to_json(lambda data: writer.add_bytes("programs", data)),
        "weights": [places[variable] for variable in variant.variables],
        "writes": [places[variable] for variable in variant.written],
    }


def _describe_collection(tree: Any, writer: Writer) -> dict[str, Any]:
    arrays: list[Any] = []

    def leaf(value: Any, path: str) -> Leaf:
        arrays.append(writer.add_array(scope.read(value) if isinstance(value, Variable) else value))
        return Leaf(tuple(arrays[-1]["shape"]), arrays[-1]["dtype"], key=arrays[-1]["key"])

    return {"structure": _structures.to_json(_structures.describe(tree, leaf)), "arrays": arrays}
