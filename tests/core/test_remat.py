"""`jl.remat`: the same numbers and the same state, with the inside computed again for the gradient."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxlayers as jl
from jaxlayers import layers, ops

X = np.random.default_rng(0).normal(0.3, 1.0, size=(4, 3)).astype("float32")


def close(actual, expected):
    assert jax.tree.structure(actual) == jax.tree.structure(expected)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), actual, expected)


class Counted(jl.Layer):
    def __init__(self):
        super().__init__()
        self.w = self.add_weight((3,), initializer=lambda shape, dtype: jnp.array([0.5, -1.0, 2.0]))
        self.calls = self.add_weight((), initializer="zeros", dtype="int32", trainable=False)
        self.drop = layers.Dropout(0.5, seed=1)

    def call(self, x, training=None):
        self.calls.assign_add(1)
        self.add_loss(ops.sum(jnp.sin(x * self.w)))
        return self.drop(jnp.sin(jnp.cos(x) * self.w))


def test_values_gradients_and_state():
    plain, rematerialised = Counted(), Counted()

    def loss(call, layer):
        def compute(x):
            return ops.sum(call(x) ** 2) + sum(layer.losses)

        return compute

    expected = jl.value_and_grad(loss(lambda x: plain(x, training=True), plain), wrt=plain)(X)
    inside = jl.remat(lambda x: rematerialised(x, training=True))
    close(jl.value_and_grad(loss(inside, rematerialised), wrt=rematerialised)(X), expected)
    close(rematerialised.state, plain.state)
    assert int(rematerialised.calls) == 1 and len(rematerialised.losses) == 1
    close(rematerialised.losses, plain.losses)


def test_a_layer_with_its_keyword_arguments():
    plain, rematerialised = Counted(), Counted()
    close(jl.remat(rematerialised)(X, training=True), plain(X, training=True))
    close(jl.remat(rematerialised)(X, training=False), plain(X, training=False))
    close(jl.remat(rematerialised, static_argnums=(1,))(X, True), plain(X, True))
    scaled = jl.remat(lambda a, scale, flip=False: -a * scale if flip else a * scale)
    close(jl.grad(lambda a: ops.sum(scaled(a, scale=jnp.float32(3.0))))(X), np.full_like(X, 3.0))
    close(scaled(X, 2.0, flip=True), -2 * X)


@pytest.mark.parametrize("wrap", [lambda f: f, jl.jit], ids=["eager", "jit"])
def test_in_a_layers_call(wrap):
    class Block(jl.Layer):
        def __init__(self, remat):
            super().__init__()
            self.inner = Counted()
            self.remat = remat

        def call(self, x):
            def body(x):
                return self.inner(x) + self.inner(x)

            return jl.remat(body)(x) if self.remat else body(x)

    plain, block = Block(False), Block(True)
    for _ in range(2):
        expected = jl.value_and_grad(lambda x: ops.sum(plain(x, training=True)) + sum(plain.losses), wrt=plain)(X)
        step = wrap(
            lambda x: jl.value_and_grad(lambda x: ops.sum(block(x, training=True)) + sum(block.losses), wrt=block)(x)
        )
        close(step(X), expected)
    close(block.state, plain.state)
    close(block.losses, plain.losses)
    assert len(block.losses) == 2


def test_it_keeps_less_and_computes_again():
    dense = layers.Dense(3)
    dense(X)
    chain = lambda x: jnp.sin(jnp.sin(jnp.sin(dense(jnp.cos(jnp.sin(x))))))
    gradient = lambda f: str(jax.make_jaxpr(jl.grad(lambda x: ops.sum(f(x))))(X))
    plain, again = gradient(chain), gradient(jl.remat(chain))
    assert again.count("sin ") > plain.count("sin ")
    assert "remat" in again or "checkpoint" in again
    everything = gradient(jl.remat(chain, policy=jax.checkpoint_policies.everything_saveable))
    assert everything.count("sin ") < again.count("sin ")
    assert "prevent_cse=False" in gradient(jl.remat(chain, prevent_cse=False))


def test_name_and_docs_are_kept():
    def block(a):
        """What is computed twice."""
        return a

    assert (jl.remat(block).__name__, jl.remat(block).__doc__) == ("block", "What is computed twice.")


def test_builds_a_layer_on_the_way():
    dense = layers.Dense(2)
    outputs = jl.remat(dense)(X)
    close(outputs, X @ dense.kernel.numpy() + dense.bias.numpy())


def test_draws_are_fresh_and_the_same_in_both_passes():
    drop = layers.Dropout(0.5)
    noisy = jl.remat(lambda x: drop(x, training=True))
    ones = jnp.ones(64)
    step = jl.jit(lambda: jl.value_and_grad(lambda x: (lambda y: (ops.sum(y), y))(noisy(x)), has_aux=True)(ones))
    masks = []
    for _ in range(2):
        (_, outputs), gradient = step()
        close(outputs, gradient)  # the mask of the backward pass is that of the forward pass
        masks.append(np.asarray(outputs))
    assert not np.array_equal(*masks)


def test_a_failure_changes_nothing():
    layer = Counted()

    def fails(x):
        layer(x)
        raise RuntimeError("boom")

    with pytest.raises(RuntimeError, match="boom"):
        jl.remat(fails)(X)
    assert int(layer.calls) == 0 and layer.losses == []


def test_policies_go_by_name():
    w = jl.Variable(np.arange(6, dtype="float32").reshape(2, 3))
    expected = jl.grad(lambda x: jnp.sin(x @ w).sum())(jnp.ones((4, 2)))
    for policy in ("nothing_saveable", "dots_saveable", jax.checkpoint_policies.everything_saveable, None):
        found = jl.grad(jl.remat(lambda x: jnp.sin(x @ w).sum(), policy=policy))(jnp.ones((4, 2)))
        np.testing.assert_allclose(found, expected, rtol=1e-6)

    def products(policy):  # how often one is computed, forward and backward
        return str(
            jax.make_jaxpr(jl.grad(jl.remat(lambda x: jnp.sin(jnp.sin(x @ w)).sum(), policy=policy)))(ones)
        ).count("dot_general[")

    ones = jnp.ones((4, 2))
    assert products("dots_saveable") < products("nothing_saveable")
    with pytest.raises(ValueError, match="dots_saveable.*'dots'"):
        jl.remat(lambda x: x, policy="dots")


def test_a_constant_loss_inside():
    class Constant(jl.Layer):
        def call(self, inputs):
            def penalized(x):
                self.add_loss(2.0)
                return x * 3

            return jl.remat(penalized)(inputs)

    layer = Constant()
    params, state = layer.init(jax.random.key(0), jnp.ones(2))
    outputs, _, losses = layer.apply(params, state, jnp.ones(2))
    assert outputs.tolist() == [3.0, 3.0] and [float(loss) for loss in losses] == [2.0]
    gradient = jax.grad(lambda x: layer.apply(params, state, x).outputs.sum())(jnp.ones(2))
    assert gradient.tolist() == [3.0, 3.0]
