"""Training steps and other functions of trees as files: the same numbers, and structures without their classes."""

import subprocess
import sys
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxlayers as jl
from jaxlayers import layers
from jaxlayers.export import ExportArchive, load, save
from jaxlayers.training.state import TrainState
from tests.layers.table import floats


def identical(found, wanted):
    assert jax.tree.structure(found) == jax.tree.structure(wanted)
    jax.tree.map(np.testing.assert_array_equal, found, wanted)


@pytest.fixture(scope="module")
def trained():
    model = jl.Sequential(
        [
            jl.Input((6, 6, 2)),
            layers.Conv2D(3, 3, padding="same", activation="relu"),
            layers.BatchNormalization(),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dropout(0.3),
            layers.Dense(4),
        ]
    )
    loss = jl.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(jl.optimizers.Adam(1e-2), loss, metrics=["accuracy"])
    batch = floats(8, 6, 6, 2), np.arange(8) % 4
    model.prepare(batch)
    return model, batch


def test_a_training_step_runs_elsewhere_to_the_same_numbers(trained, tmp_path):
    model, (x, y) = trained
    state, path = model.train_state, tmp_path / "step.stablehlo"
    save(path, model.make_train_step(), state, (x, y), platforms=("cpu",), collections={"train_state": state})
    code = (
        "import sys, numpy as np, jaxlayers as jl\n"
        "step = jl.export.load(sys.argv[1])\n"
        "state, data = step.collections['train_state'], np.load(sys.argv[1] + '.npz')\n"
        "for size in (8, 5):\n"
        "    state, logs = step(state, (data['x'][:size], data['y'][:size]))\n"
        "np.savez(sys.argv[1] + '.after.npz', loss=logs['loss'], step=state.step, **state.params['dense'])\n"
    )
    np.savez(f"{path}.npz", x=x, y=y)
    subprocess.run([sys.executable, "-c", code, str(path)], check=True)
    step = jax.jit(model.make_train_step())
    for size in (8, 5):
        state, logs = step(state, (x[:size], y[:size]))
    with np.load(f"{path}.after.npz") as after:
        found = dict(after)
    identical(found, {"loss": logs["loss"], "step": state.step, **state.params["dense"]})


def test_a_train_state_comes_back_as_one(trained, tmp_path):
    model, batch = trained
    state = model.train_state
    save(tmp_path / "step", model.make_train_step(), state, batch, platforms=("cpu",))
    step = load(tmp_path / "step")
    new, _ = step(state, batch)
    assert type(new) is TrainState
    model.train_state = new
    fields = {name: getattr(state, name) for name in TrainState.__dataclass_fields__}
    identical(step(fields, batch), step(state, batch))  # dicts, for those who have no TrainState
    assert step.input_signature["batch"][0].shape == (None, 6, 6, 2)
    with pytest.raises(ValueError, match=r"'batch/1' must have shape \(batch,\).*batch is 8.*received shape \(7,\)"):
        step(state, (batch[0], batch[1][:7]))
    with pytest.raises(ValueError, match="'train_state/params' must be a dict.*missing"):
        step({**fields, "params": {}}, batch)
    with pytest.raises(ValueError, match="takes train_state, batch; received 1"):
        step(state)


def test_an_endpoint_for_training_beside_one_for_serving(trained, tmp_path):
    model, batch = trained
    state, archive = model.train_state, ExportArchive(("cpu",))
    archive.track_and_add_endpoint("serve", model)
    archive.add_endpoint("train", model.make_train_step(), [state, batch])
    archive.add_variable_collection("train_state", state)
    archive.write_out(tmp_path / "both", verbose=False)
    loaded = load(tmp_path / "both")
    identical(loaded.train(loaded.collections["train_state"], batch), jax.jit(model.make_train_step())(state, batch))
    np.testing.assert_allclose(loaded(batch[0]), model(batch[0]), rtol=1e-5, atol=1e-6)


class Pair(NamedTuple):
    first: jax.Array
    second: dict


def test_optimizers_of_optax_and_keys(tmp_path):
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(1e-2))

    def step(params, state, key, x):
        noise = jax.random.normal(key, (3,))
        gradients = jax.grad(lambda params: jnp.sum((x @ params["w"] + noise) ** 2))(params)
        updates, state = optimizer.update(gradients, state, params)
        return Pair(optax.apply_updates(params, updates)["w"], {"state": state, "key": jax.random.split(key)[0]})

    params, key, x = {"w": floats(4, 3)}, jax.random.key(1), floats(2, 4)
    state, path = optimizer.init(params), tmp_path / "step"
    with_any_batch = {"batched": [3], "platforms": ("cpu",), "collections": {"key": key, "state": state}}
    save(path, step, params, state, key, x, **with_any_batch)
    loaded = load(path)
    found, wanted = loaded(params, state, key, x), jax.jit(step)(params, state, key, x)
    assert type(found) is not Pair and type(found)._fields == Pair._fields  # the file knows nothing of its class
    identical(found.second["state"], wanted.second["state"])  # classes that come in go out
    np.testing.assert_array_equal(found.first, wanted.first)
    assert found.second["key"] == wanted.second["key"] and loaded.collections["key"] == key
    again = loaded({"w": found.first}, loaded.collections["state"], jax.random.key_data(key), floats(5, 4))
    assert again.second["state"][1][0].mu["w"].shape == (4, 3)
    assert jax.tree.structure(loaded(params, again.second["state"], key, x)) == jax.tree.structure(again)
    with pytest.raises(ValueError, match="'x' must have .*; received a key"):
        loaded(params, state, key, key)


def test_functions_of_variables_and_numbers(tmp_path):
    count = jl.Variable(0, dtype="int32", trainable=False, name="count")

    def scale(x, factor=2.0):
        count.assign_add(1)
        return {"y": x * factor, "calls": count.value}

    save(tmp_path / "scale", scale, jl.InputSpec(shape=(None,)), 2.0, platforms=("cpu",))
    loaded = load(tmp_path / "scale")
    assert [int(loaded([1, 2], 3)["calls"]) for _ in range(3)] == [1, 2, 3] and int(count.value) == 0
    assert loaded(np.arange(3), factor=0.5)["y"].tolist() == [0, 0.5, 1]
    with pytest.raises(ValueError, match="fit into JAX's dtypes"):
        loaded(np.array([2**40]), 1)

    def makes_its_own(x):
        return layers.Dense(2)(x)

    with pytest.raises(ValueError, match="'makes_its_own' uses other variables each time"):
        save(tmp_path / "scale", makes_its_own, floats(2, 3))
    assert int(load(tmp_path / "scale")([1], 1)["calls"]) == 1  # the file is as it was
    assert [path.name for path in tmp_path.iterdir()] == ["scale"]
