"""A function of facades as a pure function of the arrays of its variables and of its arguments, and its programs."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxlayers.common.size_comparisons import Comparisons
from jaxlayers.common.unknown_sizes import NUMBERS
from jaxlayers.core import Variable, making
from jaxlayers.core.effects import run
from jaxlayers.core.scope import Scope
from jaxlayers.export import _programs, _sizes, _structures
from jaxlayers.export._programs import Program
from jaxlayers.export._sizes import Sizes
from jaxlayers.export._structures import Leaf, Structure
from jaxlayers.numerics.platforms import cudnn

_ATTEMPTS = 6  # the most traces of one function; each but the last finds at least one more variable
_MOST_OPTIONAL = 4  # optional inputs, for each of which the number of programs doubles
_ONE_PLATFORM = ("cpu",)  # to find out if a function can be exported at all


class Variant(NamedTuple):
    """One program of an endpoint: for the case that some optional inputs are absent.

    Attributes:
        inputs: the arguments, with None for inputs that are absent.
        outputs: the outputs.
        program: `(*variables, *inputs) -> [*outputs, *new arrays of the written variables]`.
        variables: the variables that it takes.
        written: those of them that it changes.
    """

    inputs: Structure
    outputs: Structure
    program: Program
    variables: list[Variable]
    written: list[Variable]


class Traced(NamedTuple):
    """An endpoint: its arguments by name, and its programs."""

    inputs: Structure
    variants: list[Variant]


def trace(
    name: str,
    function: Callable[..., Any],
    sizes: Sizes,
    platforms: Sequence[str],
    vjp_order: int,
) -> Traced:
    """Export a function, which may read and write variables, for arguments of some sizes.

    Args:
        name: the name of the function in messages.
        function: the function, called with positional arguments.
        sizes: its arguments.
        platforms: the platforms to export it for.
        vjp_order: the number of derivatives to export as well.

    Raises:
        ValueError: when the function does not accept unknown sizes, or makes variables itself.
    """
    candidates = sizes.candidates()
    first: Exception | None = None
    for candidate in candidates:
        try:
            return Traced(candidate, _variants(name, function, sizes, candidate, platforms, vjp_order))
        except Exception as error:
            if not sizes.has_symbols:
                raise
            first = first or error
    raise _explain(name, function, sizes, candidates[0], first)  # type: ignore[arg-type]


def _variants(
    name: str, function: Any, sizes: Sizes, inputs: Structure, platforms: Sequence[str], vjp_order: int
) -> list[Variant]:
    optional = [path for path, leaf in _structures.leaves_of(inputs) if leaf.optional]
    if len(optional) > _MOST_OPTIONAL:
        raise ValueError(
            f"{name!r} has {len(optional)} optional inputs, and an exported file has a program for each combination; "
            f"at most {_MOST_OPTIONAL} can be exported. Give an input_signature in which fewer are optional."
        )
    variants, compared = [], ""
    for count in range(len(optional) + 1):
        for absent in itertools.combinations(optional, count):
            given = _structures.without(inputs, frozenset(absent))
            attempt = _Trace(name, function, given, sizes)
            variants.append(attempt.export(platforms, vjp_order))
            if attempt.comparisons.pairs:
                compared = attempt.comparisons.place
    if compared:
        warnings.warn(
            f"{name!r} compares an unknown size with another size, at {compared}. Its exported program has only the "
            "branch for sizes that are not equal. Give the size in the Input or in input_signature, such as "
            "[InputSpec(shape=(8, 16))], if both branches are needed.",
            stacklevel=2,
        )
    return variants


class _Trace:
    """The traces of one function for one structure of arguments."""

    def __init__(self, name: str, function: Callable[..., Any], inputs: Structure, sizes: Sizes):
        self._name, self._function, self._inputs = name, function, inputs
        self._leaves = [leaf for _, leaf in _structures.leaves_of(inputs)]
        self._structs = sizes.structs(inputs)
        self._variables: dict[Variable, None] = {}
        self._written: list[Variable] = []
        self._missing: list[Variable] = []
        self._outputs: Structure | None = None
        self.comparisons = Comparisons()

    def export(self, platforms: Sequence[str], vjp_order: int) -> Variant:
        """Find the variables that the function uses, and export it as a function of their arrays."""
        with cudnn.avoided():
            self._find_variables()
            program = _programs.make(self._run, self._states() + self._structs, platforms, vjp_order)
        outputs = _fill(self._outputs, iter(program.outputs))
        return Variant(self._inputs, outputs, program, list(self._variables), self._written)

    def _states(self) -> list[jax.ShapeDtypeStruct]:
        dtype_of = jax.dtypes.canonicalize_dtype
        return [jax.ShapeDtypeStruct(variable.shape, dtype_of(variable.dtype)) for variable in self._variables]

    def _find_variables(self) -> None:
        """Trace the function abstractly until all variables that it uses are known."""
        for _ in range(_ATTEMPTS):
            making.make(self._variables)
            with self.comparisons:
                jax.eval_shape(lambda *arrays: self._run(*arrays), *self._states(), *self._structs)
            if not self._missing:
                return
            self._variables.update(dict.fromkeys(self._missing))
        names = ", ".join(repr(variable.path) for variable in self._missing)
        raise ValueError(
            f"{self._name!r} uses other variables each time it is traced ({names}), so it creates them itself. Create "
            "them outside of the function, or build the layer first."
        )

    def _run(self, *arrays: Any) -> list[Any]:
        values, rest = list(arrays[: len(self._variables)]), iter(arrays[len(self._variables) :])
        inner = Scope.closed(dict(zip(self._variables, values, strict=True)))
        leaves = iter([as_key(next(rest), leaf) for leaf in self._leaves])
        arguments = _structures.build(self._inputs, leaves, {}).values()
        outputs, _ = run(inner, self._function, *arguments)
        flat: list[Any] = []

        def leaf(value: Any, path: str) -> Leaf:
            array = jnp.asarray(value)
            is_key = jnp.issubdtype(array.dtype, jax.dtypes.prng_key)
            flat.append(jax.random.key_data(array) if is_key else array)
            return Leaf((), "", key=str(jax.random.key_impl(array)) if is_key else None)

        self._outputs = _structures.describe(outputs, leaf)
        written: dict[Any, None] = inner.values.written
        missing: dict[Any, str] = inner.values.missing  # type: ignore[attr-defined]
        self._written = list(written)
        self._missing = [variable for variable in {**missing, **written} if variable not in self._variables]
        return flat + [inner.values.arrays[variable] for variable in self._written]


def as_key(array: Any, leaf: Leaf) -> Any:
    """Return the key of `jax.random` that an array holds the data of, if a leaf is one; otherwise the array."""
    return array if leaf.key is None else jax.random.wrap_key_data(array, impl=leaf.key)


def _fill(structure: Any, leaves: Any) -> Structure:
    if isinstance(structure, Leaf):
        return next(leaves)._replace(key=structure.key)
    return structure._replace(parts=tuple(_fill(part, leaves) for part in structure.parts))


def _explain(name: str, function: Any, sizes: Sizes, inputs: Structure, error: Exception) -> Exception:
    """Return the error about the unknown sizes that a function does not accept; other errors as they are."""

    def accepts(structure: Structure) -> bool:
        try:
            _Trace(name, function, structure, sizes).export(_ONE_PLATFORM, 0)
        except Exception:
            return False
        return True

    number = NUMBERS[0]
    if not accepts(sizes.with_numbers(inputs, number)):
        return error
    symbols = _sizes.symbols_of(inputs)
    refused = [symbol for symbol in symbols if not accepts(sizes.with_numbers(inputs, number, but=symbol))] or symbols
    places = [
        f"axis {axis}{' (the batch)' if size == 'batch' else ''} of {path!r}"
        for path, leaf in _structures.leaves_of(inputs)
        for axis, size in enumerate(leaf.shape)
        if size in refused
    ]
    return ValueError(
        f"{name!r} cannot be exported for an unknown size of {', '.join(places)}: its code needs a number there. "
        "Give the size in the Input, or in input_signature, such as [InputSpec(shape=(8, 16))]. The error was "
        f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
    ).with_traceback(error.__traceback__)
