"""`make_train_step` and `train_state`: the step of `fit` as a pure function of explicit state."""

import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxlayers as jl
from jaxlayers import layers, optimizers
from tests.process_settings import WARNINGS_OF_PYTHON

RNG = np.random.default_rng(6)
X = RNG.normal(size=(16, 4)).astype("float32")
Y = (X @ RNG.normal(size=(4, 2))).astype("float32")


def make(**compiled):
    jl.utils.set_random_seed(2)
    inside = [layers.Dense(6, activation="tanh"), layers.BatchNormalization(), layers.Dropout(0.3), layers.Dense(2)]
    model = jl.Sequential([jl.Input((4,)), *inside])
    model.compile(jl.optimizers.Adam(0.01, use_ema=True), "mse", **compiled)
    return model


def identical(a, b):
    jax.tree.map(np.testing.assert_array_equal, a, b)


def test_the_pure_step_is_the_facade_s_bit_for_bit():
    model, other = make(), make()
    step, state = jax.jit(model.make_train_step()), model.train_state
    before = jax.tree.map(np.asarray, state)
    for _ in range(4):
        state, logs = step(state, (X, Y))
        expected = other._compiled_step("train_step")((X, Y))
        np.testing.assert_array_equal(logs["loss"], expected["loss"])
    identical(jax.tree.map(np.asarray, model.train_state), before)  # nothing on the model has changed
    identical((state.params, state.state), (other.params, other.state))
    assert int(state.step) == 4 and step._cache_size() == 1
    assert set(state.opt_state["optimizer"]["slots"]["velocity"]["dense"]) == {"kernel", "bias"}
    model.train_state = state
    identical(jax.tree.map(np.asarray, model.train_state), jax.tree.map(np.asarray, other.train_state))
    identical(model.train_on_batch(X, Y), other.train_on_batch(X, Y))


