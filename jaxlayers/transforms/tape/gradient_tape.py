"""`GradientTape`: the public class."""

from __future__ import annotations

import contextlib
import functools
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers.common import jax_extend
from jaxlayers.common.array_like import unwrap
from jaxlayers.common.manual_axes import vary, varying_axes
from jaxlayers.core import scope
from jaxlayers.core.layer import Layer
from jaxlayers.core.variable import Variable
from jaxlayers.transforms.gradients import is_facade
from jaxlayers.transforms.tape import backward, sources as sources_
from jaxlayers.transforms.tape.record import Record
from jaxlayers.transforms.tape.recorder import Recorder


class GradientTape:
    """A record of the operations inside a `with` block, from which gradients are computed afterwards.

    `with jl.GradientTape() as tape: loss = ...`, then `tape.gradient(loss, sources)`, eagerly or inside of `jl.jit`, as
    in TensorFlow 2. Every operation on JAX arrays is recorded: those of `jl.ops`, of layers and of `jax.numpy`. The
    values computed inside stay plain arrays.

    Not recorded are detours around JAX: NumPy functions, which return NumPy arrays, `Array.addressable_data`, and
    executables made by `jax.jit(...).lower().compile()`.

    Args:
        persistent: if True, gradients may be asked for more than once. The default is False: the record is dropped with
            the first gradient.
        watch_accessed_variables: if True, the default, trainable variables are watched when they are read. If False,
            only what is given to `watch` is.

    Example:
        >>> import jaxlayers as jl
        >>> w = jl.Variable(3.0)
        >>> with jl.GradientTape() as tape:
        ...     loss = w**2
        >>> float(tape.gradient(loss, w))
        6.0
    """

    def __init__(self, persistent: bool = False, watch_accessed_variables: bool = True):
        self._persistent = bool(persistent)
        self._watches_accessed = bool(watch_accessed_variables)
        self._record: Record | None = self._new_record()
        self._recorder: Recorder | None = None  # while the block runs
        self._watched: tuple[Variable, ...] = ()  # once the record is gone

    def _new_record(self) -> Record:
        record = Record(self._persistent)
        record.variables.accessed = self._watches_accessed
        return record

    def __enter__(self) -> GradientTape:
        if self._recorder is not None:
            raise ValueError("The GradientTape is recording already; it cannot be entered twice at the same time.")
        if self._record is None or (self._record.nodes and not self._persistent):
            self._record = self._new_record()
        _check_dispatch()
        self._recorder = Recorder.opened(self._record)
        self._recorder.enter()
        return self

    def __exit__(self, *exc: object) -> None:
        if self._recorder is not None:
            self._stop()
        else:  # a gradient inside of another trace has ended the recording
            Recorder.leave_ended()

    def _stop(self) -> None:
        recorder, self._recorder = self._recorder, None
        recorder.end()  # type: ignore[union-attr]

    def watch(self, tensor: Any) -> None:
        """Record what is computed from variables, layers or arrays from now on.

        Args:
            tensor: a variable, an array, a layer (which stands for its trainable variables), or a structure of them.

        Raises:
            TypeError: for what is none of these, such as a NumPy array.
            RuntimeError: when the tape has no record any more.
        """
        record = self._current_record()
        leaves, _ = sources_.flatten(tensor)
        for leaf in leaves:
            if isinstance(leaf, Variable):
                record.variables.watch(leaf)
                continue
            _check_array("watch", leaf)
            if jnp.issubdtype(leaf.dtype, jnp.inexact):
                record.add(leaf)
            else:
                warnings.warn(
                    f"GradientTape.watch: an array of dtype {leaf.dtype} has no gradient; it is not watched.",
                    stacklevel=2,
                )

    def watched_variables(self) -> tuple[Variable, ...]:
        """The variables that are watched, in the order in which they were first read."""
        return self._watched if self._record is None else tuple(self._record.variables.all())

    def reset(self) -> None:
        """Drop all that was recorded and watched; go on recording."""
        self._record = self._new_record()
        if self._recorder is not None:
            self._recorder.record = self._record

    @contextlib.contextmanager
    def stop_recording(self) -> Iterator[None]:
        """Record nothing inside of a `with` block.

        Raises:
            ValueError: when the tape is not recording.
        """
        recorder = self._recorder
        if recorder is None:
            raise ValueError("stop_recording: the GradientTape is not recording.")
        before, recorder.paused = recorder.paused, True
        try:
            yield
        finally:
            if self._recorder is recorder:  # otherwise the recording has ended inside
                recorder.paused = before

    def gradient(
        self,
        target: Any,
        sources: Any,
        output_gradients: Any = None,
        unconnected_gradients: str = "none",
    ) -> Any:
        """Return the gradients of a target with respect to sources.

        Args:
            target: an array, or a structure of arrays. The gradient is that of the sum over all their elements.
            sources: a variable, an array, a layer, or a structure of them.
            output_gradients: the weight of each element of the target, in the structure of `target`; by default ones.
            unconnected_gradients: `"none"` or `"zero"`: the gradient of sources that the target does not depend on.

        Returns:
            The gradients in the structure of `sources`, with that of `params` in the place of a layer.

        Raises:
            RuntimeError: for a second gradient of a tape that is not persistent.
        """
        zero = _check_unconnected(unconnected_gradients)
        record = self._take_record("gradient")
        leaves, tree = sources_.flatten(sources)
        targets = _targets(record, target)
        return tree(self._compute(record, targets, _weights(targets, output_gradients), leaves, zero))

    def jacobian(
        self,
        target: Any,
        sources: Any,
        unconnected_gradients: str = "none",
        parallel_iterations: int | None = None,
        experimental_use_pfor: bool = True,
    ) -> Any:
        """Return the derivatives of each element of a target with respect to each element of the sources.

        Args:
            target: an array.
            sources: as in `gradient`.
            unconnected_gradients: as in `gradient`.
            parallel_iterations: accepted for TensorFlow's programs; it has no effect.
            experimental_use_pfor: likewise. All elements are computed together, by `jax.vmap`.

        Returns:
            For each source, an array of the shape of the target followed by that of the source.
        """
        zero = _check_unconnected(unconnected_gradients)
        record = self._take_record("jacobian")
        leaves, tree = sources_.flatten(sources)
        (output,) = _one_target(_targets(record, target), "jacobian")
        basis = jnp.eye(output.size, dtype=output.dtype).reshape(output.size, *output.shape)
        rows = self._compute_all(record, output, basis, leaves, zero)
        return tree([None if row is None else row.reshape(*output.shape, *row.shape[1:]) for row in rows])

    def batch_jacobian(
        self,
        target: Any,
        source: Any,
        unconnected_gradients: str = "none",
        parallel_iterations: int | None = None,
        experimental_use_pfor: bool = True,
    ) -> Any:
        """Return the Jacobian of each example of a batch.

        Args:
            target: an array of shape (batch, ...).
            source: an array of shape (batch, ...); each example of the target depends on the same one of the source.
            unconnected_gradients: as in `gradient`.
            parallel_iterations: accepted for TensorFlow's programs; it has no effect.
            experimental_use_pfor: likewise.

        Returns:
            An array of shape (batch, *the rest of the target's, *the rest of the source's).

        Raises:
            ValueError: when the batch sizes differ.
        """
        zero = _check_unconnected(unconnected_gradients)
        record = self._take_record("batch_jacobian")
        leaves, tree = sources_.flatten(source)
        (output,) = _one_target(_targets(record, target), "batch_jacobian")
        (leaf,) = _one_target(leaves, "batch_jacobian")
        if not output.shape or not leaf.shape or output.shape[0] != leaf.shape[0]:
            raise ValueError(
                "batch_jacobian: the first axes of target and source must be the batch, of the same size; received "
                f"the shapes {output.shape} and {tuple(leaf.shape)}."
            )
        batch, *rest = output.shape
        count = output.size // max(batch, 1)
        basis = jnp.eye(count, dtype=output.dtype).reshape(count, 1, *rest)
        basis = jnp.broadcast_to(basis, (count, *output.shape))
        (rows,) = self._compute_all(record, output, basis, leaves, zero)
        if rows is not None:
            rows = jnp.moveaxis(rows, 0, 1).reshape(batch, *rest, *leaf.shape[1:])
        return tree([rows])

    def _current_record(self) -> Record:
        if self._record is None:
            raise RuntimeError("The GradientTape has dropped its record. Enter it again, or make a new one.")
        return self._record

    def _take_record(self, method: str) -> Record:
        """Return the record for one gradient; a tape that is not persistent lets go of it."""
        if self._record is None:
            raise RuntimeError(
                f"{method}: a GradientTape that is not persistent computes gradients once. Make it with "
                "persistent=True, or ask for all gradients in one call."
            )
        record = self._record
        if not self._persistent:
            if self._recorder is not None:
                self._stop()
            self._watched = tuple(record.variables.all())
            self._record = None
        return record

    def _compute(
        self, record: Record, targets: list[Any], weights: list[Any], leaves: list[Any], zero: bool
    ) -> list[Any]:
        arrays = [_arrays_of(record, leaf) for leaf in leaves]
        identities = list(dict.fromkeys(id(array) for group in arrays for array in group))
        path, dependent = backward.find_path(record, identities)
        cotangents: dict[int, Any] = {}
        for target, weight in zip(targets, weights, strict=True):
            if id(target) in dependent:
                before = cotangents.get(id(target))
                cotangents[id(target)] = weight if before is None else before + weight
        is_recorded = self._recorder is not None and not self._recorder.paused
        found = backward.accumulate(path, dependent, cotangents, identities, is_recorded)
        return [_sum(found, group, leaf, zero) for group, leaf in zip(arrays, leaves, strict=True)]

    def _compute_all(self, record: Record, output: Any, basis: Any, leaves: list[Any], zero: bool) -> list[Any]:
        return jax.vmap(lambda weight: self._compute(record, [output], [weight], leaves, zero))(basis)


