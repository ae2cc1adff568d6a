"""Programs: functions of flat lists of arrays as StableHLO, with their derivatives.

JAX's own format for exported functions also stores pytrees, and reads them with a package that is not everywhere
(flatbuffers). Here the bytes of StableHLO that `jax.export` makes are stored as they are, and plain data beside them.
To run them, a function of the same inputs and outputs is exported, and its StableHLO is replaced by that of the
program: so only public names of `jax.export` are used.
"""

from __future__ import annotations

import dataclasses
import functools
import re
import weakref
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import export

from jaxlayers.common import jax_extend
from jaxlayers.common.settings import standardize_dtype
from jaxlayers.export._sizes import structs
from jaxlayers.export._structures import Leaf, checked_leaf

# Custom calls that run code of the process which loads the program; a program in a file may not contain them.
_CALLS_OF_PYTHON = re.compile(rb"xla_(ffi_)?(partitioned_)?python_\w*callback")
_HEADER = re.compile(rb"ML\xefR.StableHLO_v(\d+)\.(\d+)\.(\d+)\x00", re.DOTALL)


class Program(NamedTuple):
    """A function of a flat list of arrays.

    Attributes:
        module: the portable StableHLO.
        inputs: the arrays that it takes.
        outputs: the arrays that it returns.
        calling_convention: the version of JAX's calling convention.
        has_symbols: True if some of the sizes are symbols.
        kept: the numbers of the inputs that the module takes.
        derivative: the program `(inputs, cotangents of the float outputs) -> cotangents of the float inputs`, or None.
    """

    module: bytes
    inputs: list[Leaf]
    outputs: list[Leaf]
    calling_convention: int
    has_symbols: bool
    kept: tuple[int, ...]
    derivative: Program | None = None

    def bind(self, platforms: Sequence[str], refusal: str) -> Callable[..., list[jax.Array]]:
        """Return the function `(*arrays) -> arrays` that runs the program.

        Args:
            platforms: the platforms that the program was exported for.
            refusal: the message of the error that a derivative raises if the program has none.
        """
        exported = functools.cache(lambda: self.exported(platforms))  # once, by the first trace
        call = jax.custom_batching.sequential_vmap(lambda *arrays: list(exported().call(*arrays)))
        derivative = None if self.derivative is None else self.derivative.bind(platforms, refusal)
        function = jax.custom_vjp(call)

        def backward(arrays: Any, cotangents: Any) -> Any:
            if derivative is None:
                raise ValueError(refusal)
            wanted = [c for c, leaf in zip(cotangents, self.outputs, strict=True) if _is_inexact(leaf)]
            found = iter(derivative(*arrays, *wanted))
            return tuple(next(found) if _is_inexact(leaf) else None for leaf in self.inputs)

        itself = weakref.ref(function)  # a strong reference would be a cycle
        function.defvjp(lambda *arrays: (itself()(*arrays), arrays), backward)  # type: ignore[misc]
        return function

    def exported(self, platforms: Sequence[str]) -> export.Exported:
        """Return the program as JAX's class of exported functions, without derivatives."""
        everything = structs([*self.inputs, *self.outputs])
        inputs, outputs = everything[: len(self.inputs)], everything[len(self.inputs) :]

        def like_this(*_: Any) -> Any:
            return tuple(jnp.zeros(output.shape, output.dtype) for output in outputs)

        return dataclasses.replace(
            export.export(jax.jit(like_this), platforms=list(platforms))(*inputs),
            mlir_module_serialized=self.module,
            calling_convention_version=self.calling_convention,
            uses_global_constants=self.has_symbols,
            module_kept_var_idx=self.kept,
        )

    def to_json(self, store: Callable[[bytes], str]) -> dict[str, Any]:
        """Return plain data; `store` puts bytes into the file and returns the name of the member."""
        return {
            "module": store(self.module),
            "inputs": [[list(leaf.shape), leaf.dtype] for leaf in self.inputs],
            "outputs": [[list(leaf.shape), leaf.dtype] for leaf in self.outputs],
            "calling_convention": self.calling_convention,
            "has_symbols": self.has_symbols,
            "kept": list(self.kept),
            "derivative": None if self.derivative is None else self.derivative.to_json(store),
        }

    @classmethod
    def from_json(cls, data: Any, read: Callable[[str], bytes]) -> Program:
        """Return the program that `to_json` has written.

        Raises:
            ValueError: when JAX does not know the calling convention or the version of StableHLO, or the program calls
            functions of Python.
        """
        module, version = read(data["module"]), data["calling_convention"]
        first, last = (
            export.minimum_supported_calling_convention_version,
            export.maximum_supported_calling_convention_version,
        )
        if not first <= version <= last:
            way_out = "an older" if version < first else "a newer"
            raise ValueError(
                f"its programs have version {version} of JAX's calling convention, and JAX {jax.__version__} runs the "
                f"versions {first} to {last}; use {way_out} JAX, or export again"
            )
        _check_version(data["module"], module)
        if _CALLS_OF_PYTHON.search(module):
            raise ValueError(f"its member {data['module']!r} calls functions of Python")
        _check_whole(data["module"], module)
        inputs, outputs = ([checked_leaf(*described) for described in data[name]] for name in ("inputs", "outputs"))
        derivative = None if data["derivative"] is None else cls.from_json(data["derivative"], read)
        kept = tuple(map(int, data["kept"]))
        return cls(module, inputs, outputs, version, bool(data["has_symbols"]), kept, derivative)