def test_global_draws_come_from_the_state():
    class Noisy(jl.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(2)

        def call(self, inputs, training=False):
            return self.dense(inputs) + (jl.random.normal((2,)) if training else 0)

    model = Noisy()
    model.compile("sgd", "mse")
    model.prepare((X, Y))
    step, state = jax.jit(model.make_train_step()), model.train_state
    first, logs = step(state, (X, Y))
    _, same = step(state, (X, Y))
    _, other = step(state.replace(rng=first.rng), (X, Y))
    assert logs["loss"] == same["loss"] != other["loss"]
    assert not np.array_equal(first.rng, state.rng)


def test_what_is_not_known_yet_is_told_and_can_be_prepared():
    model = make(metrics=["accuracy"])
    with pytest.raises(ValueError, match="prepare"):
        _ = model.train_state
    model.prepare((X, Y))
    weights = model.get_weights()
    state = model.train_state
    assert int(state.step) == 0
    identical(weights, model.get_weights())
    state, logs = jax.jit(model.make_train_step())(state, (X, Y))
    assert set(logs) == {"loss", "accuracy"}
    with pytest.raises(ValueError, match="compile"):
        _ = jl.Sequential([jl.Input((4,)), layers.Dense(2)]).train_state


def test_states_that_do_not_fit_change_nothing():
    model = make()
    good = model.train_state
    before = model.get_weights()
    wrong = good.replace(params={**good.params, "dense": {"kernel": jnp.zeros((3, 3)), "bias": jnp.zeros(6)}})
    with pytest.raises(ValueError, match=r"params/dense/kernel.*\(4, 6\).*\(3, 3\)"):
        model.train_state = wrong
    with pytest.raises(ValueError, match="params/more belongs to no variable"):
        model.train_state = good.replace(params={**good.params, "more": jnp.zeros(2)})
    with pytest.raises(ValueError, match="opt_state/.* is missing"):
        model.train_state = good.replace(opt_state={})
    with pytest.raises(ValueError, match="structure"):
        model.make_train_step()(good.replace(metrics={}), (X, Y))
    identical(before, model.get_weights())


def test_two_optimizers_and_metrics_of_layers_are_in_the_state():
    class Two(jl.Model):
        def __init__(self):
            super().__init__()
            self.a, self.b = layers.Dense(2), layers.Dense(2)
            self.distance = jl.metrics.Mean(name="distance")

        def call(self, inputs):
            return self.a(inputs) + self.b(inputs)

        def compile(self):
            super().compile("sgd")
            self.other = jl.optimizers.Adam(0.1)

        def train_step(self, data):
            x, y = data
            variables = [*self.a.trainable_weights, *self.b.trainable_weights]
            loss, grads = jl.value_and_grad(lambda: jnp.mean((self(x) - y) ** 2), wrt=variables)()
            self.optimizer.apply_gradients(zip(grads[:2], variables[:2], strict=True))
            self.other.apply_gradients(zip(grads[2:], variables[2:], strict=True))
            self.distance.update_state(loss)
            return {"distance": self.distance.result()}

    model = Two()
    model.compile()
    model.prepare((X, Y))
    state = model.train_state
    assert set(state.opt_state) == {"optimizer", "other"} and "distance" in state.state
    new, logs = jax.jit(model.make_train_step())(state, (X, Y))
    assert not np.array_equal(new.params["b"]["kernel"], state.params["b"]["kernel"])
    model.train_state = new
    np.testing.assert_allclose(model.distance.result(), logs["distance"])


DEVICES = """
import jax, jax.numpy as jnp, numpy as np
from jax.sharding import AxisType, PartitionSpec as P
import jaxlayers as jl
from jaxlayers import layers, optimizers

rng = np.random.default_rng(0)
x = rng.normal(size=(16, 4)).astype("float32")
y = (x @ rng.normal(size=(4, 2))).astype("float32")

def make():
    jl.utils.set_random_seed(1)
    counter = layers.BatchNormalization(momentum=0.5, synchronized=True)
    model = jl.Sequential([jl.Input((4,)), layers.Dense(3, activation="tanh"), counter, layers.Dense(2)])
    model.compile(jl.optimizers.SGD(0.1, momentum=0.9), "mse", metrics=["mae", "r2_score"])
    model.prepare((x, y))
    return model

reference = make()
step, state = jax.jit(reference.make_train_step()), reference.train_state
for _ in range(4):
    state, logs = step(state, (x, y))

def check(got, found):
    for name in logs:
        np.testing.assert_allclose(found[name], logs[name], rtol=1e-4)
    tree = lambda s: (s.params, s.state, s.opt_state, s.metrics)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5), tree(got), tree(state))

model = make()
one = jax.pmap(model.make_train_step(axis_name="devices"), axis_name="devices")
many = jax.tree.map(lambda a: jnp.broadcast_to(a, (4, *a.shape)), model.train_state)
for _ in range(4):
    many, found = one(many, (x.reshape(4, 4, 4), y.reshape(4, 4, 2)))
check(jax.tree.map(lambda a: a[2], many), jax.tree.map(lambda a: a[2], found))

model = make()
mesh = jax.make_mesh((4,), ("devices",), axis_types=(AxisType.Auto,))
one = jax.jit(jax.shard_map(model.make_train_step(axis_name="devices"), mesh=mesh, in_specs=(P(), P("devices")),
                            out_specs=(P(), P())))
many = model.train_state
for _ in range(4):
    many, found = one(many, (x, y))
check(many, found)

# Weighted means, sums and masked means of the whole batch, with parts of unequal weight.
weights = rng.uniform(0, 2, 16).astype("float32")
tokens = np.arange(16 * 4).reshape(16, 4) % 7 * (np.arange(4) <= np.arange(16)[:, None] // 4)

def weighted(reduction):
    jl.utils.set_random_seed(1)
    first = layers.Embedding(7, 3, mask_zero=True) if reduction == "mean" else layers.Dense(3)
    model = jl.Sequential([first, layers.Dense(2)])
    model.compile(jl.optimizers.SGD(0.01, global_clipnorm=1.0), jl.losses.MeanSquaredError(reduction=reduction))
    masked = (tokens, np.repeat(y[:, None], 4, 1))
    batch = masked if reduction == "mean" else (x, y, weights)
    model.prepare(batch)
    return model, batch

for reduction in ("sum", "mean_with_sample_weight", "mean"):
    reference, batch = weighted(reduction)
    state, logs = jax.jit(reference.make_train_step())(reference.train_state, batch)
    for check_vma in (True, False):
        model, _ = weighted(reduction)
        one = jax.shard_map(model.make_train_step(axis_name="devices"), mesh=mesh, in_specs=(P(), P("devices")),
                            out_specs=(P(), P()), check_vma=check_vma)
        check(*jax.jit(one)(model.train_state, batch))
print("agreed")
"""


def test_over_devices_it_is_the_same_step():
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=4"
    env = {**os.environ, "XLA_FLAGS": flags, "PYTHONWARNINGS": WARNINGS_OF_PYTHON}
    done = subprocess.run([sys.executable, "-c", DEVICES], env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0 and "agreed" in done.stdout, done.stderr[-3000:]


@pytest.mark.parametrize(
    "optimizer",
    [
        lambda: jl.optimizers.SGD(0.1, momentum=0.9),
        lambda: jl.optimizers.LossScaleOptimizer(jl.optimizers.SGD(0.1, momentum=0.9)),
    ],
)
def test_slots_are_in_the_place_of_their_parameters(optimizer):
    class Net(jl.Model):  # whose paths, joined, would be the same
        def __init__(self):
            super().__init__()
            self.x = jl.Sequential([layers.Dense(2, name="y_z")])
            self.x_y = jl.Sequential([layers.Dense(3, name="z")])

        def call(self, inputs):
            return jnp.concatenate([self.x(inputs), self.x_y(inputs)], axis=-1)

    model = Net()
    model.compile(optimizer(), "mse")
    model.prepare((X, np.zeros((len(X), 5), "float32")))
    state = model.train_state
    slots = next(value for key, value in state.opt_state["optimizer"].items() if key.endswith("slots"))
    assert jax.tree.map(np.shape, slots["momentum"]) == jax.tree.map(np.shape, state.params)


OPTIMIZERS = {
    "accumulation": lambda: optimizers.Adam(0.1, gradient_accumulation_steps=2),
    "average": lambda: optimizers.SGD(0.1, use_ema=True, ema_overwrite_frequency=2, gradient_accumulation_steps=2),
    "loss scale": lambda: optimizers.LossScaleOptimizer(
        optimizers.SGD(0.1, momentum=0.5, gradient_accumulation_steps=2)
    ),
    "several": lambda: optimizers.MultiOptimizer(
        optimizers.OptimizerMap(optimizers.Lamb(0.1), {".*bias": optimizers.SGD(optax.constant_schedule(0.1))})
    ),
    "optax": lambda: optax.multi_transform(
        {"a": optax.adam(0.1), "b": optax.sgd(0.1)}, lambda params: {"dense": {"kernel": "a", "bias": "b"}}
    ),
    "schedule": lambda: optimizers.Nadam(
        optimizers.schedules.ExponentialDecay(0.1, 2, 0.5), weight_decay=0.1, global_clipnorm=0.5
    ),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_pure_step_equals_fit_for_each_kind_of_optimizer(name):
    def make_model():
        jl.utils.set_random_seed(2)
        model = jl.Sequential([jl.Input((4,)), layers.Dense(2, name="dense")])
        model.compile(OPTIMIZERS[name](), "mse")
        return model

    model, other = make_model(), make_model()
    step, state = jax.jit(model.make_train_step()), model.train_state
    for _ in range(5):
        state, _ = step(state, (X, Y))
    other.fit(X, Y, batch_size=16, epochs=5, shuffle=False, verbose=0)
    tree = other.train_state
    assert int(state.step) == int(tree.step) == 5
    # `fit` sets the parameters to their averages when it ends.
    parts = [(state.opt_state, tree.opt_state), *([] if name == "average" else [(state.params, tree.params)])]
    for left, right in parts:
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), left, right)
    model.train_state = state
    identical(model.train_state, state.replace(metrics=model.train_state.metrics))
    identical(step(state, (X, Y))[0].params, step(model.train_state, (X, Y))[0].params)


def test_a_layer_that_is_frozen_later_keeps_its_weights():
    model = jl.Sequential([jl.Input((4,)), layers.Dense(3, name="first"), layers.Dense(2)])
    model.compile(optimizers.SGD(0.1, use_ema=True, ema_momentum=0.5, ema_overwrite_frequency=1), "mse")
    model.fit(X, Y, epochs=2, verbose=0)
    model.layers[0].trainable = False
    frozen, last = (np.asarray(layer.kernel) for layer in model.layers)
    model.fit(X, Y, verbose=0)
    np.testing.assert_array_equal(model.layers[0].kernel, frozen)
    assert not np.allclose(model.layers[1].kernel, last)
