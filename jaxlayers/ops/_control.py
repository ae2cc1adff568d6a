"""Control flow: JAX's loops and branches, with Keras's names and arguments.

The functions passed to them may call layers, read and write variables, and draw random numbers. Each function is traced
once and becomes part of the compiled program. If an argument is a symbolic tensor, the whole loop or branch is one node
of the model.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax

from jaxlayers.common.array_like import unwrap
from jaxlayers.core import operation
from jaxlayers.numerics.types import ArrayLike
from jaxlayers.transforms import loops, vmap

__all__ = [
    "associative_scan", "cond", "fori_loop", "map", "scan", "switch", "vectorized_map", "while_loop",
]  # fmt: skip


@operation("pred")
def cond(pred: ArrayLike, true_fn: Callable[[], Any], false_fn: Callable[[], Any]) -> Any:
    """Call one of two functions, depending on a condition.

    Args:
        pred: a scalar bool; it may be a traced value.
        true_fn: a function without arguments, called if `pred` is True.
        false_fn: a function without arguments, called if `pred` is False. It returns the same structure, shapes and
            dtypes as `true_fn`.

    Returns:
        The result of the function.

    Example:
        >>> x = jax.numpy.float32(3)
        >>> cond(x > 2, lambda: x, lambda: -x)
        Array(3., dtype=float32)
    """
    return loops.cond(pred, true_fn, false_fn)


@operation("index")
def switch(index: ArrayLike, branches: Sequence[Callable[..., Any]], *operands: Any) -> Any:
    """Call one of several functions, selected by its index.

    Args:
        index: a scalar integer; it may be a traced value. It is clipped to the range 0, ..., `len(branches) - 1`.
        branches: functions that return the same structure, shapes and dtypes.
        *operands: the arguments of the function.

    Returns:
        The result of the function.

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
    """Loop over the first axis of arrays with a carried state: `carry, y = f(carry, x)`.

    Args:
        f: the body of the loop. The carry that it returns has the structure, shapes and dtypes of `init`.
        init: the first carry.
        xs: arrays in any structure, with the same size of the first axis; None (the default) for a loop without input.
        length: the number of iterations; needed only if `xs` is None.
        reverse: If True, loop from the last element to the first. False by default.
        unroll: the number of iterations of `f` in one iteration of the compiled loop, 1 by default; True for all.

    Returns:
        The last carry, and the `y` of all iterations stacked along a new first axis.

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
    """Apply a function to each element along the first axis, one element after the other.

    `vectorized_map` applies the function to all elements at once.

    Args:
        f: a function of one element.
        xs: arrays in any structure, with the same size of the first axis.

    Returns:
        The results stacked along a new first axis.

    Example:
        >>> map(lambda row: row.sum(), jax.numpy.array([[1, 2], [3, 4]]))
        Array([3, 7], dtype=int32)
    """
    return loops.scan(lambda carry, x: (carry, f(x)), None, xs)[1]


@operation()
def vectorized_map(function: Callable[[Any], Any], elements: Any) -> Any:
    """Apply a function to all elements along the first axis at once, by `jax.vmap`.

    Args:
        function: a function of one element.
        elements: arrays in any structure, with the same size of the first axis.

    Returns:
        The results stacked along a new first axis.

    Example:
        >>> vectorized_map(lambda pair: pair[0] * pair[1], [jax.numpy.array([1, 2]), jax.numpy.array([3, 4])])
        Array([3, 8], dtype=int32)
    """
    return vmap(function)(jax.tree.map(unwrap, elements))


@operation()
def while_loop(
    cond: Callable[..., Any], body: Callable[..., Any], loop_vars: Any, maximum_iterations: int | None = None
) -> Any:
    """Repeat a function while a condition is true.

    Args:
        cond: a function that returns True to continue. Its arguments are the elements of `loop_vars` if that is a list
            or tuple, else `loop_vars` itself.
        body: a function of the same arguments that returns the next `loop_vars`, with the same structure, shapes and
            dtypes.
        loop_vars: the first values.
        maximum_iterations: the largest number of iterations; None (the default) for no limit.

    Returns:
        `loop_vars` after the last iteration; a tuple if `loop_vars` is a list.

    Example:
        >>> while_loop(lambda x, n: x < 100, lambda x, n: (x * 3, n + 1), (1, 0))
        (Array(243, dtype=int32, weak_type=True), Array(5, dtype=int32, weak_type=True))
    """
    is_sequence = isinstance(loop_vars, list | tuple)

    def should_continue(state: Any) -> Any:
        iteration, values = state
        condition = cond(*values)
        return condition if maximum_iterations is None else condition & (iteration < maximum_iterations)

    def next_state(state: Any) -> Any:
        iteration, values = state
        values = body(*values)
        return iteration + 1, tuple(values) if is_sequence else (values,)

    first_values = tuple(loop_vars) if is_sequence else (loop_vars,)
    _, last_values = loops.while_loop(should_continue, next_state, (0, first_values))
    return last_values if is_sequence else last_values[0]


@operation()
def fori_loop(lower: ArrayLike, upper: ArrayLike, body_fun: Callable[[Any, Any], Any], init_val: Any) -> Any:
    """Repeat `value = body_fun(i, value)` for i from `lower` to `upper - 1`.

    Args:
        lower: the first i.
        upper: the last i plus one.
        body_fun: the body of the loop. It returns a value of the structure, shapes and dtypes of `init_val`.
        init_val: the first value.

    Returns:
        The last value.

    Example:
        >>> fori_loop(0, 5, lambda i, total: total + i, 0)
        Array(10, dtype=int32, weak_type=True)
    """
    return loops.fori_loop(lower, upper, body_fun, init_val)


@operation()
def associative_scan(f: Callable[[Any, Any], Any], elems: Any, reverse: bool = False, axis: int = 0) -> Any:
    """Combine all elements up to each element by an associative function, in O(log n) parallel steps.

    Args:
        f: a function that combines two structures like `elems`, element by element. It must be associative:
            `f(a, f(b, c))` equals `f(f(a, b), c)`.
        elems: arrays in any structure, with the same size of the axis.
        reverse: If True, combine all elements from each element to the last. False by default.
        axis: the axis of the elements; 0 by default.

    Returns:
        The combined elements, in the structure and shapes of `elems`.

    Source: Blelloch, "Prefix Sums and Their Applications", CMU-CS-90-190 (1990).

    Example:
        >>> associative_scan(lambda a, b: a * b, jax.numpy.array([1, 2, 3, 4]))
        Array([ 1,  2,  6, 24], dtype=int32)
    """
    return jax.lax.associative_scan(f, jax.tree.map(unwrap, elems), reverse, axis)
