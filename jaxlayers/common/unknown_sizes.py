"""Results of a function whose arguments have unknown sizes: the function is traced with stand-ins for them.

Each unknown size is replaced by a symbol of JAX (`jax.export.symbolic_shape`), and the function is traced once: sizes
of the results that are numbers are known. If the function does not accept different symbols, those of several axes are
made equal: of the first axes (the batch), then of the axes with the same position, then of all axes.

A function that needs numbers, because it compares, counts or splits sizes, is traced with numbers instead, and then
with other numbers. A size of the results that is not the same every time stays unknown. If no number works, the sizes
of the other arguments are tried: the function may require that an unknown size is equal to one of these, or is 1.

Code of users may compare sizes with `==`, `!=`, `in` or `%`, which JAX decides for symbols without an error. A function
that does so is traced again with sizes for which the comparison has the other answer (`size_comparisons`).
"""

from __future__ import annotations

import contextlib
import functools
import gc
import math
import re
from collections.abc import Callable, Collection, Iterator
from typing import Any

import jax
import jax.numpy as jnp
from jax import export

from jaxlayers.common.size_comparisons import Comparisons, may_compare

Shape = tuple[Any, ...]
NUMBERS = (48, 1680)  # in the place of unknown sizes; divisible, so that pools, strides and splits fit
_NUMBERS = frozenset([int])
_SYMBOL = re.compile(r"\bNone_\d+\b")
_BY_SIZE = (TypeError, ValueError, LookupError, ArithmeticError, AssertionError)  # kinds that other sizes could avoid
ABOUT_VALUES = (jax.errors.JAXTypeError, jax.errors.JAXIndexError)  # no other size would help


def known(size: Any) -> int | None:
    """Return a size that is a number; None for a symbol of JAX."""
    return size if isinstance(size, int) else None


def reshape(array: Any, newshape: Any) -> jax.Array:
    """Return `jnp.reshape(array, newshape)`, also for an array whose sizes are symbols.

    One size may be -1. None is the size of the same axis of the array; a single None without -1 stands for -1.

    Raises:
        ValueError: when an array whose sizes are symbols cannot have the new shape, for any sizes.
    """
    if type(newshape) is tuple and _NUMBERS.issuperset(map(type, (*newshape, *jnp.shape(array)))):
        return jnp.reshape(array, newshape)
    shape, sizes = jnp.shape(array), list(newshape) if hasattr(newshape, "__iter__") else [newshape]
    if any(size is None for size in sizes):
        stand_ins = [-1] * len(sizes) if sizes.count(None) == 1 and -1 not in sizes else shape
        sizes = [stand_ins[axis] if size is None else size for axis, size in enumerate(sizes)]
    sizes = [int(size) if isinstance(size, jax.Array) else size for size in sizes]
    numbers = [size for size in shape if isinstance(size, int)]
    if len(numbers) < len(shape) and all(isinstance(size, int) for size in sizes):
        rest = math.prod(size for size in sizes if size != -1)
        if -1 in sizes and rest:
            sizes[sizes.index(-1)] = math.prod(shape) // rest
        elif rest % (math.prod(numbers) or 1):
            raise ValueError(f"An array of shape {shape} cannot have the shape {tuple(sizes)}.")
    return jnp.reshape(array, sizes)


def trace(
    function: Callable[[list[Shape]], Any],
    shapes: list[Shape],
    others: list[Any],
    traced: Any,
    undo: Callable[[], None] | None = None,
) -> list[Any]:
    """Return the results of a function for several replacements of the unknown sizes.

    A size is known if it is the same number in all results.

    Args:
        function: a function of shapes, which returns a tree of shapes and dtypes.
        shapes: the shapes of the arguments; None is an unknown size.
        others: the shapes of other arguments, and sizes that are arguments themselves.
        traced: the function or layer that the function calls; messages show its name.
        undo: undoes what a failed call of the function has built; None if it builds nothing.

    Raises:
        ValueError: when the number of results, or something that the function builds, depends on an unknown size, or
            when the number of results, axes or the dtypes depend on a comparison of one.
    """
    if not any(None in shape for shape in shapes):
        return [function(shapes)]
    return _Search(function, shapes, others, traced, undo).run()