@functools.cache
def _check_dispatch() -> None:
    """Raise an error, once for each process, if JAX does not hand operations on arrays to the current trace."""
    record = Record()
    with jax.ensure_compile_time_eval():
        array = jnp.ones(())
        record.add(array)
        recorder = Recorder.opened(record)
        with jax_extend.set_current_trace(recorder):
            jnp.sin(array)
    nodes = len(record.nodes)
    recorder.close()
    if nodes != 1:
        raise RuntimeError(
            f"GradientTape does not work with jax {jax.__version__}, which does not hand operations on arrays to the "
            "current trace. Use jl.value_and_grad(function, wrt=...) instead."
        )


def _check_unconnected(value: Any) -> bool:
    name = getattr(value, "value", value)
    if name not in ("none", "zero", None):
        raise ValueError(f"unconnected_gradients must be 'none' or 'zero'; received {value!r}.")
    return name == "zero"


def _check_array(method: str, leaf: Any) -> None:
    if not isinstance(leaf, jax.Array):
        raise TypeError(
            f"GradientTape.{method} takes variables, layers, arrays of JAX and structures of them; received "
            f"{type(leaf).__name__}. Convert other arrays first: x = jnp.asarray(x)."
        )


def _targets(record: Record, target: Any) -> list[Any]:
    targets = []
    for leaf in jax.tree.leaves(target, is_leaf=is_facade):
        if isinstance(leaf, Layer):
            raise TypeError(f"The target of a gradient must be an array; received the layer {leaf.name!r}.")
        if isinstance(leaf, Variable):
            leaf = (record.variables.leaves(leaf) or [scope.read(leaf)])[-1]
        _check_array("gradient", leaf)
        targets.append(leaf)
    return targets


