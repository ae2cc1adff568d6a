"""`apply(..., method=)` and `init(..., method=)`: another method of a layer in the place of its `call`."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxlayers as jl
from jaxlayers import Layer, layers

KEY = jax.random.key(0)
X, Z = np.random.default_rng(0).normal(size=(2, 4, 3)).astype("float32"), np.ones((2, 4, 2), "float32")


class Coder(Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.encoder, self.decoder = layers.Dense(2), layers.Dense(3)
        self.norm, self.dropout = layers.BatchNormalization(), layers.Dropout(0.5)
        self.count = jl.Variable(0.0, trainable=False)

    def encode(self, x, training=None):
        self.count.assign_add(1.0)
        self.add_loss(jnp.mean(x))
        return self.norm(self.encoder(x))

    def decode(self, z):
        return self.decoder(self.dropout(z))

    def call(self, x):
        return self.decode(self.encode(x))

    def error(self, x, y, *, weight=1.0):
        return weight * jnp.mean((self(x) - y) ** 2)


def pure(layer):
    return layer.init(KEY, X)


def test_all_ways_to_name_a_method():
    coder = Coder()
    params, state = pure(coder)
    params = jax.tree.map(lambda a: a + 0.5, params)
    expected = np.mean((coder.apply(params, state, X).outputs - 2 * X) ** 2)
    for method in ("error", coder.error, Coder.error, lambda layer, x, y: layer.error(x, y), Coder().error,
                   functools.partial(Coder.error, weight=1.0)):  # fmt: skip
        np.testing.assert_allclose(coder.apply(params, state, X, 2 * X, method=method).outputs, expected, rtol=1e-6)
    tripled = coder.apply(params, state, X, y=2 * X, weight=3.0, method="error").outputs
    np.testing.assert_allclose(tripled, 3 * expected, rtol=1e-6)
    by_layer = X @ params["encoder"]["kernel"] + params["encoder"]["bias"]
    for method in ("encoder", coder.encoder, coder.encoder.call):
        np.testing.assert_allclose(coder.apply(params, state, X, method=method).outputs, by_layer, rtol=1e-5)


def test_a_method_runs_as_a_call_does():
    """State, losses, `training`, keys and dtypes are those that the same computation has inside of a call."""
    coder = Coder()
    params, state = pure(coder)
    before = jax.tree.map(np.asarray, (coder.params, coder.state))
    outputs, new, losses = coder.apply(params, state, X, training=True, method="encode")
    np.testing.assert_allclose(np.mean(outputs, (0, 1)), 0, atol=1e-5)  # normalized with the statistics of the batch
    assert float(new["count"]) == 1 and np.abs(new["norm"]["moving_mean"]).sum() > 0
    np.testing.assert_allclose(losses, [np.mean(X)], rtol=1e-6)
    assert coder.apply(params, state, Z, method="decode").losses == []
    draws = [
        coder.apply(params, state, Z, rng=jax.random.key(n), training=True, method="decode").outputs for n in (1, 2, 1)
    ]
    assert not np.array_equal(draws[0], draws[1]) and np.array_equal(draws[0], draws[2])
    jax.tree.map(np.testing.assert_array_equal, before, (coder.params, coder.state))
    half = Coder(dtype="mixed_bfloat16")
    assert half.apply(*pure(half), X, method=lambda layer, x: x).outputs.dtype == "bfloat16"
    compiled = jax.jit(functools.partial(coder.apply, method="decode"))
    np.testing.assert_allclose(
        compiled(params, state, Z).outputs, coder.apply(params, state, Z, method="decode").outputs
    )


def test_a_method_of_a_layer_that_is_not_built():
    full = Coder().init(KEY, X)
    part, rest = Coder().init(KEY, Z, method="decode")
    np.testing.assert_array_equal(part["decoder"]["kernel"], full[0]["decoder"]["kernel"])
    assert part.keys() == {"decoder"} and rest.keys() == {"count", "dropout"}
    for trees in (full, (part, rest)):
        coder = Coder()
        outputs, state, _ = coder.apply(*trees, Z, method="decode")
        np.testing.assert_allclose(outputs, Z @ part["decoder"]["kernel"], rtol=1e-6)
        assert jax.tree.structure(state) == jax.tree.structure(trees[1])
        assert not coder.built and coder.params == {}
    with pytest.raises(ValueError, match="decoder/kernel is missing"):
        Coder().apply({}, full[1], Z, method="decode")
    coder = Coder()
    coder(X)
    with pytest.raises(ValueError, match="belongs to no variable"):
        coder.apply({**coder.params, "more": {"kernel": X}}, coder.state, Z, method="decode")

    class Scale(Layer):
        def build(self, input_shape):
            self.scale = self.add_weight(shape=(input_shape[-1],), initializer="ones")

        def call(self, inputs):
            return inputs * self.scale

        def invert(self, outputs):
            return outputs / self.scale

        def get(self):
            return self.scale.value

    scale = Scale()
    params, state = scale.init(KEY, X, method=Scale.invert)
    np.testing.assert_array_equal(scale.apply({"scale": 2 * params["scale"]}, state, X, method="invert").outputs, X / 2)
    np.testing.assert_array_equal(scale.apply(params, state, method="get").outputs, np.ones(3))


def test_values_are_those_of_flax():
    class Module(nn.Module):
        def setup(self):
            self.encoder, self.decoder = nn.Dense(2), nn.Dense(3)

        def __call__(self, x):
            return self.decoder(self.encoder(x))

        def encode(self, x):
            return self.encoder(x)

    module = Module()
    variables = module.init(KEY, X)
    coder = Coder()
    _, state = pure(coder)
    params = {**coder.init(KEY, X)[0], **variables["params"]}
    theirs = module.apply(variables, X, method="encode")
    ours = coder.apply(params, state, X, method=lambda layer, x: layer.encoder(x)).outputs
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)


def test_a_call_with_an_argument_of_this_name_keeps_it():
    class Resize(Layer):
        def call(self, x, method="nearest"):
            return x if method == "nearest" else -x

    layer = Resize()
    np.testing.assert_array_equal(layer.apply({}, {}, X, method="linear").outputs, -X)
    assert layer.init(KEY, X, method="linear") == ({}, {})


@pytest.mark.parametrize(("method", "word"), [("encod", "'encod'"), ("name", "'name'"), (3, "int")])
def test_methods_that_do_not_exist(method, word):
    coder = Coder(name="coder")
    for use in (lambda: coder.init(KEY, X, method=method), lambda: coder.apply(*pure(coder), X, method=method)):
        with pytest.raises(TypeError, match=f"'coder' expects as method= .* received {word}"):
            use()
