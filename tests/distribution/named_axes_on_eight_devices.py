"""`make_train_step(axis_name=...)` on eight simulated devices, against one step with the whole batch.

`test_distribution.py` runs this file in the process of `on_eight_devices.py`.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, PartitionSpec as P

import jaxlayers as jl
from jaxlayers import layers, losses, metrics, optimizers

rng = np.random.default_rng(0)
X, Y = rng.normal(size=(16, 4)).astype("float32"), rng.normal(size=(16, 2)).astype("float32")
LABELS, BINARY = rng.integers(0, 3, 16), rng.integers(0, 2, (16, 1)).astype("float32")
WEIGHTS = (rng.uniform(0, 2, 16) * (np.arange(16) % 5 > 0)).astype("float32")
MESH = jax.make_mesh((8,), ("devices",), axis_types=(AxisType.Auto,))


def mapped(step, check_vma=True):
    return jax.jit(
        jax.shard_map(step, mesh=MESH, in_specs=(P(), P("devices")), out_specs=(P(), P()), check_vma=check_vma)
    )


def take_steps(model, step, batch, number=3):
    state, logs = model.train_state, None
    for _ in range(number):
        state, logs = step(state, batch)
    return state, logs


def agree(found, expected):
    def compare(path, a, b):
        a, b = (jax.random.key_data(v) if jnp.issubdtype(v.dtype, jax.dtypes.prng_key) else v for v in (a, b))
        a, b = np.asarray(a, "float64"), np.asarray(b, "float64")
        np.testing.assert_allclose(a, b, rtol=2e-3, atol=2e-5, err_msg=jax.tree_util.keystr(path))

    leaves, theirs = jax.tree_util.tree_leaves_with_path(found), jax.tree.leaves(expected)
    assert len(leaves) == len(theirs)
    for (path, a), b in zip(leaves, theirs, strict=True):
        compare(path, a, b)


class Penalties(layers.Layer):
    """A layer with a loss of its outputs, one of a weight by a loss object, a counter, and a metric."""

    def build(self, shape):
        self.scale = self.add_weight((shape[-1],), "ones")
        self.calls = self.add_weight((), "zeros", dtype="int32", trainable=False)
        self.size = metrics.Mean(name="size")

    def call(self, inputs):
        self.add_loss(0.1 * jnp.mean(jnp.square(inputs)))
        self.add_loss(losses.MeanSquaredError(reduction="sum")(jnp.zeros((4, 1)), self.scale[:, None]))
        self.calls.assign_add(1)
        self.size.update_state(jnp.abs(inputs))
        return inputs * self.scale


def added_losses():
    model = jl.Sequential([Penalties(), layers.Dense(2, kernel_regularizer="l2", activity_regularizer="l1")])
    model.compile(optimizers.Adam(0.05, clipnorm=1.0), "mse", metrics=["mae"])
    return model, (X, Y)


def accumulated():
    model = jl.Sequential([layers.Dense(3, activation="tanh"), layers.Dense(2)])
    model.compile(optimizers.SGD(0.1, momentum=0.9, gradient_accumulation_steps=2, use_ema=True), "huber")
    return model, (X, Y, WEIGHTS)


def several_outputs():
    inputs = jl.Input((4,))
    outputs = {
        "a": layers.Dense(2, name="a")(inputs),
        "b": layers.Dense(3, activation="softmax", name="b")(inputs),
        "c": layers.Dense(1, activation="sigmoid", name="c")(inputs),
    }
    model = jl.Model(inputs, outputs)
    several = [
        metrics.AUC(num_thresholds=20),
        "precision",
        metrics.RecallAtPrecision(0.5, num_thresholds=20),
        metrics.FBetaScore(threshold=0.5),
    ]
    model.compile(
        optimizers.Adam(0.05),
        {"a": "mse", "b": "sparse_categorical_crossentropy", "c": losses.BinaryCrossentropy(reduction="sum")},
        loss_weights={"a": 0.5, "b": 2.0, "c": 0.1},
        metrics={"a": [metrics.R2Score(), metrics.RootMeanSquaredError(), metrics.PearsonCorrelation()]},
        weighted_metrics={"b": ["accuracy", metrics.SparseTopKCategoricalAccuracy(2)], "c": several},
    )
    weights = {"a": WEIGHTS, "b": WEIGHTS[::-1].copy(), "c": WEIGHTS}
    return model, (X, {"a": Y, "b": LABELS, "c": BINARY}, weights)


def confusion():
    model = jl.Sequential([layers.Dense(3, activation="softmax")])
    iou = metrics.MeanIoU(3, sparse_y_pred=False)
    model.compile("sgd", losses.SparseCategoricalCrossentropy(reduction="mean_with_sample_weight"), metrics=[iou])
    return model, (X, LABELS, WEIGHTS)


def synchronized():
    model = jl.Sequential([layers.Dense(4), layers.BatchNormalization(synchronized=True), layers.Dense(2)])
    model.compile("rmsprop", "mse")
    return model, (X, Y)


def mixed_half():
    model = jl.Sequential([layers.Dense(4, dtype="mixed_float16"), layers.Dense(2, dtype="mixed_float16")])
    model.compile(optimizers.LossScaleOptimizer(optimizers.Adam(0.01), dynamic_growth_steps=2), "mse")
    return model, (X, Y)


CASES = [added_losses, accumulated, several_outputs, confusion, synchronized, mixed_half]


def prepared(make):
    jl.utils.set_random_seed(0)
    model, batch = make()
    model.prepare(batch)
    return model, batch


@pytest.mark.parametrize("make", CASES)
def test_the_step_equals_that_of_one_device(make):
    model, batch = prepared(make)
    expected = take_steps(model, jax.jit(model.make_train_step()), batch)
    for vma in (True,) if make is added_losses else (True, False):  # JAX must tell which values are equal everywhere
        model, batch = prepared(make)
        agree(take_steps(model, mapped(model.make_train_step(axis_name="devices"), vma), batch), expected)


def test_an_overflow_on_one_device_skips_the_update_on_all():
    model, (x, y) = prepared(mixed_half)
    before = jax.device_get(model.train_state)
    x = x.copy()
    x[5] = np.inf
    for vma in (True, False):
        state, _ = mapped(model.make_train_step(axis_name="devices"), vma)(model.train_state, (x, y))
        agree(state.params, before.params)
        counts = state.opt_state["optimizer"]
        assert float(counts["dynamic_scale"]) == 2.0**14


class States(layers.Layer):
    """A layer with variables of each aggregation, written with values that differ between the devices."""

    def __init__(self, dtype="float32"):
        super().__init__()
        rules = ("sum", "mean", "only_first_replica", "none")
        dtypes = dict.fromkeys(rules, "float32") | {"sum": "int32", "none": dtype}
        self.states = {
            rule: jl.Variable("zeros", shape=(), dtype=dtypes[rule], trainable=False, aggregation=rule)
            for rule in rules
        }

    def call(self, inputs):
        for variable in self.states.values():
            variable.assign((variable + jnp.max(inputs)).astype(variable.dtype))
        return inputs


def of_states(dtype):
    model = jl.Sequential([States(dtype), layers.Dropout(0.5, seed=1), layers.BatchNormalization(), layers.Dense(2)])
    model.compile("sgd", "mse")
    return model, (np.repeat(np.arange(16, dtype="float32")[:, None], 4, 1), Y)


def test_states_are_combined_by_their_aggregation():
    model, batch = prepared(lambda: of_states("float32"))
    state, _ = mapped(model.make_train_step(axis_name="devices"))(model.train_state, batch)
    model.train_state = state
    found = {rule: float(variable.value) for rule, variable in model.layers[0].states.items()}
    assert found == {"sum": 64, "mean": 8, "only_first_replica": 1, "none": 8}


def test_integers_that_differ_between_devices_are_an_error():
    model, batch = prepared(lambda: of_states("int32"))
    with pytest.raises(ValueError, match="differs between the devices along 'devices'.*aggregation"):
        mapped(model.make_train_step(axis_name="devices"))(model.train_state, batch)


class Masks(jl.Model):
    """A model whose step reports the mean over the devices of its outputs."""

    def __init__(self):
        super().__init__()
        self.drop, self.normalization = layers.Dropout(0.5), layers.BatchNormalization(momentum=0.0)

    def call(self, inputs, training=False):
        return self.normalization(inputs, training=training) + 0 * self.drop(inputs, training=training)

    def train_step(self, data):
        logs = super().train_step(data)
        return {**logs, "dropped": self.drop(jnp.ones((64,)), training=True)}


def test_keys_differ_and_statistics_are_means_over_the_devices():
    jl.utils.set_random_seed(0)
    model = Masks()
    model.compile("sgd", "mse")
    model.prepare((X, X))
    state, logs = mapped(model.make_train_step(axis_name="devices"))(model.train_state, (X, X))
    # Equal masks on all devices would give only 0 and 2.
    assert len(set(np.asarray(logs["dropped"]).tolist())) > 3
    model.train_state = state
    parts = X.reshape(8, 2, 4)
    np.testing.assert_allclose(model.normalization.moving_mean, X.mean(0), atol=1e-5)
    np.testing.assert_allclose(model.normalization.moving_variance, parts.var(1).mean(0), atol=1e-5)
    first = np.asarray(logs["dropped"])
    _, logs = mapped(model.make_train_step(axis_name="devices"))(state, (X, X))
    assert (np.asarray(logs["dropped"]) != first).any()
