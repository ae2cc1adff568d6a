"""Layers, operations and random programs under a tape against `jax.grad` and `jl.value_and_grad`."""

import logging
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxlayers as jl
from jaxlayers import layers, ops
from tests.layers.cases import CASES
from tests.models.operation_cases import CASES as CALLS, Constant


def close(got, want):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-5), got, want)


def total(outputs):
    values = [y for y in map(jnp.asarray, jax.tree.leaves(outputs)) if jnp.issubdtype(y.dtype, jnp.floating)]
    return sum((jnp.sum(jnp.sin(y.astype("float32"))) for y in values), jnp.float32(0))


@pytest.mark.parametrize("case", CASES[3::40], ids=lambda case: case.name)
def test_layers(case):
    layer = case.make()
    layer(*case.args, **case.quiet)

    def loss():
        return total(layer(*case.args, **case.quiet)) + sum(layer.losses)

    with jl.GradientTape() as tape:
        value = loss()
    got = tape.gradient(value, layer, unconnected_gradients="zero")
    close((value, got), jl.value_and_grad(loss, wrt=layer)())


# Other versions of Python and JAX run another part of the table.
FIRST = (7 * sys.version_info.minor + int(jax.__version__.split(".")[1])) % 25
WITHOUT_GRADIENT = {"eig", "nextafter", "segment_prod"}  # JAX has none for their arguments in the table


def test_operations():
    for name, args, kwargs in CALLS[FIRST::25]:
        args = [arg.value if isinstance(arg, Constant) else arg for arg in args]
        numbers = [n for n, arg in enumerate(args) if isinstance(arg, np.ndarray) and arg.dtype == "float32"]
        if not numbers or not hasattr(ops, name) or name in WITHOUT_GRADIENT:
            continue

        def function(*some, args=args, numbers=numbers, name=name, kwargs=kwargs):
            inputs = dict(enumerate(args)) | dict(zip(numbers, some, strict=True))
            return total(getattr(ops, name)(*inputs.values(), **kwargs))

        inputs = [jnp.asarray(args[n]) for n in numbers]
        with jl.GradientTape() as tape:
            tape.watch(inputs)
            value = function(*inputs)
        got = tape.gradient(value, inputs, unconnected_gradients="zero")
        close(got, list(jax.grad(function, argnums=range(len(inputs)))(*inputs)))


UNARY = [
    jnp.sin,
    jnp.tanh,
    jax.nn.relu,
    jax.nn.softmax,
    lambda v: v[::-1],
    jnp.cumsum,
    jax.jit(lambda v: v * jnp.cos(v)),
]
BINARY = [jnp.add, jnp.multiply, jnp.maximum, lambda a, b: jnp.where(a > b, a, 2 * b), lambda a, b: a @ jnp.outer(b, b)]


def program(seed, sources):
    """A random program of some arrays: most of its values are used more than once."""
    rng, known = np.random.default_rng(seed), list(sources)
    for _ in range(8):
        a, b = (known[rng.integers(len(known))] for _ in range(2))
        kind = rng.integers(4)
        if kind == 0:
            known.append(BINARY[rng.integers(len(BINARY))](a, b))
        elif kind == 1:
            known.append(jax.lax.scan(lambda c, x, b=b: (c * 0.5 + x * b, c.sum()), a, jnp.stack([a, b]))[0])
        elif kind == 2:
            known.append(jax.lax.stop_gradient(a) + b)
        else:
            known.append(UNARY[rng.integers(len(UNARY))](a))
    return jnp.sum(jnp.stack(known[-3:]) ** 2)


@pytest.mark.parametrize("seed", range(4))
def test_random_programs(seed):
    sources = list(jnp.asarray(np.random.default_rng(seed).normal(size=(3, 3)), "float32"))
    want = jax.grad(lambda arrays: program(seed, arrays))(sources)

    def gradient(sources):
        with jl.GradientTape() as tape:
            tape.watch(sources)
            value = program(seed, sources)
        return tape.gradient(value, sources, unconnected_gradients="zero")

    close(gradient(sources), want)
    close(jl.jit(gradient)(sources), want)
    close(jax.jit(gradient)(sources), want)


class Compilations(logging.Handler):
    """A list of the programs that JAX has compiled."""

    def __init__(self):
        super().__init__()
        self.names = []

    def emit(self, record):
        if "Finished XLA compilation" in record.getMessage():
            self.names.append(record.getMessage())


def test_eager_steps_compile_once():
    model = jl.Sequential([layers.Conv2D(4, 3, activation="relu"), layers.MaxPooling2D(), layers.Flatten()])
    recurrent = layers.LSTM(3)
    images, words = np.ones((2, 8, 8, 3), "float32"), jnp.ones((2, 4, 3))
    model(images), recurrent(words)

    def loss():
        return jnp.sum(model(images) ** 2) + jnp.sum(recurrent(words) ** 2)

    def taped():
        with jl.GradientTape() as tape:
            value = loss()
        return tape.gradient(value, [model, recurrent])

    compiled = Compilations()
    logger = logging.getLogger("jax")
    logger.addHandler(compiled)
    try:
        for step in (taped, jl.value_and_grad(loss, wrt=[model, recurrent])):
            for _ in range(2):
                step()
            with jax.log_compiles(True):
                step()
    finally:
        logger.removeHandler(compiled)
    assert compiled.names == []
