"""Models and functions as files: the same outputs, checked inputs, unknown sizes, platforms, derivatives."""

import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxlayers as jl
from jaxlayers import layers
from jaxlayers.common import trees
from jaxlayers.export import ExportArchive, load, save
from jaxlayers.numerics.platforms import cudnn
from tests.layers.cases import CASES
from tests.layers.table import floats
from tests.layers.test_every_layer import prepared

CPU = ("cpu",)


def same(found, wanted, tolerance=1e-5):
    assert jax.tree.structure(found) == jax.tree.structure(wanted)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance), found, wanted)


class Reversed(layers.Layer):
    def call(self, inputs):
        return inputs[..., ::-1] * 2.0


class Shifted(layers.Layer):
    def call(self, first, second=None):
        return first if second is None else first + 2 * second


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.stablehlo"


def test_a_model_with_several_inputs_and_outputs(path):
    inputs = {"a": jl.Input((4,), name="a"), "b": jl.Input((None, 4), name="b")}
    hidden = layers.Dense(3, activation="gelu")(Reversed()(inputs["a"])) + layers.GRU(3)(inputs["b"])
    model = jl.Model(inputs, {"score": layers.Dense(1)(layers.BatchNormalization()(hidden)), "hidden": [hidden]})
    model.params = jax.tree.map(lambda x: floats(*x.shape), model.params)
    model.export(path)
    loaded = load(path)
    assert loaded.platforms == ("cpu", "cuda", "rocm", "tpu")
    statistics = {"batch_normalization/moving_mean", "batch_normalization/moving_variance"}
    assert set(loaded.weights) == {"/".join(path) for path in trees.flatten(model.params)} | statistics
    for batch, length in ((1, 5), (4, 2)):
        data = {"a": floats(batch, 4), "b": floats(batch, length, 4)}
        same(loaded(data), model(data))
        same(loaded(inputs=data), model(data))
    data = {"a": np.arange(4).reshape(1, 4), "b": np.ones((1, 2, 4)).tolist()}  # integers, 64-bit floats, lists
    same(loaded(data), model({"a": data["a"], "b": np.ones((1, 2, 4))}))
    assert loaded.input_signature["inputs"]["b"].shape == (None, None, 4)
    assert loaded.output_signature["score"].shape == (None, 1)
    assert path.stat().st_size < sum(w.nbytes for w in loaded.weights.values()) + 100_000
    assert "stablehlo.dot_general" in loaded.serve.stablehlo()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda d: {**d, "a": np.zeros((2, 5), "float32")},
            r"'a' must have shape \(batch, 4\).*received shape \(2, 5\)",
        ),
        (lambda d: {**d, "a": np.zeros(4)}, r"'a' must have shape \(batch, 4\).*received shape \(4,\)"),
        (
            lambda d: {**d, "b": np.zeros((3, 4))},
            r"'b'.*where batch is 2 in the inputs before; received shape \(3, 4\)",
        ),
        (lambda d: {**d, "b": 1j * d["b"]}, "'b' must have .*float32; received .*complex"),
        (lambda d: {**d, "b": np.array([["x"] * 4] * 2)}, "'b' must hold numbers"),
        (lambda d: {**d, "b": [[1.0], [1.0, 2.0]]}, "'b'"),
        (lambda d: {**d, "b": None}, "'b' is None"),
        (lambda d: {"a": d["a"]}, r"'a', 'b'; missing: \['b'\]"),
        (lambda d: {**d, "c": d["a"]}, r"not expected: \['c'\]"),
        (lambda d: d["a"], r"must be a dict with the keys 'a', 'b'; received float..\[2, 4\]"),
        (lambda d: [d["a"], d["b"]], "must be a dict"),
    ],
)
def test_inputs_are_checked(change, message, checked):
    loaded, path = checked
    with pytest.raises(ValueError, match=f"'serve'.*{path}.*{message}"):
        loaded(change({"a": floats(2, 4).astype("float64"), "b": floats(2, 4).astype("float64")}))
    with pytest.raises(ValueError, match="takes inputs; received 2 by position"):
        loaded(1, 2)
    with pytest.raises(ValueError, match="takes inputs; received 0 by position and x by name"):
        loaded(x=1)


@pytest.fixture(scope="module")
def checked(tmp_path_factory):
    inputs = {"a": jl.Input((4,), name="a"), "b": jl.Input((4,), name="b")}
    path = tmp_path_factory.mktemp("export") / "checked"
    jl.Model(inputs, layers.Add()([inputs["a"], inputs["b"]])).export(path, platforms=CPU)
    return load(path), path