def make(
    function: Callable[..., Any], inputs: list[jax.ShapeDtypeStruct], platforms: Sequence[str], vjp_order: int
) -> Program:
    """Export a function of arrays that returns a list of arrays.

    Raises:
        ValueError: when the function calls Python while it runs, or JAX cannot export it for one of the platforms.
    """
    compiled = jax.jit(function)
    if compiled.trace(*inputs).jaxpr.effects:
        raise _calls_python()
    try:
        exported = export.export(compiled, platforms=list(platforms))(*inputs)
    except NotImplementedError as error:
        if "callback" in str(error):
            raise _calls_python() from None
        raise ValueError(
            f"JAX cannot export the function for the platforms {', '.join(platforms)}: {error}. To leave one out, pass "
            f"platforms={tuple(platforms[:1])}."
        ) from error
    outputs = [jax.ShapeDtypeStruct(aval.shape, aval.dtype) for aval in exported.out_avals]
    derivative = None
    if vjp_order > 0:
        pull = functools.partial(_pull_back, function, len(inputs))
        derivative = make(pull, inputs + list(filter(_is_inexact, outputs)), platforms, vjp_order - 1)
    return Program(
        exported.mlir_module_serialized,
        list(map(_leaf, inputs)),
        list(map(_leaf, outputs)),
        exported.calling_convention_version,
        exported.uses_global_constants,
        exported.module_kept_var_idx,
        derivative,
    )


def _check_version(member: str, module: bytes) -> None:
    """Check that bytes are StableHLO of a version that JAX reads."""
    header = _HEADER.match(module)
    if header is None:
        raise ValueError(f"its member {member!r} is no StableHLO")
    version = tuple(map(int, header.groups()))
    newest = tuple(map(int, jax_extend.stablehlo.get_current_version().split(".")))
    if version > newest:
        raise ValueError(
            f"its programs are StableHLO {'.'.join(map(str, version))}, and JAX {jax.__version__} reads versions up to "
            f"{'.'.join(map(str, newest))}. Use a newer JAX here, or export again with an older JAX"
        )


def _check_whole(member: str, module: bytes) -> None:
    """Check that StableHLO can be read, which JAX does only when it is compiled."""
    from jax.extend.mlir import ir  # they take their time to import
    from jax.extend.mlir.dialects import stablehlo

    with ir.Context() as context:
        stablehlo.register_dialect(context)
        try:
            stablehlo.deserialize_portable_artifact(context, module)
        except ValueError as error:
            raise ValueError(f"its member {member!r} is no whole StableHLO: {error}") from None


def _pull_back(function: Callable[..., Any], number: int, *arrays: Any) -> list[jax.Array]:
    """Return the cotangents of the inexact inputs, the first `number` arrays, from those of the inexact outputs."""
    inputs, cotangents = arrays[:number], arrays[number:]

    def of_inexact(*inexact: Any) -> list[Any]:
        rest = iter(inexact)
        return list(filter(_is_inexact, function(*[next(rest) if _is_inexact(x) else x for x in inputs])))

    return list(jax.vjp(of_inexact, *filter(_is_inexact, inputs))[1](list(cotangents)))


def _calls_python() -> ValueError:
    return ValueError(
        "The function calls Python while it runs (jax.pure_callback, io_callback, jax.debug.print), so it cannot be "
        "exported: an exported program runs without its code. Leave these calls out."
    )


def _leaf(struct: Any) -> Leaf:
    sizes = tuple(size if isinstance(size, int) else str(size) for size in struct.shape)
    return Leaf(sizes, standardize_dtype(struct.dtype))


def _is_inexact(value: Any) -> bool:
    return jnp.issubdtype(value.dtype, jnp.inexact)
