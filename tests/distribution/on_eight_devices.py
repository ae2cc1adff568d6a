"""Distributions on eight simulated devices, against one device; `test_distribution.py` runs it in another process."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, PartitionSpec as P

import jaxlayers as jl
from jaxlayers import distribution, layers, ops
from tests.distribution.launching import run_page

rng = np.random.default_rng(0)
IMAGES, LABELS = rng.normal(size=(43, 8, 8, 3)).astype("float32"), rng.integers(0, 4, 43)
TOKENS = rng.integers(1, 16, (43, 8)) * (np.arange(8) < rng.integers(3, 9, (43, 1)))
TARGETS, WEIGHTS = rng.normal(size=(43, 2)).astype("float32"), rng.uniform(0, 2, 43).astype("float32")


class Sparse(layers.Layer):
    """A layer with a loss of its own."""

    def call(self, inputs):
        self.add_loss(1e-2 * ops.mean(ops.abs(inputs)))
        return inputs


def images():
    model = jl.Sequential(
        [
            jl.Input((8, 8, 3)),
            layers.Conv2D(8, 3, name="convolution"),
            layers.BatchNormalization(),
            layers.Activation("relu"),
            Sparse(),
            layers.GlobalAveragePooling2D(),
            layers.Dense(4, name="down"),
        ]
    )
    loss = jl.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(jl.optimizers.Adam(1e-2), loss, weighted_metrics=["accuracy"])
    return model, (IMAGES, LABELS, WEIGHTS)


def recurrent():
    model = jl.Sequential(
        [
            layers.Embedding(16, 8, mask_zero=True),
            layers.LSTM(16, dropout=0.1, seed=2, name="up"),
            layers.Dropout(0.2, seed=1),
            layers.Dense(2, name="down"),
        ]
    )
    optimizer = jl.optimizers.SGD(0.05, momentum=0.9, gradient_accumulation_steps=2)
    model.compile(optimizer, "mse", metrics=["mae"], steps_per_execution=2)
    return model, (TOKENS, TARGETS)


def attention():
    inputs = jl.Input((8,), dtype="int32")
    hidden = layers.Embedding(16, 16)(inputs)
    hidden = layers.LayerNormalization()(hidden)
    hidden = hidden + layers.MultiHeadAttention(4, 8, name="attention")(hidden, hidden)
    hidden = hidden + layers.Dense(16, name="down")(layers.Dense(64, activation="gelu", name="up")(hidden))
    pooled = layers.GlobalAveragePooling1D()(hidden)
    model = jl.Model(inputs, {"a": layers.Dense(2, name="a")(pooled), "b": layers.Dense(4, name="b")(pooled)})
    losses = {"a": "mse", "b": jl.losses.SparseCategoricalCrossentropy(from_logits=True)}
    model.compile(jl.optimizers.AdamW(1e-2), losses, loss_weights={"a": 0.5, "b": 2.0})
    return model, (TOKENS, {"a": TARGETS, "b": LABELS})


def repeated():
    """Blocks in a loop, computed again for the gradient, in half precision with a scaled loss."""
    policy = "mixed_float16"
    block = layers.Dense(16, "tanh", dtype=policy)
    model = jl.Sequential(
        [
            jl.Input((8,)),
            layers.Rescaling(1 / 16),
            layers.Dense(16, dtype=policy),
            layers.Repeat(block, 4, remat=True, name="blocks", dtype=policy),
            layers.Dense(2, name="down"),
        ]
    )
    optimizer = jl.optimizers.LossScaleOptimizer(jl.optimizers.Adam(1e-2, gradient_accumulation_steps=2))
    model.compile(optimizer, "mse")
    return model, (TOKENS.astype("float32"), TARGETS)


MODELS = {"images": images, "recurrent": recurrent, "attention": attention, "repeated": repeated}


def tensor_parallel():
    mesh = distribution.DeviceMesh((2, 4), ("batch", "model"))
    layouts = distribution.LayoutMap(mesh)
    layouts[".*up/kernel"] = (None, "model")
    layouts[".*down/kernel"] = ("model", None)
    layouts["attention/(query|key|value)/kernel"] = (None, "model", None)
    return layouts


STRATEGIES = {
    "data": distribution.DataParallel,
    "fsdp": lambda: distribution.FSDP(min_size=16),
    "auto": lambda: distribution.ModelParallel(
        layout_map="auto", min_size=16, device_mesh=distribution.DeviceMesh((2, 4), ("batch", "model"))
    ),
}


def train(make):
    jl.utils.set_random_seed(0)
    model, data = make()
    history = model.fit(*data[:2], sample_weight=(*data, None)[2], batch_size=16, epochs=2, verbose=0).history
    evaluated = model.evaluate(*data[:2], batch_size=20, verbose=0, return_dict=True)
    return model, (history, evaluated, model.predict(data[0], batch_size=15, verbose=0), model.get_weights())


@pytest.fixture(scope="module")
def alone():
    return {name: train(make)[1] for name, make in MODELS.items()}


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("name", MODELS)
def test_a_strategy_equals_one_device(name, strategy, alone):
    with STRATEGIES[strategy]().scope():
        model, found = train(MODELS[name])
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-2, atol=2e-3), found, alone[name])
    shardings = [v.value.sharding for v in model.weights]
    assert all(len(s.device_set) == 8 for s in shardings)
    assert all(s.is_fully_replicated for s in shardings) == (strategy == "data")
    for slot, (_, parameter) in model.optimizer.slot_owners.items():
        if parameter is not None and parameter.shape == slot.shape:
            assert slot.value.sharding.is_equivalent_to(parameter.value.sharding, slot.ndim)


def test_layouts_by_names_and_the_second_epoch_compiles_nothing(alone, caplog):
    with distribution.ModelParallel(layout_map=tensor_parallel()).scope():
        model, found = train(attention)
        with jax.log_compiles():
            model.fit(*attention()[1], batch_size=16, verbose=0)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-2, atol=2e-3), found, alone["attention"])
    kernel = model.get_layer("up").kernel
    assert kernel.value.sharding.shard_shape(kernel.shape) == (16, 16)
    query = next(w for w in model.weights if "query" in w.path and w.ndim == 3)
    assert query.value.sharding.shard_shape(query.shape) == (16, 1, 8)
    assert not [record for record in caplog.records if "Compiling jit(train_step)" in record.getMessage()]


def test_weights_are_made_in_parts_and_equal_those_of_one_device():
    def make():
        jl.utils.set_random_seed(3)
        return layers.Dense(64, kernel_initializer="glorot_uniform", name="wide")

    whole = make()
    whole.build((None, 64))
    before = {id(array): array for array in jax.live_arrays()}  # held, so that no identity is used again
    with distribution.FSDP().scope():
        parts = make()
        parts.build((None, 64))
        made = parts.kernel.value
        assert made.sharding.shard_shape(made.shape) in [(64, 8), (8, 64)]
    new = [array for array in jax.live_arrays() if id(array) not in before and array.shape == (64, 64)]
    assert new and all(shard.data.size == 64 * 8 for array in new for shard in array.addressable_shards)
    np.testing.assert_array_equal(np.asarray(parts.kernel), np.asarray(whole.kernel))


def test_mistakes_in_layout_maps_are_told():
    model, (x, *_) = attention()
    layouts = tensor_parallel()
    layouts["no/such/.*"] = ("model",)
    with distribution.ModelParallel(layout_map=layouts).scope(), pytest.raises(ValueError, match="no/such"):
        model.predict_on_batch(x[:8])
        model.train_on_batch(x[:8], {"a": TARGETS[:8], "b": LABELS[:8]})
    layouts = tensor_parallel()
    layouts[".*up/k.*"] = (None, "model")
    with distribution.ModelParallel(layout_map=layouts).scope(), pytest.raises(ValueError, match="several patterns"):
        attention()
    layouts = tensor_parallel()
    layouts["a/kernel"] = (None, "model")
    with (
        distribution.ModelParallel(layout_map=layouts).scope(),
        pytest.raises(ValueError, match=r"a/kernel.*axis 1 of size 2 cannot be divided into 4"),
    ):
        attention()
    with pytest.raises(ValueError, match="is set already"):
        layouts["a/kernel"] = (None, "model")
    with pytest.raises(ValueError, match="no axis 'data'"):
        layouts["b/kernel"] = (None, "data")


def test_what_stays_whole_is_told():
    with distribution.FSDP().scope(), pytest.warns(UserWarning, match="leaves these large weights whole"):
        layers.Dense(1025)(np.ones((1, 1025), "float32"))
    model, (x, y, _) = images()
    with distribution.DataParallel().scope(), pytest.warns(UserWarning, match="not a multiple of the 8 devices"):
        model.fit(x, y, batch_size=12, verbose=0)


def test_models_move_with_the_distribution_and_through_files(tmp_path):
    model, (x, y, _) = images()
    expected = model.predict(x, verbose=0)
    for strategy in (distribution.FSDP(min_size=16), distribution.DataParallel()):
        with strategy.scope():
            for size in (8, 10, 12, 37):  # of batches: those that 8, 2, 4 and 1 devices divide
                predicted = model.predict(x, batch_size=size, verbose=0)
                np.testing.assert_allclose(predicted, expected, rtol=1e-4, atol=1e-5)
            assert len(model.weights[0].value.sharding.device_set) == 8
            model.save(tmp_path / "model.keras")
            loaded = jl.models.load_model(tmp_path / "model.keras", custom_objects={"Sparse": Sparse})
            np.testing.assert_allclose(loaded.predict(x, verbose=0), expected, rtol=1e-4, atol=1e-5)
            step = jl.jit(lambda batch: ops.sum(model(batch)))
            inside = step(x[:8])
    np.testing.assert_allclose(step(x[:8]), inside, rtol=1e-4)
    np.testing.assert_allclose(model.predict(x, verbose=0), expected, rtol=1e-4, atol=1e-5)
    assert len(model.weights[0].value.sharding.device_set) == 1
    model.fit(x, y, batch_size=16, verbose=0)


def test_low_rank_weights_that_are_added_later_are_placed():
    with distribution.DataParallel().scope():
        model, data = attention()
        model.fit(*data, batch_size=16, verbose=0)
        model.get_layer("up").enable_lora(2)
        model.compile("sgd", {"a": "mse"})
        model.fit(data[0], {"a": TARGETS, "b": LABELS}, batch_size=16, verbose=0)
        assert all(len(v.value.sharding.device_set) == 8 for v in model.weights)


def test_outputs_of_layers_have_their_layout():
    layouts = tensor_parallel()
    layouts["up/output"] = ("batch", None, "model")
    with distribution.ModelParallel(layout_map=layouts).scope():
        model, (x, _) = attention()
        hidden = model.get_layer("up")(np.ones((4, 8, 16), "float32"))
        assert hidden.sharding.shard_shape(hidden.shape) == (2, 8, 16)
        assert model.predict(x, batch_size=15, verbose=0)["a"].shape == (43, 2)


def test_gradients_of_data_parallelism_are_reduced_at_once():
    with distribution.DataParallel().scope():
        model, (x, y, w) = images()
        model.fit(x[:16], y[:16], sample_weight=w[:16], batch_size=16, verbose=0)
        place = distribution.distribution().place_batch
        step = jax.jit(model.make_train_step())
        text = step.lower(model.train_state, place((x[:16], y[:16], w[:16]))).compile().as_text()
    reductions = [line for line in text.splitlines() if " all-reduce(" in line or " all-reduce-start(" in line]
    largest = max(v.shape for v in model.trainable_weights if v.ndim == 4)
    shape = f"f32[{','.join(map(str, largest))}]"
    assert sum(shape in line.split(" all-reduce")[0] for line in reductions) == 1
    assert "all-gather(" not in text


def test_the_script_of_the_page_gives_the_numbers_of_one_device():
    names = run_page()
    with distribution.FSDP(devices=distribution.list_devices()[:1]).scope():
        np.testing.assert_allclose(names["losses"], names["train"](), rtol=1e-3)


def test_simulated_devices_run_one_program_at_a_time():
    """Programs that wait for each other in a collective would end the process after a minute."""
    weight = jl.Variable(np.eye(8, dtype="float32"))

    @jl.jit
    def run(x):
        for _ in range(20):
            x = ops.tanh(x @ x.T @ x @ weight)
        return ops.sum(x)

    x = np.ones((1000, 8), "float32")
    run(x)
    with distribution.DataParallel().scope():
        for _ in range(3):
            assert run(distribution.distribution().place_batch(x)).is_ready()


@pytest.mark.parametrize("wrap", [lambda f: f, jl.jit], ids=["eager", "compiled"])
def test_a_tape_around_and_inside_of_shard_map(wrap):
    mesh = jax.make_mesh((8,), ("data",), axis_types=(AxisType.Auto,))
    w, x = jl.Variable(rng.normal(size=3).astype("float32")), jnp.asarray(rng.normal(size=(16, 3)), "float32")

    def shard(function, *specs):
        return jax.shard_map(function, mesh=mesh, in_specs=specs, out_specs=P())

    def mean(w, x):
        return jax.lax.pmean(jnp.mean(jnp.sin(x @ w)), "data")

    @wrap
    def around(x):
        with jl.GradientTape(persistent=True) as tape:
            tape.watch(x)
            direct = shard(mean, P(), P("data"))(w.value, x) * 2
            compiled = jax.jit(shard(mean, P(), P("data")))(w.value, x) * 2
        return tape.gradient(direct, [w, x]), tape.gradient(compiled, [w, x])

    @wrap
    def inside(x):
        def local(w, x):
            with jl.GradientTape() as tape:
                tape.watch(w)
                z = 2 * jnp.mean(jnp.sin(x @ w))
            return tape.gradient(z, w) / 8  # the sum over the devices, since all have the same weights

        return shard(local, P(), P("data"))(w.value, x)

    @wrap
    def closes_over_an_array(x):
        with jl.GradientTape():
            array = w.value
            shard(lambda x: mean(array, x), P("data"))(x)

    want = jax.grad(lambda w, x: 2 * jnp.mean(jnp.sin(x @ w)), argnums=(0, 1))(w.value, x)
    for got in (*around(x), (inside(x),)):
        for gradient, expected in zip(got, want, strict=False):
            np.testing.assert_allclose(gradient, expected, rtol=1e-5, atol=1e-6)
    with pytest.raises(TypeError, match="under jax.shard_map closes over"):
        closes_over_an_array(x)