def test_optional_inputs_and_inputs_by_name(path):
    first, second = jl.Input((3,), name="p"), jl.Input((3,), name="q", optional=True)
    model = jl.Model([first, second], layers.Dense(2)(Shifted()(first, second)))
    model.export(path, platforms=CPU, vjp_order=1)
    loaded, x = load(path), floats(4, 3)
    same(loaded([x, x]), model([x, x]))
    same(loaded([x, None]), model([x, None]))
    same(loaded({"p": x}), model([x, None]))
    same(loaded({"p": x, "q": x}), model([x, x]))
    with pytest.raises(ValueError, match="'r'"):
        loaded({"p": x, "r": x})

    def loss(call):
        return lambda x: jnp.sum(call([x, x]) ** 3)

    same(jax.grad(loss(loaded))(x), jax.grad(loss(model))(x))
    same(jax.vmap(jax.grad(loss(loaded)))(x[:, None]), jax.grad(loss(model))(x)[:, None])
    same(jax.jit(jax.vmap(lambda x: loaded([x, None])))(x[None]), model([x, None])[None])
    of_weights = jax.grad(lambda weights: jnp.sum(loaded.serve.apply(weights, [x, None])[0] ** 2))(loaded.weights)
    wanted = jax.grad(lambda params: jnp.sum(model.apply(params, {}, [x, None]).outputs ** 2))(model.params)
    same(of_weights["dense/kernel"], wanted["dense"]["kernel"])


def test_derivatives_are_there_when_they_were_exported(path):
    dense = layers.Dense(2, activation="tanh")
    dense(floats(2, 3))
    for order in (0, 2):
        archive = ExportArchive(CPU)
        archive.track_and_add_endpoint("serve", dense, vjp_order=order)
        archive.write_out(path, verbose=False)
        loaded = load(path)

        def twice(call):
            slope = jax.grad(lambda x: jnp.sum(call(x) ** 3))
            return jax.grad(lambda x: jnp.sum(slope(x) ** 2))

        if order:
            same(twice(loaded)(floats(4, 3)), twice(dense)(floats(4, 3)), 1e-4)
        else:
            with pytest.raises(ValueError, match="without derivatives.*vjp_order=1"):
                twice(loaded)(floats(4, 3))


def test_state_that_a_call_changes_is_that_of_the_model(path):
    class Noise(layers.Layer):
        def __init__(self):
            super().__init__()
            self.generator = jl.random.SeedGenerator(3)

        def call(self, inputs):
            return inputs + jl.random.normal(jnp.shape(inputs), seed=self.generator)

    model = jl.Sequential([jl.Input((5, 3), batch_size=2), Noise(), layers.SimpleRNN(4, stateful=True)])
    model.export(path, platforms=CPU)
    loaded, x, other = load(path), floats(2, 5, 3), load(path)
    for _ in range(3):
        same(loaded(x), model(x))
    with pytest.raises(ValueError, match="noise/generator/state.*apply"):
        jax.jit(other)(x)
    _, weights = jax.jit(other.serve.apply)(other.weights, x)
    _, weights = jax.jit(other.serve.apply)(weights, x)
    assert weights["noise/generator/state"].tolist() == [3, 2]
    with pytest.raises(ValueError, match=r"\(2, 5, 3\).*received shape \(3, 5, 3\)"):  # no other batch fits the states
        loaded(floats(3, 5, 3))


def test_a_subclass_has_the_shapes_that_it_was_built_for(path):
    class Bag(jl.Model):
        def __init__(self):
            super().__init__(dtype="mixed_bfloat16")
            self.embedding, self.head = layers.Embedding(9, 4, mask_zero=True), layers.LSTM(2)

        def call(self, ids):
            return {"y": self.head(self.embedding(ids)), "classes": jax.nn.one_hot(ids, 3)}

    model, ids = Bag(), np.array([[1, 2, 0], [3, 0, 0]])
    with pytest.raises(ValueError, match="is not built"):
        model.export(path)
    model(ids)
    model.export(path, platforms=CPU)
    same(load(path)(np.concatenate([ids, ids])), model(np.concatenate([ids, ids])))
    model.export(path, input_signature=[jax.ShapeDtypeStruct((2, 3), "int32")], platforms=CPU)
    with pytest.raises(ValueError, match=r"'ids' must have shape \(2, 3\) and dtype int32"):
        load(path)(np.concatenate([ids, ids]))

    class Sum(jl.Model):
        def call(self, first, second):
            return first + second

    both = Sum()
    both(ids, ids)
    both.export(path, platforms=CPU)
    assert load(path)(ids, second=ids + 1).tolist() == (2 * ids + 1).tolist()
    both.export(path, input_signature=[ids, jl.InputSpec("int32", (None, 3), name="s")], platforms=CPU)
    assert load(path)(ids, second=ids + 1).tolist() == (2 * ids + 1).tolist()
    sequence = jl.Sequential([layers.Embedding(2000, 2, dtype="bfloat16")])
    sequence(ids)
    sequence.export(path, platforms=CPU)
    assert load(path)([[1999, 1, 0]]).tolist() == sequence(np.array([[1999, 1, 0]])).tolist()


