"""Arrays whose types say how they lie on devices: loops inside `jax.shard_map`, and explicit axes of a mesh."""

import os
import subprocess
import sys

from tests.process_settings import WARNINGS_OF_PYTHON

PROGRAM = """
import jax
import numpy as np
from jax.sharding import AxisType, PartitionSpec as P

import jaxlayers as jl
from jaxlayers import layers, ops

rng = np.random.default_rng(0)
x = rng.normal(size=(8, 5, 3)).astype("float32")
y = rng.normal(size=(8, 1)).astype("float32")
mesh = jax.make_mesh((4,), ("batch",), axis_types=(AxisType.Auto,))


class Minimal(layers.Layer):
    state_size = 4

    def build(self, shape):
        self.dense = layers.Dense(4, activation="tanh")

    def call(self, inputs, states):
        state = self.dense(ops.concatenate([inputs, states[0]], -1))
        return state, [state]


class Loops(layers.Layer):
    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(4, activity_regularizer="l2")
        self.seen = jl.metrics.Mean(name="seen")

    def call(self, x):
        def body(carry, _):
            carry = self.dense(carry)
            self.seen.update_state(ops.mean(carry))
            return carry, None

        x, _ = jl.scan(body, x, None, length=3)
        x = jl.cond(True, self.dense, lambda a: a * 1.0, x)
        x = jl.fori_loop(0, 2, lambda i, a: self.dense(a), x)
        return ops.mean(x, 1)


def network():
    return [  # every kind of loop, one after another
        layers.LSTM(4, return_sequences=True),
        layers.GRU(4, reset_after=False, return_sequences=True),
        layers.SimpleRNN(4, unroll=True, return_sequences=True),
        layers.Bidirectional(layers.GRU(3, return_sequences=True)),
        layers.RNN([layers.LSTMCell(3), layers.GRUCell(3)], return_sequences=True),
        layers.RNN(Minimal(), return_sequences=True),
        layers.TimeDistributed(jl.Sequential([layers.Dense(4), layers.BatchNormalization(synchronized=True)])),
        Loops(),
        layers.Dense(1),
    ]


def trained(whole):
    jl.utils.set_random_seed(0)
    model = jl.Sequential(network())
    model.compile(jl.optimizers.SGD(0.1), "mse")
    model.prepare((x, y))
    step = model.make_train_step() if whole else jax.shard_map(
        model.make_train_step(axis_name="batch"), mesh=mesh, in_specs=(P(), P("batch")), out_specs=(P(), P())
    )
    state, step = model.train_state, jax.jit(step)
    for _ in range(2):
        state, logs = step(state, (x, y))
    return state.params, logs["loss"]


one, many = trained(True), trained(False)
jax.tree.map_with_path(
    lambda path, a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5, err_msg=jax.tree_util.keystr(path)),
    one,
    many,
)
print("all equal")



class Delayed(layers.Layer):
    def build(self, shape):
        self.last, self.total = (self.add_weight(shape=(), initializer="zeros", trainable=False) for _ in range(2))

    def call(self, xs):
        def body(carry, x):
            self.total.assign_add(self.last)  # varies over devices from the second turn on
            self.last.assign(x)
            return carry, self.total.value

        return jl.scan(body, None, xs)[1]


delayed, numbers = Delayed(), np.arange(16.0, dtype="float32")
_, zeros = delayed.init(jax.random.key(0), numbers)
totals = jax.jit(jax.shard_map(
    lambda xs: delayed.apply({}, zeros, xs).outputs, mesh=mesh, in_specs=P("batch"), out_specs=P("batch")
))(numbers)
rows = numbers.reshape(4, 4)
np.testing.assert_array_equal(totals, (np.cumsum(rows, 1) - rows).ravel())
print("later turns too")

# Explicit axes: types say how arrays lie, and what is cut across them is an error.
images = rng.normal(size=(8, 6, 6, 2)).astype("float32")
net = jl.Sequential(
    [layers.BatchNormalization(), layers.MaxPooling2D(), layers.Dropout(0.5), layers.Flatten(), layers.Dense(3)]
)
params, state = net.init(jax.random.key(0), images)


def loss(params, images):
    outputs, new, _ = net.apply(params, state, images, training=True, rng=jax.random.key(1))
    return ops.mean(outputs**2), new


results = [jax.jit(jax.value_and_grad(loss, has_aux=True))(params, images)]
with jax.set_mesh(jax.make_mesh((4,), ("batch",), axis_types=(AxisType.Explicit,))):
    spread = jax.device_put(images, P("batch"))
    results.append(jax.jit(jax.value_and_grad(loss, has_aux=True))(params, spread))
jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), *results)
print("explicit axes too")

# Where JAX cannot go on, the error names the way out.
model = jl.Sequential([jl.Input((3,)), layers.Dense(2)])
model.compile("sgd", "mse")
rows = jax.device_put((x[:, 0], x[:, 0, :2]), jax.NamedSharding(jax.make_mesh((4,), ("batch",)), P("batch")))
model.prepare((x[:, 0], x[:, 0, :2]))
lookup = layers.Embedding(9, 3)
for run in (
    lambda: model.train_on_batch(*rows),
    lambda: jax.jit(model.make_train_step())(model.train_state, rows),
    lambda: lookup(jax.numpy.int32(rows[0])),
):
    try:
        run()
    except Exception as error:
        assert sum("AxisType.Auto" in note for note in error.__notes__) == 1, error
    else:
        raise AssertionError("no error")
print("errors too")
"""


def test_training_steps_on_devices():
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=4"
    env = {**os.environ, "XLA_FLAGS": flags, "PYTHONWARNINGS": WARNINGS_OF_PYTHON}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=env, capture_output=True, text=True, timeout=300)
    assert all(w in done.stdout for w in ("all equal", "later turns too", "explicit axes too", "errors too")), (
        done.stderr
    )
