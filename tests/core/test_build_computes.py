"""What a layer's `build` computes, draws and writes, however the layer comes to be built."""

import jax
import numpy as np
import pytest

import jaxlayers as jl
from jaxlayers import layers, ops

X = np.arange(1.0, 9.0, dtype="float32").reshape(2, 4)


class Table(layers.Layer):
    """Computes an array that it keeps."""

    def build(self, shape):
        self.table = ops.sqrt(ops.arange(1, shape[-1] + 1, dtype="float32"))

    def call(self, x):
        return x * self.table


class OnTheHost(layers.Layer):
    """Looks at what it has computed."""

    def build(self, shape):
        signs = np.asarray(ops.where(ops.arange(shape[-1]) > 1, 1.0, -1.0))
        self.signs = jl.Variable(signs, trainable=False) if signs[0] < 0 else None

    def call(self, x):
        return x * self.signs


class Written(layers.Layer):
    """Writes a weight of its own, and those of a layer inside."""

    def build(self, shape):
        self.scale = self.add_weight(shape=(shape[-1],), initializer="ones")
        self.scale.assign(ops.arange(shape[-1], dtype="float32"))
        self.dense = layers.Dense(2)
        self.dense.build(shape)
        self.dense.kernel.assign(np.full((shape[-1], 2), 3.0))
        self.dense.set_weights([self.dense.kernel.numpy() * 2, np.ones(2)])

    def call(self, x):
        return self.dense(x * self.scale)


class Drawn(layers.Layer):
    def build(self, shape):
        self.noise = jl.random.normal((shape[-1],))

    def call(self, x):
        return x + self.noise


class Around(layers.Layer):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def call(self, x):
        return self.inner(x)


def graph(layer):
    inputs = jl.Input((4,))
    return jl.Model(inputs, layer(inputs))


WAYS = {
    "called": lambda layer: layer(X),
    "built": lambda layer: (layer.build((None, 4)), layer(X))[1],
    "inside": lambda layer: Around(Around(layer))(X),
    "compiled": lambda layer: jl.jit(lambda x: layer(x))(X),
    "sequential": lambda layer: jl.Sequential([layer])(X),
    "declared": lambda layer: jl.Sequential([jl.Input((4,)), layer])(X),
    "graph": lambda layer: graph(layer)(X),
    "graph inside": lambda layer: graph(Around(layer)).predict(X, verbose=0),
    "apply": lambda layer: layer.apply(*layer.init(jax.random.key(0), X), X).outputs,
    "apply inside": lambda layer: Around(layer).apply(*Around(layer).init(jax.random.key(0), X), X).outputs,
    "gradient": lambda layer: jl.value_and_grad(lambda: ops.sum(layer(X)), wrt=layer)() and layer(X),
}
EXPECTED = {
    Table: X * np.sqrt(np.arange(1.0, 5.0)),
    OnTheHost: X * np.array([-1.0, -1.0, 1.0, 1.0]),
    Written: np.repeat((X * np.arange(4.0)).sum(-1, keepdims=True) * 6 + 1, 2, -1),
}


@pytest.mark.parametrize("cls", EXPECTED)
@pytest.mark.parametrize("way", WAYS)
def test_values_are_the_same_in_every_way(way, cls):
    with jax.checking_leaks():
        outputs = WAYS[way](cls())
    np.testing.assert_allclose(outputs, EXPECTED[cls], rtol=1e-5)


@pytest.mark.parametrize("way", [way for way in WAYS if "apply" not in way])
def test_draws_follow_the_seed(way):
    results = []
    for seed in (1, 1, 2):
        jl.utils.set_random_seed(seed)
        results.append(np.asarray(WAYS[way](Drawn())))
    np.testing.assert_array_equal(results[0], results[1])
    assert not np.allclose(results[0], results[2])


def test_init_leaves_the_object_and_shapes_are_enough():
    layer = Written()
    params, state = layer.init(jax.random.key(0), X)
    assert not layer.built and layer.weights == [] and state == {}
    again, _ = layer.init(jax.random.key(7), X)  # what was written does not depend on the key
    jax.tree.map(np.testing.assert_array_equal, params, again)
    shapes, _ = jax.eval_shape(lambda: Written().init(jax.random.key(0), X))
    assert jax.tree.map(lambda a: a.shape, shapes) == jax.tree.map(lambda a: a.shape, params)
    layer(X)
    layer.scale.assign(np.zeros(4))  # later writes are no beginning
    np.testing.assert_array_equal(layer.init(jax.random.key(0), X)[0]["scale"], np.arange(4.0))


def test_what_was_there_before_is_put_back():
    class Writes(layers.Layer):
        def __init__(self, fail):
            super().__init__()
            self.fail, self.kept = fail, jl.Variable([0.0, 0.0])

        def build(self, shape):
            self.kept.assign([5.0, 6.0])
            if self.fail:
                raise ValueError("no more")

        def call(self, x):
            return x

    failing = Writes(True)
    for use in (
        lambda: failing(X),
        lambda: failing.build((2, 4)),
        lambda: failing.init(jax.random.key(0), X),
        lambda: graph(failing),
        lambda: Around(failing)(X),
    ):
        with pytest.raises(ValueError, match="no more"):
            use()
        np.testing.assert_array_equal(failing.kept, [0.0, 0.0])

    layer = Writes(False)
    np.testing.assert_array_equal(layer.init(jax.random.key(0), X)[0]["kept"], [5.0, 6.0])
    np.testing.assert_array_equal(layer.kept, [0.0, 0.0])
    layer(X)
    np.testing.assert_array_equal(layer.kept, [5.0, 6.0])


def test_apply_inside_of_a_build_leaves_the_inner_layer_alone():
    class Hyper(layers.Layer):
        def __init__(self):
            super().__init__()
            self.generator = layers.Dense(18)
            self.target = jl.Sequential([layers.Dense(3, name="t")])

        def call(self, x):
            w = self.generator(x).mean(0)
            return self.target.apply({"t": {"kernel": w[:12].reshape(4, 3), "bias": w[12:15]}}, {}, x).outputs

    layer = Hyper()
    params, _ = layer.init(jax.random.key(0), X)
    assert list(params) == ["generator"] and not layer.target.built
    assert list(layer.init(jax.random.key(0), X)[0]) == ["generator"]
    layer(X)
    layer.params = params
    w = (X @ params["generator"]["kernel"] + params["generator"]["bias"]).mean(0)
    np.testing.assert_allclose(layer(X), X @ w[:12].reshape(4, 3) + w[12:15], rtol=1e-5)