def test_unknown_sizes(path):
    inputs = [jl.Input((None, 4), name="a"), jl.Input((None, 4), name="b")]
    model = jl.Model(inputs, layers.Add()(inputs))
    model.export(path, platforms=CPU)  # the lengths have to be equal
    loaded = load(path)
    same(loaded([floats(2, 5, 4), floats(2, 5, 4)]), 2 * floats(2, 5, 4))
    with pytest.raises(ValueError, match=r"'b'.*is 5 in the inputs before; received shape \(2, 6, 4\)"):
        loaded([floats(2, 5, 4), floats(2, 6, 4)])
    (batch, time) = jax.export.symbolic_shape("n, 2*t")
    save(path, lambda x: x.reshape(x.shape[0], -1, 2), jax.ShapeDtypeStruct((batch, time), "float32"), platforms=CPU)
    assert load(path)(floats(3, 8)).shape == (3, 4, 2)

    rotate = layers.RandomRotation(0.1, seed=1)
    save(path, lambda x: rotate(x, training=True), jl.InputSpec(shape=(None, 4, 4, 1)), platforms=CPU)
    same(load(path)(floats(3, 4, 4, 1)), rotate(floats(3, 4, 4, 1), training=True))
    inputs = jl.InputSpec(shape=(None, 2)), jl.InputSpec(shape=(None, 1))
    save(path, jl.losses.MeanSquaredError(), *inputs, platforms=CPU)
    same(load(path)(floats(3, 2), floats(3, 1)), jl.losses.MeanSquaredError()(floats(3, 2), floats(3, 1)))

    class Sums(layers.Layer):
        def call(self, inputs):
            return inputs.sum(1) if inputs.shape[0] == 1 else inputs[:, 0]

    model = jl.Sequential([jl.Input((2,)), Sums()])
    with pytest.warns(UserWarning, match=r"compares an unknown size.*test_export\.py:\d+.*input_signature"):
        model.export(path, platforms=CPU)

    class Halved(layers.Layer):
        def call(self, inputs):
            return inputs[:, : inputs.shape[1] // 2] if inputs.shape[1] > 3 else inputs

    model = jl.Sequential([jl.Input((None,), name="x"), Halved()])
    with pytest.raises(ValueError, match=r"unknown size of axis 1 of 'inputs': .*input_signature"):
        model.export(path)
    model.export(path, input_signature=jl.InputSpec(shape=(None, 6)), platforms=CPU)
    assert load(path)(np.ones((2, 6))).shape == (2, 3)


@pytest.mark.parametrize(
    "layer",
    [
        lambda: layers.Conv2D(2, 3, strides=2, padding="same"),
        lambda: layers.Conv2D(4, 3, strides=2, padding="same", groups=2),
        lambda: layers.DepthwiseConv2D(3, strides=2, padding="same"),
        lambda: layers.AveragePooling2D(3, strides=2, padding="same"),
        lambda: layers.MaxPooling2D(2, padding="same"),
        lambda: layers.Cropping2D(((1, 2), (0, 1))),
    ],
)
def test_images_of_any_size(layer, path):
    model = jl.Sequential([jl.Input((None, None, 2)), layer()])
    model.export(path, platforms=CPU)
    loaded = load(path)
    for shape in ((1, 6, 7, 2), (2, 9, 5, 2)):
        same(loaded(floats(*shape)), model(floats(*shape)))


def test_layers_of_all_kinds_in_one_archive(path):
    families = {case.cls: case for case in reversed(CASES) if not case.call and not case.more}
    chosen = [case for number, case in enumerate(families.values()) if number % 12 == 0]
    archive, parts = ExportArchive(("cpu", "cuda", "tpu")), {}
    for number, case in enumerate(chosen):
        layer, _, _, args = prepared(case, name=f"layer_{number}")
        archive.track_and_add_endpoint(f"e{number}", layer, list(args))
        parts[f"e{number}"] = layer, args
    archive.write_out(path, verbose=False)
    loaded = load(path)
    assert len(parts) >= 8 and set(loaded.endpoints) == set(parts)
    for name, (layer, args) in parts.items():
        same(getattr(loaded, name)(*args), jl.jit(lambda *a, layer=layer: layer(*a, training=False))(*args), 2e-5)
    with pytest.raises(ValueError, match="no endpoint 'serve'"):
        loaded(1)


def test_masks(path):
    model = jl.Sequential([jl.Input((6,), dtype="int32"), layers.Embedding(9, 4, mask_zero=True), layers.LSTM(3)])
    tokens = np.random.default_rng(0).integers(0, 3, (5, 6))
    model.export(path, platforms=CPU)
    same(load(path)(tokens), model(tokens))
    first, second = model.layers
    save(path, lambda x, mask: second(x, mask=mask), jnp.ones((5, 6, 4)), jnp.ones((5, 6), bool), platforms=CPU)
    same(load(path)(jnp.copy(first(tokens)), tokens != 0), model(tokens))
    with pytest.raises(ValueError, match="an input has a mask, which it ignores"):
        load(path)(first(tokens), tokens != 0)


def test_endpoints_share_weights(path):
    class Coder(jl.Model):
        def __init__(self):
            super().__init__()
            self.inside, self.outside = layers.Dense(2), layers.Dense(3)

        def encode(self, x):
            return self.inside(x)

        def call(self, x):
            return self.outside(self.encode(x))

    model, x = Coder(), floats(4, 3)
    model(x)
    head, other = layers.Dense(1), jl.Variable(floats(2), name="other")
    archive = ExportArchive(CPU)
    archive.track(model)
    archive.add_endpoint("serve", model)
    archive.add_endpoint("encode", model.encode, [jl.InputSpec(shape=(None, 3))])
    archive.add_endpoint("score", lambda x, scale: head(model(x)) * scale + other[0], [x, np.float32(1)])
    archive.add_variable_collection("head", head.variables)
    archive.write_out(path, verbose=False)
    loaded = load(path)
    assert len(loaded.weights) == 4 + 2 + 1 and {"inside/kernel", "outside/bias"} < set(loaded.weights)
    same(loaded(x), model(x))
    same(loaded.encode(x), model.apply(model.params, {}, x, method="encode").outputs)
    same(loaded.score(x, scale=2.0), head(model(x)) * 2 + other[0])
    same(loaded.collections["head"], [np.asarray(v) for v in head.variables])
    with pytest.raises(ValueError, match="already"):
        archive.add_endpoint("serve", model)
    for name in ("weights", "two words", "class", 3):
        with pytest.raises(ValueError, match="identifier"):
            archive.add_endpoint(name, model)
    with pytest.raises(ValueError, match="no endpoint"):
        ExportArchive().write_out(path)
    with pytest.raises(ValueError, match="input_signature"):
        archive.add_endpoint("other", lambda x: x)


def test_formats_and_platforms(path):
    model = jl.Sequential([jl.Input((2,)), layers.Dense(1)])
    with pytest.raises(ValueError, match="'stablehlo'.*'tf_saved_model'.*jax2tf"):
        model.export(path, format="tf_saved_model")
    with pytest.raises(ValueError, match='"gpu" is "cuda" or "rocm"'):
        model.export(path, platforms=("cpu", "gpu"))
    model.export(path, platforms="tpu")
    with pytest.raises(ValueError, match=r"model\.stablehlo.* was exported for tpu, and this process computes on cpu"):
        load(path)
    for call in (
        lambda x: jax.pure_callback(np.sin, jax.ShapeDtypeStruct((2,), "float32"), x),
        lambda x: jax.debug.print("{}", x) or x,
    ):
        with pytest.raises(ValueError, match="calls Python"):
            save(path, call, floats(2))
    with pytest.raises(ValueError, match="is exported"), cudnn.avoided():
        raise ValueError(cudnn.reason_against())


@pytest.mark.parametrize("dtype", ["bfloat16", "float8_e4m3fn", "int4", "uint8", "bool", "complex64"])
def test_weights_have_their_dtype(dtype, path):
    variable = jl.Variable(jnp.asarray(np.arange(6).reshape(2, 3) % 2, dtype), trainable=False)
    save(path, lambda: variable.value, platforms=CPU)
    (weight,) = load(path).weights.values()
    for array in (weight, load(path)()):
        assert array.dtype == dtype and bool((array == variable.value).all())


def test_a_file_runs_without_the_code(path):
    model = jl.Sequential([jl.Input((4,)), Reversed(), layers.Dense(2)])
    model.export(path, platforms=CPU)
    np.savez(path.with_suffix(".npz"), x=floats(3, 4), y=model(floats(3, 4)))
    code = (
        "import sys, numpy as np, jaxlayers as jl\n"
        "data = np.load(sys.argv[1] + '.npz')\n"
        "np.testing.assert_allclose(jl.export.load(sys.argv[1] + '.stablehlo')(data['x']), data['y'], rtol=1e-5)\n"
        "assert 'flax' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code, str(path.with_suffix(""))], check=True)


def test_a_layer_whose_build_does_not_show_its_arguments():
    class Adding(layers.Layer):
        def build(self, input_shape):
            self.kernel = self.add_weight(shape=(3, 2))

        def call(self, x, y):
            return x @ self.kernel + y

    layer = Adding()
    layer.build((None, 3))
    with pytest.raises(ValueError, match="'adding' takes more arguments than its build.*'y'.*Pass input_signature"):
        ExportArchive().add_endpoint("serve", layer)
