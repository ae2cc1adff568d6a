"""`jl.grad` and `jl.value_and_grad`: against `jax.grad` on pure functions, and what they do to state."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxlayers as jl
from jaxlayers import layers, ops

pytestmark = pytest.mark.default_xla

X = np.random.default_rng(0).normal(0.3, 1.0, size=(4, 3)).astype("float32")


def close(actual, expected):
    assert jax.tree.structure(actual) == jax.tree.structure(expected)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), actual, expected)


class Counted(jl.Layer):
    """A weight, a counter, a statistic, an added loss and a seeded draw: everything that a call can do."""

    def __init__(self):
        super().__init__()
        self.w = self.add_weight((3,), initializer=lambda shape, dtype: jnp.array([0.5, -1.0, 2.0]))
        self.calls = self.add_weight((), initializer="zeros", dtype="int32", trainable=False)
        self.mean = self.add_weight((3,), initializer="zeros", trainable=False)
        self.seeds = jl.random.SeedGenerator(3)

    def call(self, x):
        self.calls.assign_add(1)
        self.mean.assign(0.9 * self.mean + 0.1 * x.mean(0))
        self.add_loss(0.5 * ops.sum(self.w**2))
        return jnp.tanh(x * self.w) + (jax.random.key_data(self.seeds.next())[0] % 8).astype("float32")


PURE = [
    (lambda a: jnp.sin(a).sum(), {}, (X,), {}),
    (lambda a, b: (a * b**2).sum(), {"argnums": 1}, (X, 2 * X), {}),
    (lambda a, b: (a * b**2).sum(), {"argnums": -1}, (X, 2 * X), {}),
    (lambda a, b, c: (a * b**2 + c).sum(), {"argnums": (0, 1)}, (X, 2 * X, X), {}),
    (lambda a, b, c: (a * b**2 + c**3).sum(), {"argnums": (2, 0)}, (X, 2 * X, X), {}),
    (lambda a, b, c: (a * b**2 + c**3).sum(), {"argnums": (-1, 0)}, (X, 2 * X, X), {}),
    (lambda a, scale=1.0: (scale * a**2).sum(), {}, (X,), {"scale": 3.0}),
    (lambda a, *, scale, shift: (scale * a**2 + shift * a).sum(), {}, (X,), {"scale": 3.0, "shift": X}),
    (lambda a: ((a**2).sum(), {"twice": 2 * a}), {"has_aux": True}, (X,), {}),
    (lambda a, b: ((a * b).sum(), (a, None, [b])), {"has_aux": True, "argnums": (1, 0)}, (X, X + 1), {}),
    (lambda tree: (tree["a"] ** 2 * tree["b"][0]).sum(), {}, ({"a": X, "b": [X + 1, 2.0]},), {}),
    (lambda a: (a**3).sum(), {"holomorphic": True}, (X + 1j * X,), {}),
    (lambda a: (a[0] ** 2).sum() + a[1], {"allow_int": True}, ((X, 3),), {}),
]


@pytest.mark.parametrize(("fun", "options", "args", "kwargs"), PURE)
def test_pure_functions_as_in_jax(fun, options, args, kwargs):
    def plain(values):
        return jax.tree.map(lambda v: np.asarray(v) if v.dtype != jax.dtypes.float0 else v.shape, values)

    for ours, theirs in ((jl.grad, jax.grad), (jl.value_and_grad, jax.value_and_grad)):
        close(plain(ours(fun, **options)(*args, **kwargs)), plain(theirs(fun, **options)(*args, **kwargs)))


def test_name_and_docs_are_kept():
    def loss(a):
        """What is minimised."""
        return a

    for wrap in (jl.grad, jl.value_and_grad):
        assert (wrap(loss).__name__, wrap(loss).__doc__) == ("loss", "What is minimised.")


def variables():
    return jl.Variable([1.0, 2.0], name="a"), jl.Variable([[3.0]], name="b"), jl.Variable(0.5, name="c")


def cost(a, b, c):
    return ops.sum(a * b[0]) ** 2 * c + ops.sum(a**3)


@pytest.mark.parametrize(
    "structure",
    [
        lambda a, b, c: a,
        lambda a, b, c: [a],
        lambda a, b, c: [c, a, b],
        lambda a, b, c: (b, [c, (a,)]),
        lambda a, b, c: {"x": a, "y": {"z": [b, c]}},
        lambda a, b, c: [a, b, a, [a]],
        lambda a, b, c: [a, None, c],
        lambda a, b, c: [],
    ],
)
def test_wrt_structures(structure):
    v = variables()
    arrays = [x.value for x in v]
    value, gradients = jl.value_and_grad(lambda scale: scale * cost(*v), wrt=structure(*v))(2.0)
    by_array = jax.grad(lambda args: 2.0 * cost(*args))(arrays)
    expected = structure(*by_array)
    close(gradients, expected)
    np.testing.assert_allclose(value, 2.0 * cost(*arrays), rtol=1e-6)
    close(jl.grad(lambda scale: scale * cost(*v), wrt=structure(*v))(2.0), expected)


def test_wrt_leaves_arguments_alone():
    w = jl.Variable(3.0)
    gradient = jl.grad(lambda label, scale: {"a": 1.0, "b": scale}[label] * w**2, wrt=w)
    assert float(jl.grad(lambda n, x: x * n * w**2, wrt=w)(4, 0.5)) == 12.0  # integers and all
    assert float(jl.jit(lambda scale: jl.grad(lambda s: s * w**2, wrt=w)(scale))(2.0)) == 12.0
    del gradient


def test_wrt_unused_variable_is_zero():
    used, unused = jl.Variable(2.0), jl.Variable([[1.0, 2.0]])
    close(jl.grad(lambda: used**2, wrt=[unused, used])(), [np.zeros((1, 2), "float32"), np.float32(4.0)])


@pytest.mark.parametrize("dtype", ["int32", "bool", "uint8"])
def test_wrt_without_gradient_is_refused_by_name(dtype):
    ran = []
    counter = jl.Variable(1, dtype=dtype, name="counter")
    with pytest.raises(TypeError, match=f"'counter'.*{dtype}"):
        jl.grad(lambda: ran.append(1) or counter * 1.0, wrt=[jl.Variable(1.0), counter])()
    assert not ran


@pytest.mark.parametrize("wrong", [3.0, "w", X, [jl.Variable(1.0), 2.0]])
def test_wrt_of_something_else_is_refused(wrong):
    with pytest.raises(TypeError, match="wrt="):
        jl.grad(lambda: 1.0, wrt=wrong)()


def make_model():
    return jl.Sequential([layers.Dense(4, activation="tanh"), layers.BatchNormalization(), layers.Dense(2)])


def test_wrt_layer_is_a_tree_like_its_params():
    model = make_model()
    model(X)
    loss = lambda x: ops.sum(model(x, training=True) ** 3)
    tree = jl.grad(loss, wrt=model)(X)
    assert jax.tree.structure(tree) == jax.tree.structure(model.params)
    state = jax.tree.map(lambda a: a, model.state)
    expected = jax.grad(lambda p: jnp.sum(model.apply(p, state, X, training=True).outputs ** 3))(model.params)
    close(tree, expected)
    # The list of weights gives the same numbers, in the order of the weights.
    by_weight = jl.grad(loss, wrt=model.trainable_weights)(X)
    assert [g.shape for g in by_weight] == [w.shape for w in model.trainable_weights]
    assert sorted(float(g.sum()) for g in by_weight) == pytest.approx(
        sorted(float(g.sum()) for g in jax.tree.leaves(tree)), rel=1e-4, abs=1e-4
    )


def test_wrt_layer_leaves_frozen_weights_out():
    model = make_model()
    model(X)
    model.layers[0].trainable = False
    tree = jl.grad(lambda: ops.sum(model(X) ** 3), wrt=model)()
    assert jax.tree.structure(tree) == jax.tree.structure(model.params)
    assert len(jax.tree.leaves(tree)) == 4  # gamma, beta, kernel, bias
    frozen = model.layers[0].kernel  # named, it has a gradient like any other
    assert float(abs(jl.grad(lambda: ops.sum(model(X) ** 3), wrt=frozen)()).sum()) > 0


@pytest.mark.parametrize("wrap", [lambda f: f, jl.jit], ids=["eager", "jit"])
def test_wrt_layer_that_the_function_builds(wrap):
    model = make_model()
    tree = wrap(lambda: jl.grad(lambda: ops.sum(model(X, training=True) ** 3), wrt=model)())()
    assert jax.tree.structure(tree) == jax.tree.structure(model.params)
    state = jax.tree.map(jnp.zeros_like, model.state)  # not used while training
    close(
        tree,
        jax.grad(lambda p: jnp.sum(model.apply(p, state, X, training=True).outputs ** 3))(model.params),
    )


def test_effects_come_out_once():
    eager, lifted = Counted(), Counted()
    expected = eager(X)
    (_, outputs), gradient = jl.value_and_grad(
        lambda x: (lambda y: (ops.sum(y) + sum(lifted.losses), y))(lifted(x)), wrt=lifted.w, has_aux=True
    )(X)
    close(outputs, expected)
    for name in ("calls", "mean"):
        close(getattr(lifted, name).value, getattr(eager, name).value)
    close(lifted.seeds.state.value, eager.seeds.state.value)
    close(lifted.losses, eager.losses)
    assert len(lifted.losses) == 1
    w = lifted.w.numpy()
    close(gradient, (X * (1 - np.tanh(X * w) ** 2)).sum(0) + w)


def test_gradient_is_taken_where_the_variable_stood_before():
    w = jl.Variable(3.0)

    def moved():
        before = w.value**2
        w.assign(w * 2)
        return before + w.value**2  # w^2 + (2 w)^2

    value, gradient = jl.value_and_grad(moved, wrt=w)()
    assert (float(value), float(gradient), float(w.value)) == (45.0, 30.0, 6.0)


def test_second_order():
    a, b = jl.Variable(5.0), jl.Variable(3.0)

    def f():
        return 3 * a**2 * b + 2 * a * b**2

    hessian = [jl.grad(lambda: jl.grad(f, wrt=v)(), wrt=[a, b])() for v in (a, b)]  # noqa: B023
    assert [[float(h) for h in row] for row in hessian] == [[18.0, 42.0], [42.0, 20.0]]
    third = jl.grad(lambda: jl.grad(lambda: jl.grad(f, wrt=a)(), wrt=a)(), wrt=b)()
    assert float(third) == 6.0


def test_second_order_counts_state_once():
    layer = Counted()

    def penalty(x):  # a gradient penalty: the inner gradient is itself differentiated
        inner = jl.grad(lambda a: ops.sum(layer(a)))(x)
        return ops.sum(inner**2)

    gradient = jl.grad(penalty, wrt=layer.w)(X)
    assert int(layer.calls) == 1 and len(layer.losses) == 1 and int(layer.seeds.state[1]) == 1
    expected = jax.grad(lambda w: jnp.sum(jax.grad(lambda a: jnp.sum(jnp.tanh(a * w)))(jnp.asarray(X)) ** 2))(
        layer.w.value
    )
    close(gradient, expected)


def test_inside_and_around_bare_gradients():
    w = jl.Variable(3.0)
    # A gradient by jaxlayers inside one by JAX, and the other way about: no state is written, so both are allowed.
    assert float(jax.grad(lambda x: jl.grad(lambda: x**2 * w**2, wrt=w)())(2.0)) == 24.0
    assert float(jl.grad(lambda: jax.grad(lambda x: x**2 * w**2)(2.0), wrt=w)()) == 24.0
    hessian = jax.hessian(lambda x: jl.value_and_grad(lambda y: jnp.sum(w * y**3))(x)[0])(jnp.array([1.0, 2.0]))
    close(hessian, np.diag([18.0, 36.0]).astype("float32"))


def test_forward_mode_through_a_gradient():
    w = jl.Variable([1.0, 2.0])
    close(
        jax.jvp(lambda x: jl.grad(lambda: ops.sum(x * w**3), wrt=w)(), (jnp.ones(2),), (jnp.array([1.0, 0.0]),)),
        (np.array([3.0, 12.0], "float32"), np.array([3.0, 0.0], "float32")),
    )


def test_gradient_has_the_dtype_of_the_variable():
    dense = layers.Dense(2, dtype="mixed_bfloat16")
    dense(X)
    tree = jl.grad(lambda: ops.sum(dense(X)).astype("float32"), wrt=dense)()
    assert {leaf.dtype for leaf in jax.tree.leaves(tree)} == {jnp.dtype("float32")}
    half = jl.Variable([1.0], dtype="bfloat16")
    assert jl.grad(lambda: ops.sum(half * 2), wrt=half)().dtype == "bfloat16"


def test_a_failure_changes_nothing():
    layer = Counted()
    before = jax.tree.map(np.asarray, (layer.params, layer.state))

    def fails(x):
        layer(x)
        raise RuntimeError("boom")

    with pytest.raises(RuntimeError, match="boom"):
        jl.grad(fails)(X)
    with pytest.raises(TypeError, match="scalar"):
        jl.grad(lambda x: layer(x))(X)
    with pytest.raises(TypeError, match="int32|integer"):
        jl.grad(lambda n: ops.sum(layer(X)) * n)(3)
    jax.tree.map(np.testing.assert_array_equal, (layer.params, layer.state), before)
    assert layer.losses == []


def test_variable_as_an_argument():
    w = jl.Variable([1.0, 2.0])
    close(jl.grad(lambda a: ops.sum(a**2))(w), np.array([2.0, 4.0], "float32"))
    close(jl.grad(lambda a, b: ops.sum(a * b), argnums=(0, 1))(w, w), (w.value, w.value))


def test_draws_are_fresh_and_repeat_with_the_seed():
    def run():
        jl.utils.set_random_seed(1)
        drop = layers.Dropout(0.5)
        gradient = jl.grad(lambda x: ops.sum(drop(x, training=True)))
        return [np.asarray(gradient(jnp.ones(64))) for _ in range(3)]

    first, second = run(), run()
    assert len({mask.tobytes() for mask in first}) == 3
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("make", [lambda a, b: [a, b], lambda a, b: {"a": a, "b": (b, b.trainable_weights)}])
def test_structures_of_layers(make):
    a, b = layers.Dense(2), jl.Sequential([layers.Dense(1, name="last")])
    x = jnp.asarray(np.random.default_rng(0).normal(size=(4, 3)), "float32")
    b(x)
    function = lambda: jnp.sum(a(x) ** 2) + jnp.sum(b(x))  # a is built by it
    gradients = jl.grad(function, wrt=make(a, b))()
    of_a, of_b = jl.grad(function, wrt=a)(), jl.grad(function, wrt=b)()
    assert jax.tree.structure(of_a) == jax.tree.structure(a.params)
    expected = (
        make(of_a, of_b) if isinstance(gradients, list) else {"a": of_a, "b": (of_b, jax.tree.leaves(of_b)[::-1])}
    )
    jax.tree.map(np.testing.assert_array_equal, gradients, expected)
    with pytest.raises(TypeError, match="structures of variables"):
        jl.grad(function, wrt=[a, "b"])()


def test_what_cannot_be_differentiated_leads_to_wrt():
    model = jl.Sequential([layers.Dense(1)])
    model(X)
    for call in (
        lambda: jl.grad(lambda m, x: ops.sum(m(x)))(model, X),
        lambda: jl.value_and_grad(lambda x, m: ops.sum(m["m"](x)), argnums=(0, 1))(X, {"m": model}),
    ):
        with pytest.raises(TypeError, match=r"holds the layer 'sequential.*wrt="):
            call()
    variable, integer = model.layers[0].kernel, jl.Variable(2)
    for numbers in (model, variable, [variable], {"kernel": variable}, integer, 0.0):
        with pytest.raises(TypeError, match=r"(?s)argnums must be .*wrt="):
            jl.value_and_grad(lambda: ops.sum(model(X)), numbers)
    for numbers, received in ((0, ()), (2, (1.0, 2.0)), ((0, -3), (1.0, 2.0))):
        with pytest.raises(ValueError, match=rf"argnums={re.escape(str(numbers))} is out of range.*wrt="):
            jl.grad(lambda *inputs: ops.sum(model(X)), argnums=numbers)(*received)
    gradient = jl.grad(lambda m, x: ops.sum(m(x)), argnums=-1)(model, X)
    np.testing.assert_allclose(gradient, np.broadcast_to(np.asarray(model.layers[0].kernel)[:, 0], X.shape), rtol=1e-6)
