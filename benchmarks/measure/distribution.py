"""The time of `fit` on several devices, against a jitted step with shardings by hand, and against Keras.

The devices are simulated on one CPU, so the times say what a distribution costs in Python, not how well it scales. Each
contestant trains the same network: two pairs of matrices, the first of a pair divided by columns and the second by rows
where the model is divided. Each waits for a step before it begins the next: simulated devices share a few threads, and
two programs that wait for these threads would never end.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from benchmarks import contestants
from benchmarks.clock import spread, time_turns
from benchmarks.contestants import BY_HAND, FACADE, KERAS
from benchmarks.problem import ADAM_EPSILON, LEARNING_RATE
from benchmarks.table import Row, clock_time, time_row

DEVICES, STEPS, BATCH = 2, 200, 64
SIZES = {"up": (64, 256), "down": (256, 64), "up_2": (64, 256), "down_2": (256, 8)}
OVERHEAD = 50.0  # microseconds a step
RATIO = 1.02  # of the time by hand, where that allows more
AXES = {"up": (None, "model"), "down": ("model", None)}

Data = tuple[np.ndarray, np.ndarray]


def run() -> list[Row]:
    """Epochs under data parallelism, and with weights that are divided over half of the mesh."""
    jax.config.update("jax_num_cpu_devices", DEVICES)
    random = np.random.default_rng(0)
    inputs = random.normal(size=(STEPS * BATCH, 64)).astype("float32")
    data = inputs, np.tanh(inputs[:, :8])
    rows: list[Row] = []
    for name, shape in (("DataParallel", (DEVICES, 1)), ("ModelParallel", (DEVICES // 2, 2))):
        makers = {BY_HAND: _by_hand, FACADE: _ours, KERAS: _keras}
        epochs = contestants.prepare(makers, lambda make, name=name, shape=shape: make(name, shape, data))
        rows += _rows(f"step of fit, {name} on {DEVICES} devices", time_turns(epochs, turns=9, rounds=3))
    return rows


def _rows(what: str, samples: dict[str, list[float]]) -> list[Row]:
    own, other = (clock_time(spread(samples[name]).median / STEPS) for name in (FACADE, BY_HAND))
    over = spread(1e6 / STEPS * np.subtract(samples[FACADE], samples[BY_HAND]))
    limit = max(OVERHEAD, (RATIO - 1) * spread(samples[BY_HAND]).median / STEPS * 1e6)
    rows = [Row("a", f"{what}, over by hand", FACADE, own, BY_HAND, other, over, "us", limit, raw=samples)]
    if KERAS in samples:
        rows.append(time_row("a", what, samples, FACADE, KERAS, limit=1.0, per=STEPS))
    return rows


def _by_hand(strategy: str, shape: tuple[int, int], data: Data) -> Callable[[], float]:
    """Return an epoch of a jitted step whose arguments have their shardings."""
    mesh = jax.make_mesh(shape, ("batch", "model"), axis_types=(jax.sharding.AxisType.Auto,) * 2)
    place = partial(_place, mesh, strategy == "ModelParallel")
    keys = dict(zip(SIZES, jax.random.split(jax.random.key(0), len(SIZES)), strict=True))
    initializer = jax.nn.initializers.glorot_uniform()
    weights = {
        name: {
            "kernel": place(name, initializer(keys[name], size)),
            "bias": place(name, jnp.zeros(size[1])),
        }
        for name, size in SIZES.items()
    }
    optimizer = optax.adam(LEARNING_RATE, eps=ADAM_EPSILON)
    carry = weights, optimizer.init(weights)
    batches = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("batch"))

    def loss(weights: Any, x: jax.Array, y: jax.Array) -> jax.Array:
        for name in SIZES:
            x = x @ weights[name]["kernel"] + weights[name]["bias"]
            x = jax.nn.relu(x) if name.startswith("up") else x
        return jnp.mean((x - y) ** 2)

    @partial(jax.jit, donate_argnums=0)
    def step(carry: Any, x: jax.Array, y: jax.Array) -> tuple[Any, jax.Array]:
        weights, slots = carry
        value, gradients = jax.value_and_grad(loss)(weights, x, y)
        updates, slots = optimizer.update(gradients, slots, weights)
        return (optax.apply_updates(weights, updates), slots), value

    random = np.random.default_rng(0)

    def epoch() -> float:
        nonlocal carry
        order, losses = random.permutation(len(data[0])), []
        for start in range(0, len(order), BATCH):
            rows = order[start : start + BATCH]
            carry, value = step(carry, *jax.device_put(tuple(array[rows] for array in data), batches))
            losses.append(value)
            value.block_until_ready()
        return float(np.mean(jax.device_get(losses)))

    return epoch


def _place(mesh: jax.sharding.Mesh, is_divided: bool, name: str, array: jax.Array) -> jax.Array:
    axes = AXES[name.removesuffix("_2")] if is_divided else (None, None)
    axes = axes if array.ndim == 2 else axes[1:]
    return jax.device_put(array, jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec(*axes)))


def _ours(strategy: str, shape: tuple[int, int], data: Data) -> Callable[[], float]:
    import jaxlayers as jl

    return _by_fit(jl, jl.distribution, strategy, shape, data, [])


def _keras(strategy: str, shape: tuple[int, int], data: Data) -> Callable[[], float]:
    import keras

    waiting = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: jax.block_until_ready(logs))
    return _by_fit(keras, keras.distribution, strategy, shape, data, [waiting])


def _by_fit(
    library: Any, distribution: Any, strategy: str, shape: tuple[int, int], data: Data, callbacks: list[Any]
) -> Callable[[], float]:
    """Return an epoch of `fit`. The code is the same for both libraries."""
    devices = distribution.list_devices()
    if strategy == "DataParallel":
        rule = distribution.DataParallel(devices=devices)
    else:
        mesh = distribution.DeviceMesh(shape, ("batch", "model"), devices)
        layouts = distribution.LayoutMap(mesh)
        for name in SIZES:
            axes = AXES[name.removesuffix("_2")]
            layouts[f"{name}/kernel"], layouts[f"{name}/bias"] = axes, axes[1:]
        rule = distribution.ModelParallel(layout_map=layouts, batch_dim_name="batch")
    with rule.scope():
        dense = library.layers.Dense
        model = library.Sequential(
            [
                library.Input((64,)),
                *(dense(size[1], "relu" if name.startswith("up") else None, name=name) for name, size in SIZES.items()),
            ]
        )
        model.compile(library.optimizers.Adam(LEARNING_RATE, epsilon=ADAM_EPSILON), "mse")

    def epoch() -> float:
        with rule.scope():
            return model.fit(*data, batch_size=BATCH, verbose=0, callbacks=callbacks).history["loss"][-1]

    return epoch