@functools.cache
def _symbol(number: int) -> Any:
    # One scope and the same symbols every time, so that JAX finds what it has traced before.
    return export.symbolic_shape(f"None_{number}", scope=_scope())[0]


@functools.cache
def _scope() -> export.SymbolicScope:
    return export.SymbolicScope()


class _Search:
    """The search for sizes that a function accepts in the place of the unknown ones.

    A list of sizes has one size for each unknown one. A grouping is such a list of numbers: sizes are equal in a group.
    """

    def __init__(self, function: Any, shapes: list[Shape], others: list[Any], traced: Any, undo: Any):
        self._function, self._shapes, self._others, self._undo = function, shapes, others, undo
        self._name = getattr(traced, "name", "") or getattr(traced, "__name__", "This")
        self._compares = may_compare(traced)
        self._places = [(axis, len(shape)) for shape in shapes for axis, size in enumerate(shape) if size is None]
        self._errors: list[Exception] = []
        axes, alone = [axis for axis, _ in self._places], list(range(len(self._places)))
        by_batch = [-1 if axis == 0 else number for number, axis in enumerate(axes)]
        self._groupings: list[list[int]] = []
        for keys in (alone, by_batch, axes, [0] * len(axes)):
            groups = [keys.index(key) for key in keys]
            if groups not in self._groupings:
                self._groupings.append(groups)

    def run(self) -> list[Any]:
        """Return the results for the first sizes that the function accepts, and for others like them."""
        try:
            return self._run()
        finally:
            # The tracebacks of errors hold the frames that hold the errors, so these would not be freed before the next
            # garbage collection. JAX leaves such a cycle for each symbol. All are young: this takes microseconds.
            self._errors.clear()
            gc.collect(0)

    def _run(self) -> list[Any]:
        for groups in self._groupings:
            comparisons = Comparisons()
            with comparisons if self._compares else contextlib.nullcontext():
                results = self._try([_symbol(group) for group in groups])
            if results:
                return self._compare(results, groups, comparisons) if comparisons else results
            if isinstance(self._errors[-1], jax.errors.InconclusiveDimensionOperation):
                break  # equal symbols would decide the comparison
        tried = len(self._errors)
        for sizes, groups, is_guess in self._numbers():
            if results := self._try(sizes):
                return self._vary(results, sizes, groups, is_guess)
            if not isinstance(self._errors[-1], _BY_SIZE) or isinstance(self._errors[-1], ABOUT_VALUES):
                break
        raise _explained(self._errors[tried - 1], self._errors[tried])

    def _numbers(self) -> Iterator[tuple[list[Any], list[int], bool]]:
        """Generate sizes of which some are numbers, their grouping, and False if they come from other arguments."""
        for size in NUMBERS:
            for groups in self._groupings:
                yield [size * (len(groups) - group) for group in groups], groups, True
        shapes = [*self._shapes, *self._others]
        for groups in self._groupings:
            symbols = [_symbol(group) for group in groups]
            for is_from_end in (True, False):  # as in broadcasting; and as in layers, whose first axis is the batch
                fitting: dict[int, int] = {}
                for group, (axis, rank) in zip(groups, self._places, strict=True):
                    position = axis - rank if is_from_end else axis
                    sizes = [shape[position] for shape in shapes if -len(shape) <= position < len(shape)]
                    fitting.update((group, size) for size in sizes if size is not None and size > 1)
                yield [fitting.get(group, symbol) for group, symbol in zip(groups, symbols, strict=True)], groups, False
            if self._undo is not None:
                continue  # a layer could be built for a size that is not its own
            for size in sorted({size for shape in shapes for size in shape if size and size > 1}, reverse=True):
                for chosen in dict.fromkeys(groups):
                    yield [size if g == chosen else s for g, s in zip(groups, symbols, strict=True)], groups, False

    def _try(self, sizes: list[Any], undo: bool = True) -> list[Any]:
        """Call the function with some sizes; return a list of its result, which is empty if there was an error."""
        rest = iter(sizes)
        shapes = [tuple(next(rest) if size is None else size for size in shape) for shape in self._shapes]
        try:
            return [self._function(shapes)]
        except Exception as error:
            if undo and self._undo is not None:
                self._undo()
            self._errors.append(error)
            return []

    def _compare(self, results: list[Any], groups: list[int], comparisons: Comparisons) -> list[Any]:
        """Return a result for symbols, and those for sizes with which comparisons have other answers."""
        symbols = [_symbol(group) for group in groups]
        candidates: list[list[Any]] = []
        for size, other in comparisons.pairs:
            if size in symbols and (other in symbols or not export.is_symbolic_dim(other)):
                candidates.append([other if symbol == size else symbol for symbol in symbols])
            else:
                candidates += [[NUMBERS[0]] * len(groups), [1] * len(groups)]
        for divisor in comparisons.divisors:
            multiples = [NUMBERS[0] * divisor * (len(groups) - group) for group in groups]
            candidates += [multiples, [size + 1 for size in multiples]]
        for sizes in candidates:
            for result in self._try(sizes, undo=False):
                if _form(result, dtypes=True) != _form(results[0], dtypes=True):
                    raise ValueError(
                        f"{self._name!r} cannot be called with unknown sizes: received shapes "
                        f"{', '.join(map(str, self._shapes))}, and its result depends on the comparison of a size that "
                        f"is None there, at {comparisons.place}. Give Input that size, or return the same number of "
                        "results and axes, and the same dtype, for all sizes."
                    )
                results.append(result)
        if self._undo is not None:  # keep what is built for symbols only
            self._undo()
            self._try(symbols)
        return results

    def _vary(self, results: list[Any], sizes: list[Any], groups: list[int], is_guess: bool) -> list[Any]:
        """Return a result and those for other numbers: larger ones, and 1.

        Args:
            results: a list of the result for `sizes`.
            sizes: sizes that the function accepts.
            groups: their grouping.
            is_guess: if True, it is an error if the function accepts no other number for a group.
        """
        numbers = frozenset(i for i, size in enumerate(sizes) if isinstance(size, int))
        units = {frozenset(i for i in numbers if groups[i] == groups[j]) for j in numbers}
        fixed = set(units)
        for is_larger in (True, False):

            def accepts(unit: Collection[int], is_larger: bool = is_larger) -> bool:
                changed = [size * (3 + group) if is_larger else 1 for size, group in zip(sizes, groups, strict=True)]
                changed = [changed[i] if i in unit else size for i, size in enumerate(sizes)]
                others = self._try(changed, undo=False)
                if not others and is_larger and is_guess and self._undo is not None:
                    self._undo()
                    if self._try(changed):  # it accepts this size if it is built for it
                        raise self._refusal()
                    self._try(sizes)
                if others and _form(others[0]) == _form(results[0]):
                    results.extend(others)
                elif others and is_larger:
                    raise self._refusal()
                return bool(others)

            if accepts(numbers):
                fixed.clear()
            else:
                fixed.difference_update([unit for unit in units | {frozenset([i]) for i in numbers} if accepts(unit)])
        if is_guess and fixed:
            raise self._refusal()
        return results

    def _refusal(self) -> ValueError:
        return ValueError(
            f"{self._name!r} cannot be called with unknown sizes: received shapes "
            f"{', '.join(map(str, self._shapes))}, and its weights or its result depend on a size that is None there. "
            "Give Input that size."
        )


def _form(tree: Any, dtypes: bool = False) -> Any:
    return jax.tree.structure(tree), [(len(leaf.shape), leaf.dtype if dtypes else "") for leaf in jax.tree.leaves(tree)]


def _explained(symbolic: Exception, numeric: Exception) -> Exception:
    """Return the error to raise: the one for symbols, with None in their place, unless it is about the symbols."""
    if type(symbolic) is type(numeric) and "_DimExpr" not in str(symbolic):
        symbolic.args = tuple(_SYMBOL.sub("None", arg) if isinstance(arg, str) else arg for arg in symbolic.args)
        notes = getattr(symbolic, "__notes__", [])
        notes[:] = [_SYMBOL.sub("None", note) for note in notes]
        return symbolic
    numeric.add_note(f"In this message, multiples of {NUMBERS[0]} stand for unknown sizes (None).")
    return numeric
