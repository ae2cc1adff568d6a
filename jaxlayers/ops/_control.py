"""Control flow: JAX's, with Keras's names and arguments, for functions that read and write variables, layers and keys.

Functions are traced once and become part of the program; on symbolic tensors, the whole loop or branch is one node.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax

from jaxlayers.core import loops, operation, vmap
from jaxlayers.core.scope import unwrap
from jaxlayers.numerics.types import ArrayLike

__all__ = [
    "associative_scan", "cond", "fori_loop", "map", "scan", "switch", "vectorized_map", "while_loop",
]  # fmt: skip


@operation("pred")
def cond(pred: ArrayLike, true_fn: Callable[[], Any], false_fn: Callable[[], Any]) -> Any:
    """One of two functions, as a bool says.

    Args:
        pred: the bool, which may be computed.
        true_fn: called without arguments where it is True.
        false_fn: called without arguments where it is False; returns the same structure, shapes and dtypes.

    Example:
        >>> x = jax.numpy.float32(3)
        >>> cond(x > 2, lambda: x, lambda: -x)
        Array(3., dtype=float32)
    """
    return loops.cond(pred, true_fn, false_fn)


@operation("index")
def switch(index: ArrayLike, branches: Sequence[Callable[..., Any]], *operands: Any) -> Any:
    """One of several functions, as a number says.

    Args:
        index: the number, which may be computed; moved to the nearest one there is.
        branches: functions that return the same structure, shapes and dtypes.
        *operands: what the chosen one is called with.

    Example:
        >>> switch(1, [lambda x: x, lambda x: -x], jax.numpy.float32(3))
        Array(-3., dtype=float32)
    """
    return loops.switch(index, list(branches), *operands)


@operation()
def scan(
    f: Callable[[Any, Any], tuple[Any, Any]],
    init: Any,
    xs: Any = None,
    length: int | None = None,
    reverse: bool = False,
    unroll: int | bool = 1,
) -> tuple[Any, Any]:
    """A loop over the first axis that carries something along: `carry, y = f(carry, x)`.

    Args:
        f: the body; what it returns first keeps structure, shapes and dtypes.
        init: what it is first called with.
        xs: arrays in any structure, of one size along the first axis; None for a loop without input.
        length: the number of turns, where `xs` does not say.
        reverse: from the last element to the first.
        unroll: how many turns become one turn of the program; True for all.

    Returns:
        What the last turn carried, and the y of all turns, stacked.

    Raises:
        ValueError: when `unroll` is neither a bool nor a positive integer.

    Example:
        >>> scan(lambda carry, x: (carry + x, carry * x), 0, jax.numpy.array([1, 2, 3]))
        (Array(6, dtype=int32), Array([0, 2, 9], dtype=int32))
    """
    if not isinstance(unroll, bool) and (not isinstance(unroll, int) or unroll < 1):
        raise ValueError(f"ops.scan expects unroll to be a bool or a positive integer; received {unroll!r}.")
    return loops.scan(f, init, xs, length, reverse, unroll)


@operation()
def map(f: Callable[[Any], Any], xs: Any) -> Any:
    """A function of each element along the first axis, one after the other; see `vectorized_map` for all at once.

    Args:
        f: function of one element.
        xs: arrays in any structure, of one size along the first axis.

    Example:
        >>> map(lambda row: row.sum(), jax.numpy.array([[1, 2], [3, 4]]))
        Array([3, 7], dtype=int32)
    """
    return loops.scan(lambda nothing, x: (nothing, f(x)), None, xs)[1]


@operation()
def vectorized_map(function: Callable[[Any], Any], elements: Any) -> Any:
    """A function of each element along the first axis, all at once.

    Args:
        function: function of one element.
        elements: arrays in any structure, of one size along the first axis.

    Example:
        >>> vectorized_map(lambda pair: pair[0] * pair[1], [jax.numpy.array([1, 2]), jax.numpy.array([3, 4])])
        Array([3, 8], dtype=int32)
    """
    return vmap(function)(jax.tree.map(unwrap, elements))


@operation()
def while_loop(
    cond: Callable[..., Any], body: Callable[..., Any], loop_vars: Any, maximum_iterations: int | None = None
) -> Any:
    """A loop that goes on as long as a condition holds.

    Args:
        cond: whether to go on; called with each element of `loop_vars` when that is a list or tuple, else with it.
        body: the new `loop_vars`, of the same structure, shapes and dtypes; called likewise.
        loop_vars: what the loop starts with.
        maximum_iterations: the most turns.

    Returns:
        `loop_vars` after the last turn; a tuple for a list.

    Example:
        >>> while_loop(lambda x, n: x < 100, lambda x, n: (x * 3, n + 1), (1, 0))
        (Array(243, dtype=int32, weak_type=True), Array(5, dtype=int32, weak_type=True))
    """
    several = isinstance(loop_vars, list | tuple)

    def goes_on(state: Any) -> Any:
        turn, values = state
        wanted = cond(*values)
        return wanted if maximum_iterations is None else wanted & (turn < maximum_iterations)

    def next_state(state: Any) -> Any:
        turn, values = state
        values = body(*values)
        return turn + 1, tuple(values) if several else (values,)

    _, final = loops.while_loop(goes_on, next_state, (0, tuple(loop_vars) if several else (loop_vars,)))
    return final if several else final[0]


@operation()
def fori_loop(lower: ArrayLike, upper: ArrayLike, body_fun: Callable[[Any, Any], Any], init_val: Any) -> Any:
    """A counted loop: `value = body_fun(i, value)` for i from `lower` to `upper - 1`.

    Args:
        lower: the first i.
        upper: one more than the last i.
        body_fun: the body; what it returns keeps structure, shapes and dtypes.
        init_val: what it is first called with.

    Example:
        >>> fori_loop(0, 5, lambda i, total: total + i, 0)
        Array(10, dtype=int32, weak_type=True)
    """
    return loops.fori_loop(lower, upper, body_fun, init_val)


@operation()
def associative_scan(f: Callable[[Any, Any], Any], elems: Any, reverse: bool = False, axis: int = 0) -> Any:
    """All partial results of an associative function, in a logarithm of the number of turns.

    Source: Blelloch, "Prefix Sums and Their Applications", CMU-CS-90-190 (1990).

    Args:
        f: joins two structures like `elems`, element by element; `f(a, f(b, c))` must be `f(f(a, b), c)`.
        elems: arrays in any structure, of one size along the axis.
        reverse: from the last element to the first.
        axis: along which axis.

    Example:
        >>> associative_scan(lambda a, b: a * b, jax.numpy.array([1, 2, 3, 4]))
        Array([ 1,  2,  6, 24], dtype=int32)
    """
    return jax.lax.associative_scan(f, jax.tree.map(unwrap, elems), reverse, axis)
