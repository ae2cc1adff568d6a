"""Tapes that end out of order, and persistent tapes that hold their own gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxlayers as jl
from jaxlayers import layers, ops

BOTH = pytest.mark.parametrize("wrap", [lambda f: f, jl.function], ids=["eager", "jit"])


@BOTH
def test_gradients_of_two_tapes_inside_of_their_block(wrap):
    w, v = jl.Variable(2.0), jl.Variable(3.0)

    @wrap
    def step():
        with jl.GradientTape() as first, jl.GradientTape() as second:
            a, b = w * w, v * v
            of_a = first.gradient(a, w)
            c = b * v
            of_c = second.gradient(c, v)
        with jl.GradientTape() as third:
            d = w * v
        return of_a, of_c, third.gradient(d, w)

    for _ in range(2):
        assert [float(g) for g in step()] == [4.0, 27.0, 3.0]
    assert not jl.core.values.recorders.get()


def test_tapes_that_end_in_another_order():
    w, v = jl.Variable(2.0), jl.Variable(3.0)
    first, second = jl.GradientTape(), jl.GradientTape()
    first.__enter__()
    second.__enter__()
    a = w * w
    first.__exit__(None, None, None)
    b = v**3 * a
    second.__exit__(None, None, None)
    assert float(first.gradient(a, w)) == 4.0
    assert [float(g) for g in second.gradient(b, [v, w])] == [108.0, 108.0]
    assert not jl.core.values.recorders.get()


def test_a_gradient_while_recording_is_stopped_leaves_other_tapes_alone():
    w = jl.Variable(2.0)
    first, second = jl.GradientTape(), jl.GradientTape()
    with first:
        a = w * w
        with first.stop_recording():
            assert float(first.gradient(a, w)) == 4.0
            second.__enter__()  # with the recorder of the first
            with second.stop_recording():
                b = w * 3
        b = b * w
        second.__exit__(None, None, None)
    assert float(second.gradient(b, w)) == 6.0


def test_a_gradient_inside_of_another_trace_ends_the_recording():
    w = jl.Variable(2.0)
    with jl.GradientTape() as tape:
        y = w * w
        assert jax.vmap(lambda v: tape.gradient(y, w) * v)(jnp.ones(2)).tolist() == [4.0, 4.0]
    assert not jl.core.values.recorders.get()


@jax.custom_jvp
def cubed(x):
    return x**3


cubed.defjvp(lambda primals, tangents: (cubed(*primals), 3 * primals[0] ** 2 * tangents[0]))


@jax.custom_vjp
def sine(x):
    return jnp.sin(x)


sine.defvjp(lambda x: (sine(x), x), lambda x, g: (g * jnp.cos(x),))

FUNCTIONS = {
    "power": lambda x: x**4,
    "product": lambda x: x * x * x * x,
    "compiled": jax.jit(lambda x: jnp.sin(x) * x),
    "softplus": lambda x: jax.nn.softplus(x) * x,
    "custom_jvp": lambda x: cubed(x) * x,
    "custom_vjp": lambda x: sine(sine(x)),
    "loop": lambda x: jl.scan(lambda c, s: (jnp.tanh(c * x + s), c), x, jnp.ones((2, 3)))[0],
}


@BOTH
@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_persistent_tape_holds_its_own_gradients(wrap, name):
    function = FUNCTIONS[name]
    x = jnp.asarray([0.3, -0.7, 1.1])

    @wrap
    def step(x):
        with jl.GradientTape(persistent=True) as tape:
            tape.watch(x)
            first = tape.gradient(function(x), x)
            with tape.stop_recording():
                unseen = tape.gradient(function(x), x)
            second = tape.gradient(first, x)
        assert tape.gradient(unseen, x) is None
        return first, second, tape.gradient(second, x)

    def derivative(f):
        return jax.grad(lambda x: jnp.sum(f(x)))

    orders = [derivative(function), derivative(derivative(function)), derivative(derivative(derivative(function)))]
    for got, order in zip(step(x), orders, strict=True):
        np.testing.assert_allclose(got, order(x), rtol=2e-4, atol=1e-5)


@BOTH
def test_a_physics_informed_network_with_one_persistent_tape(wrap):
    model = jl.Sequential([layers.Dense(5, activation="tanh"), layers.Dense(1)])
    x = jnp.asarray(np.linspace(-1, 1, 4, dtype="float32")[:, None])
    model(x)

    @wrap
    def step(x):
        with jl.GradientTape() as outer:
            with jl.GradientTape(persistent=True) as tape:
                tape.watch(x)
                u = model(x)
                u_x = tape.gradient(u, x)
                jacobian = tape.batch_jacobian(u, x)[:, 0]
            u_xx = tape.gradient(u_x, x)
            loss = ops.mean((u_xx + u) ** 2)
        return loss, outer.gradient(loss, model), jacobian - u_x, tape.gradient(jacobian, x) - u_xx

    params, state = model.params, model.state

    def residual(params):
        def u(v):
            return model.apply(params, state, v[None, None]).outputs[0, 0]

        return jnp.mean((jax.vmap(jax.grad(jax.grad(u)))(x[:, 0]) + jax.vmap(u)(x[:, 0])) ** 2)

    loss, gradients, *zeros = step(x)
    expected, wanted = jax.value_and_grad(residual)(params)
    np.testing.assert_allclose(loss, expected, rtol=1e-5)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), gradients, wanted)
    for zero in zeros:
        np.testing.assert_allclose(zero, 0.0 * zero, atol=1e-5)