def _one_target(targets: list[Any], method: str) -> list[Any]:
    if len(targets) != 1:
        raise ValueError(f"{method} takes one array; received {len(targets)}.")
    return targets


def _weights(targets: Sequence[Any], output_gradients: Any) -> list[Any]:
    if output_gradients is None:
        return [_ones(target) for target in targets]
    weights = [unwrap(weight) for weight in jax.tree.leaves(output_gradients, is_leaf=_is_none_or_facade)]
    if len(weights) != len(targets):
        raise ValueError(f"output_gradients has {len(weights)} arrays for {len(targets)} targets.")
    result = []
    for target, weight in zip(targets, weights, strict=True):
        array = _ones(target) if weight is None else jnp.asarray(weight, target.dtype)
        if array.shape != target.shape:
            raise ValueError(
                f"output_gradients must have the shape of the target, {target.shape}; received {array.shape}."
            )
        result.append(vary(array, varying_axes(target)))
    return result


def _ones(target: Any) -> Any:
    return vary(jnp.ones(target.shape, target.dtype), varying_axes(target))


def _is_none_or_facade(leaf: Any) -> bool:
    return leaf is None or is_facade(leaf)


def _arrays_of(record: Record, leaf: Any) -> list[Any]:
    """The arrays that stand for a source in a record."""
    if isinstance(leaf, Variable):
        return record.variables.leaves(leaf)
    _check_array("gradient", leaf)
    return [leaf] if id(leaf) in record.arrays else []


def _sum(found: dict[int, Any], group: list[Any], leaf: Any, zero: bool) -> Any:
    parts = [found[id(array)] for array in group if id(array) in found]
    if parts:
        total = parts[0]
        for part in parts[1:]:
            total = total + part
        return total
    return jnp.zeros(leaf.shape, leaf.dtype) if zero else None
