"""`jl.jit` inside of layers' calls, of itself and of other transformations; what is made inside of it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxlayers as jl
from jaxlayers import layers, ops

bare_jit = pytest.mark.filterwarnings("ignore:jax.jit of")  # of the warning that weights become constants

X = np.random.default_rng(0).normal(0.3, 1.0, size=(4, 3)).astype("float32")


def close(actual, expected):
    assert jax.tree.structure(actual) == jax.tree.structure(expected)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), actual, expected)


class Counted(jl.Layer):
    def __init__(self, start=1.0):
        super().__init__()
        self.w = self.add_weight((3,), initializer=lambda shape, dtype: start * jnp.array([0.5, -1.0, 2.0]))
        self.calls = self.add_weight((), initializer="zeros", dtype="int32", trainable=False)

    def call(self, x):
        self.calls.assign_add(1)
        self.add_loss(ops.sum(x * self.w))
        return x * self.w


class Inner(jl.Layer):
    """A layer whose call is compiled apart, and depends on who calls it."""

    def __init__(self):
        super().__init__()
        self.drop = layers.Dropout(0.5, seed=1)
        self.run = jl.jit(self.compute)

    def compute(self, x):
        self.add_loss(ops.sum(x))
        return self.drop(x)

    def call(self, x):
        return self.run(x)


class Outer(jl.Layer):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def call(self, x):
        return self.inner(x)


def test_a_compiled_part_sees_training():
    outer, ones = Outer(Inner()), jnp.ones((4, 16))
    for training in (True, False, True):
        assert set(np.unique(outer(ones, training=training)).tolist()) == ({0.0, 2.0} if training else {1.0})


def test_a_compiled_part_sees_whose_call_it_is():
    inner, ones = Inner(), jnp.ones((4, 16))
    one, two = Outer(inner), Outer(inner)
    for model, factor in ((one, 1.0), (two, 2.0), (one, 3.0)):
        model(factor * ones)
        assert [float(loss) for loss in model.losses] == [64.0 * factor]


def test_a_compiled_part_sees_the_dtype_policy():
    dense = layers.Dense(2)
    seen = []
    run = jl.jit(lambda x: (x.astype("float32") @ dense.kernel.value.astype("float32"), dense.kernel.value)[1])

    class Calls(jl.Layer):
        def call(self, x):
            seen.append(run(x.astype("float32")).dtype)
            return x

    dense(X)
    run(X)
    Calls()(X)
    Calls(dtype="mixed_bfloat16")(X)
    run(X)
    assert [str(dtype) for dtype in seen][-1] == "bfloat16"


def test_a_compiled_part_in_apply_draws_from_rng():
    def applied(layer):
        outer = Outer(layer)
        ones = jnp.ones((4, 16))
        params, state = outer.init(jax.random.key(0), ones)
        return lambda n: outer.apply(params, state, ones, rng=jax.random.key(n), training=True)

    fresh, used = Inner(), Inner()
    used(jnp.ones((4, 16)), training=True)  # compiled outside of apply
    expected, actual = applied(fresh), applied(used)
    for n in (1, 2):
        np.testing.assert_array_equal(actual(n).outputs, expected(n).outputs)
    assert not np.array_equal(actual(1).outputs, actual(2).outputs)


def test_a_compiled_part_after_a_structure_was_borrowed():
    """`init` builds the layer for a moment; the compiled part does not hold on to what was built then."""

    class Lazy(jl.Layer):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(2)
            self.run = jl.jit(lambda x: self.dense(x))

        def call(self, x):
            return self.run(x)

    layer = Lazy()
    params, state = layer.init(jax.random.key(0), X)
    close(layer.apply(params, state, X).outputs, X @ params["dense"]["kernel"])
    outputs = layer(X)
    close(outputs, X @ layer.dense.kernel.numpy())
    layer.params = params
    close(layer(X), X @ params["dense"]["kernel"])
    close(layer.apply(params, state, 2 * X).outputs, 2 * X @ params["dense"]["kernel"])


def test_a_variable_made_inside():
    """Either it works as in Python, or it is refused; it does not go on for ever."""
    traced = []

    @jl.jit
    def f(x):
        traced.append(1)
        if len(traced) > 20:
            raise RecursionError("traced again and again")
        local = jl.Variable(jnp.zeros, (3,), name="local")
        local.assign_add(x)
        return local.value

    try:
        results = [f(X[0]), f(X[0])]
    except RecursionError:
        raise
    except ValueError as error:
        assert "'local'" in str(error)
    else:
        close(results, [X[0], X[0]])


def test_a_variable_made_inside_from_an_array():
    traced = []

    @jl.jit
    def f(x):
        traced.append(1)
        if len(traced) > 20:
            raise RecursionError("traced again and again")
        local = jl.Variable([1.0, 2.0, 3.0], name="local")
        return local + x

    try:
        result = f(X[0])
    except RecursionError:
        raise
    except ValueError as error:
        assert "'local'" in str(error)
    else:
        close(result, X[0] + np.array([1, 2, 3], "float32"))


# Nested, and under JAX's own.


def test_inside_itself():
    traces = {"inner": 0, "outer": 0}
    layer, plain = Counted(), Counted()

    @jl.jit
    def inner(x):
        traces["inner"] += 1
        return layer(x)

    @jl.jit
    def outer(x):
        traces["outer"] += 1
        return inner(inner(x))

    for _ in range(3):
        close(outer(X), plain(plain(X)))
    close(inner(X), plain(X))
    assert int(layer.calls) == 7 and traces["outer"] <= 2 and traces["inner"] <= 2 * traces["outer"] + 2
    assert len(layer.losses) == 1


@bare_jit
def test_under_bare_transformations():
    w = jl.Variable([0.5, -1.0, 2.0])
    count = jl.Variable(0, dtype="int32", trainable=False, name="count")
    pure = jl.jit(lambda x: jnp.sum(jnp.sin(x) * w))
    plain = lambda x: jnp.sum(jnp.sin(x) * w.value)
    for transform in (jax.jit, jax.grad, lambda f: jax.jit(jax.hessian(f))):
        close(transform(pure)(X[0]), transform(plain)(X[0]))
    close(jax.vmap(pure)(X), jax.vmap(plain)(X))
    close(jax.vmap(jax.grad(pure))(X), jax.vmap(jax.grad(plain))(X))

    @jl.jit
    def writes(x):
        count.assign_add(1)
        return jnp.sum(x)

    for _ in range(2):
        for transform in (jax.jit, jax.grad, jax.vmap):
            with pytest.raises(jl.BareTransformationError, match="'count'"):
                transform(writes)(X[0])
        writes(X[0])  # compiled or not makes no difference
    assert int(count) == 2


def test_under_transformations_of_ours():
    layer, plain = Counted(), Counted()
    compiled = jl.jit(lambda x: ops.sum(layer(x)))
    eager = lambda x: ops.sum(plain(x))
    close(jl.grad(compiled)(X), jl.grad(eager)(X))
    close(jl.grad(compiled, wrt=layer.w)(X), jl.grad(eager, wrt=plain.w)(X))
    close(jl.vmap(compiled)(X), jl.vmap(eager)(X))
    body = lambda f: lambda c, x: (c + f(x), c)
    close(jl.scan(body(compiled), 0.0, X), jl.scan(body(eager), 0.0, X))
    assert int(layer.calls) == int(plain.calls) == 7
    close(layer.losses, plain.losses)


def test_draws_in_each_lane_of_a_compiled_function():
    drop = layers.Dropout(0.5, seed=1)
    draw = jl.jit(lambda x: drop(x, training=True))
    draw(jnp.ones(64))  # compiled before there was an axis
    rows = np.asarray(jl.vmap(draw)(jnp.ones((4, 64))))
    assert len({row.tobytes() for row in rows}) == 4


def test_without_compilation():
    layer, plain = Counted(), Counted()
    with jax.disable_jit():
        close(jl.jit(layer)(X), plain(X))
    assert int(layer.calls) == 1
