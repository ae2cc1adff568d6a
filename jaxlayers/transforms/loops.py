"""JAX's loops and branches for functions that read and write facades; see `lifting` for how state is carried."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers.common import masks
from jaxlayers.common.array_like import unwrap
from jaxlayers.common.errors import ends_in_user_code
from jaxlayers.common.manual_axes import vary, varying_axes
from jaxlayers.core.effects import run
from jaxlayers.core.scope import Scope
from jaxlayers.core.variable import Variable
from jaxlayers.transforms import lifting


@ends_in_user_code
def cond(pred: Any, true_fun: Callable[..., Any], false_fun: Callable[..., Any], *operands: Any) -> Any:
    """`jax.lax.cond` with branches that use facades; a variable keeps its value in a branch that does not write it.

    Example:
        >>> import jaxlayers as jl
        >>> count = jl.Variable(0, dtype="int32", trainable=False)
        >>> _ = jl.cond(True, lambda: count.assign_add(1), lambda: count.value)
        >>> int(count.value)
        1
    """
    return switch(jnp.asarray(unwrap(pred), "int32"), [false_fun, true_fun], *operands, _pred=pred)


@ends_in_user_code
def switch(index: Any, branches: Any, *operands: Any, _pred: Any = None) -> Any:
    """`jax.lax.switch` with branches that use facades.

    Example:
        >>> import jaxlayers as jl
        >>> float(jl.switch(1, [lambda x: x, lambda x: -x], 3.0))
        -3.0
    """

    def attempt(carry: lifting.Carry) -> Any:
        pattern = masks.merge(*carry.outputs)

        def lifted(number: int) -> Callable[..., Any]:
            def branch(values: Any, *operands: Any) -> Any:
                outputs, values = carry.run(number, branches[number], operands, values)
                return masks.match(outputs, pattern), values

            return branch

        functions = [lifted(number) for number in range(len(branches))]
        if _pred is not None:
            outputs = jax.lax.cond(unwrap(_pred), functions[1], functions[0], carry.values, *operands)
        else:
            outputs = jax.lax.switch(unwrap(index), functions, carry.values, *operands)
        return masks.release(outputs)

    operands = masks.carry(jax.tree.map(unwrap, operands))
    return lifting.with_carry([(branch, operands) for branch in branches], attempt)


@ends_in_user_code
def scan(
    f: Callable[..., Any],
    init: Any,
    xs: Any = None,
    length: int | None = None,
    reverse: bool = False,
    unroll: int | bool = 1,
    _split_transpose: bool = False,
) -> Any:
    """`jax.lax.scan` with a body that uses facades: iterations pass state on, and added losses are summed.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> total = jl.Variable(0.0, trainable=False)
        >>> _ = jl.scan(lambda carry, x: (carry, total.assign_add(x)), None, jnp.arange(4.0))
        >>> float(total.value)
        6.0
    """

    def attempt(carry: lifting.Carry) -> Any:
        pattern = again((held, None), carry.outputs[0])[0]

        def body(state: Any, x: Any) -> Any:
            (new_carry, y), values = carry.run(0, f, (state[0], x), state[1])
            return (masks.match(new_carry, pattern), values), masks.carry(y)

        start = (masks.match(init, pattern), carry.values)
        (final, values), ys = jax.lax.scan(body, start, xs, length, reverse, unroll)
        return masks.release((final, ys)), values

    init, xs = jax.tree.map(unwrap, (init, xs))
    xs = masks.carry(xs)  # the mask of the slices is the slice of the mask
    slice_of_xs = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(jnp.shape(leaf)[1:], jnp.result_type(leaf)), xs)

    def iteration(carry: Any, x: Any) -> Any:
        return f(carry, jax.tree.map(lambda leaf, stacked: vary(leaf, varying_axes(stacked)), x, xs))

    def again(arguments: Any, outputs: Any) -> Any:
        new_carry = outputs[0] if isinstance(outputs, tuple) else None
        return masks.merge(arguments[0], new_carry), arguments[1]

    held = masks.carry(init)
    return lifting.with_carry([(iteration, (held, slice_of_xs))], attempt, again)


@ends_in_user_code
def while_loop(cond_fun: Callable[..., Any], body_fun: Callable[..., Any], init_val: Any) -> Any:
    """`jax.lax.while_loop` with a body that uses facades. The condition may read variables, not write them.

    Raises:
        ValueError: when `cond_fun` writes a variable.

    Example:
        >>> import jaxlayers as jl
        >>> count = jl.Variable(0, dtype="int32", trainable=False)
        >>> _ = jl.while_loop(lambda x: x < 4, lambda x: (count.assign_add(1), x + 1)[1], 0)
        >>> int(count.value)
        4
    """

    def attempt(carry: lifting.Carry) -> Any:
        def condition(state: Any) -> Any:
            scope = Scope.lifted(carry.variables(state[1]))
            outputs, effects = run(scope, cond_fun, masks.release(state[0]))
            if effects.keys:
                names = ", ".join(repr(key.path) for key in effects.keys if isinstance(key, Variable))
                raise ValueError(
                    f"The condition of while_loop must not write; it wrote {names or 'a loss'}. Write it in the body "
                    "instead."
                )
            return outputs

        def body(state: Any) -> Any:
            value, values = carry.run(0, body_fun, (state[0],), state[1])
            return masks.match(value, pattern), values

        pattern = masks.merge(held, carry.outputs[0])
        start = (masks.match(init_val, pattern), carry.values)
        return masks.release(jax.lax.while_loop(condition, body, start))

    init_val = jax.tree.map(unwrap, init_val)
    held = masks.carry(init_val)
    return lifting.with_carry([(body_fun, (held,))], attempt, lambda args, outputs: (masks.merge(args[0], outputs),))


@ends_in_user_code
def fori_loop(lower: Any, upper: Any, body_fun: Callable[..., Any], init_val: Any) -> Any:
    """`jax.lax.fori_loop` with a body that uses facades.

    Example:
        >>> import jaxlayers as jl
        >>> int(jl.fori_loop(0, 5, lambda i, total: total + i, 0))
        10
    """

    def attempt(carry: lifting.Carry) -> Any:
        def body(i: Any, state: Any) -> Any:
            value, values = carry.run(0, body_fun, (i, state[0]), state[1])
            return masks.match(value, pattern), values

        pattern = masks.merge(held, carry.outputs[0])
        start = (masks.match(init_val, pattern), carry.values)
        return masks.release(jax.lax.fori_loop(lower, upper, body, start))

    lower, upper, init_val = jax.tree.map(unwrap, (lower, upper, init_val))
    held = masks.carry(init_val)
    return lifting.with_carry(
        [(body_fun, (lower, held))], attempt, lambda args, outputs: (lower, masks.merge(args[1], outputs))
    )


def repeat(step: Callable[[Any], Any], count: Any) -> Any:
    """Call `step(i)` for i from 0 to `count` - 1, and return the arrays of the last call; zeros if `count` is 0.

    The program does not depend on `count`, so that it is compiled once.
    """

    def arrays(i: Any) -> Any:
        return jax.tree.map(lambda value: jnp.asarray(unwrap(value)), step(i))

    def attempt(carry: lifting.Carry) -> Any:
        zeros = jax.tree.map(lambda spec: jnp.zeros(spec.shape, spec.dtype), masks.release(carry.outputs[0]))

        def body(i: Any, state: Any) -> Any:
            outputs, values = carry.run(0, arrays, (i,), state[1])
            return jax.tree.map(lambda value, zero: value.astype(zero.dtype), outputs, zeros), values

        return jax.lax.fori_loop(jnp.int32(0), count, body, (zeros, carry.values))

    return lifting.with_carry([(arrays, (jnp.int32(0),))], attempt)
