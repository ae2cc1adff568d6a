"""Architectures as JSON, clones, summaries and plots."""

import json
import stat

import jax
import keras
import numpy as np
import pytest

import jaxlayers as jl
from jaxlayers import layers, ops
from tests.models.test_functional import IDS, A, close, pair, two_inputs


def test_the_config_makes_the_same_graph():
    model, _ = pair()
    config = json.loads(json.dumps(model.get_config()))
    twin = jl.Model.from_config(config)
    twin.set_weights(model.get_weights())
    assert json.loads(json.dumps(twin.get_config())) == config
    assert sorted(twin.params) == sorted(model.params)
    close(twin({"a": A, "ids": IDS}), model({"a": A, "ids": IDS}))


def test_keras_reads_ours_and_we_read_keras_s():
    ours, theirs = pair()
    data = {"a": A, "ids": IDS}
    read = jl.models.model_from_json(theirs.to_json())
    read.set_weights([np.asarray(w) for w in theirs.weights])
    close(read(data), theirs(data))
    read = keras.models.model_from_json(ours.to_json())
    read.set_weights(ours.get_weights())
    close(read(data), ours(data))


OPERATIONS = [
    lambda lib, x: lib.ops.mean(x, axis=1, keepdims=True),
    lambda lib, x: lib.ops.reshape(x, (-1, 3)) / 2.0,
    lambda lib, x: lib.ops.transpose(x, (0, 1)) ** 2,
    lambda lib, x: lib.ops.where(x > 0.1, x, -x),
    lambda lib, x: lib.ops.softmax(x, axis=-1),
    lambda lib, x: lib.ops.stack([x, x * 3], axis=1)[:, 0],
    lambda lib, x: lib.ops.cast(x > 0, "float32"),
    lambda lib, x: lib.ops.expand_dims(x, -1)[..., 0],
    lambda lib, x: lib.ops.maximum(x, -0.5) - lib.ops.max(x),
    lambda lib, x: lib.ops.matmul(x, lib.ops.transpose(x)),
]


@pytest.mark.parametrize("function", OPERATIONS, ids=range(len(OPERATIONS)))
def test_operations_travel_between_the_libraries(function):
    models = []
    for lib in (jl, keras):
        start = lib.Input((3,), name="x")
        models.append(lib.Model(start, function(lib, start)))
    expected = models[1](A)
    close(models[0](A), expected)
    close(jl.models.model_from_json(models[0].to_json())(A), expected)
    close(jl.models.model_from_json(models[1].to_json())(A), expected)
    close(keras.models.model_from_json(models[0].to_json())(A), expected)


def test_shared_layers_and_nested_models_in_configs():
    start = jl.Input((3,))
    inner = jl.Sequential([jl.Input((3,)), layers.Dense(3, activation="tanh")], name="inner")
    model = jl.Model([start], [inner(inner(start)), layers.Dense(2)(start)])
    twin = jl.models.model_from_json(model.to_json())
    twin.set_weights(model.get_weights())
    close(twin([A]), model([A]))
    assert len(twin.get_layer("inner")._symbolic_nodes) == 2
    theirs = keras.models.model_from_json(model.to_json())
    theirs.set_weights(model.get_weights())
    close(theirs([A]), model([A]))


def test_configs_that_do_not_fit_together_are_refused():
    config = json.loads(json.dumps(two_inputs().get_config()))
    broken = json.loads(json.dumps(config).replace('"Mean"', '"Meen"'))
    with pytest.raises(ValueError, match="Meen"):
        jl.Model.from_config(broken)
    broken = json.loads(json.dumps(config).replace('"keras_history": ["embedding"', '"keras_history": ["nothing"'))
    with pytest.raises(ValueError, match="depend on"):
        jl.Model.from_config(broken)


def test_clones_have_the_architecture_and_weights_of_their_own():
    model, _ = pair()
    twin = jl.models.clone_model(model)
    assert twin.get_config() == {**model.get_config(), "name": twin.name}
    assert all(w is not v for w, v in zip(twin.weights, model.weights, strict=True))
    twin.set_weights(model.get_weights())
    close(twin({"a": A, "ids": IDS}), model({"a": A, "ids": IDS}))
    chain = jl.Sequential([jl.Input((3,)), layers.Dense(2), jl.Sequential([layers.Dense(4)])])
    wide = jl.models.clone_model(
        chain, clone_function=lambda layer: layers.Dense(2 * layer.units, name=layer.name), recursive=True
    )
    assert [w.shape for w in wide.weights] == [(3, 4), (4,), (4, 8), (8,)]
    called = []

    def call(layer, *args, **kwargs):
        called.append(layer.name)
        return layer(*args, **kwargs)

    other = jl.Input((3,))
    twin = jl.models.clone_model(model, input_tensors={"a": other, "ids": model.inputs[1]}, call_function=call)
    assert called.count("shared") == 2 and twin.inputs[0] is other
    model.add_loss(ops.mean(model.outputs[0]))
    twin = jl.models.clone_model(model)
    twin({"a": A, "ids": IDS})
    assert len(twin.losses) == 1
    with pytest.raises(ValueError, match="structure"):
        jl.models.clone_model(model, input_tensors=[other])

    class Written(jl.Model):
        def __init__(self, units):
            super().__init__()
            self.dense = layers.Dense(units)

        def call(self, inputs):
            return self.dense(inputs)

    assert jl.models.clone_model(Written(3))(A).shape == (4, 3)
    with pytest.raises(ValueError, match="class"):
        jl.models.clone_model(Written(3), clone_function=lambda layer: layer)


def test_a_clone_is_compiled_like_its_model():
    model = jl.Sequential([jl.Input((3,)), layers.Dense(1)])
    assert not model.compiled and not jl.models.clone_model(model).compiled
    model.compile(
        jl.optimizers.SGD(0.25), lambda y, p: abs(y - p), metrics=[jl.metrics.MeanSquaredError(name="m"), "mae"]
    )
    model.fit(A, A[:, :1], verbose=0)
    model.optimizer.learning_rate = 0.5
    twin = jl.models.clone_model(model)
    assert twin.compiled and twin.optimizer is not model.optimizer and float(twin.optimizer.learning_rate) == 0.5
    assert int(twin.optimizer.iterations) == 0
    twin.set_weights(model.get_weights())
    expected = model.evaluate(A, A[:, :1], verbose=0, return_dict=True)
    assert twin.evaluate(A, A[:, :1], verbose=0, return_dict=True) == pytest.approx(expected)
    assert not set(map(id, twin.metrics)) & set(map(id, model.metrics))


def test_input_tensors_have_the_structure_of_the_inputs():
    x, y = jl.Input((3,)), jl.Input((3,))
    model = jl.Model({"x": x, "y": y}, {"d": x - y})
    twin = jl.models.clone_model(model, input_tensors={"x": jl.Input((3,)), "y": jl.Input((3,))})
    close(twin({"x": A, "y": 3 * A})["d"], -2 * A)
    with pytest.raises(ValueError, match="structure"):
        jl.models.clone_model(model, input_tensors=[x, y])


def test_tuples_stay_tuples_in_configs():
    x = jl.Input((3,))
    model = jl.Model((x,), (x * 2, [x + 1]))
    twin = jl.Model.from_config(model.get_config())
    assert isinstance(twin(A), tuple) and isinstance(twin(A)[1], list) and isinstance(twin.input, tuple)


def lines_of(model, **kwargs):
    lines = []
    model.summary(print_fn=lines.append, **kwargs)
    return lines


def test_summary_tells_names_shapes_and_counts():
    model, _ = pair()
    text = "\n".join(lines_of(model))
    for word in ("shared (Dense)", "(None, None, 3)", "Connected to", "embedding, a", "Total params: 36 (144.00 B)"):
        assert word in text
    model.get_layer("shared").trainable = False
    text = "\n".join(lines_of(model, show_trainable=True, line_length=120))
    assert "Non-trainable params: 16 (64.00 B)" in text
    row = next(line for line in text.splitlines() if "shared (Dense)" in line)
    assert "no" in row and "16" in row


def test_summary_of_nested_and_unbuilt_models(capsys):
    chain = jl.Sequential([layers.Dense(4), jl.Sequential([layers.Dense(3)], name="inner")], name="outer")
    assert any("not built" in line for line in lines_of(chain))
    chain(A)
    flat, nested = lines_of(chain), lines_of(chain, expand_nested=True)
    assert len(nested) == len(flat) + 1 and any("  dense (Dense)" in line for line in nested)
    assert sum("Dense" in line for line in lines_of(chain, layer_range=["dense", "dense"])) == 1
    with pytest.raises(ValueError, match="nothing"):
        chain.summary(layer_range=["nothing", "inner"], print_fn=print)
    chain.summary()
    assert "outer" in capsys.readouterr().out


def test_pictures(tmp_path, monkeypatch):
    model, _ = pair()
    text = jl.utils.model_to_dot(model, show_shapes=True, show_dtype=True, show_layer_activations=True)
    for line in ('"embedding" -> "shared"', '"a" -> "shared"', "activation: tanh", "(None, None, 3)", "int32"):
        assert line in text
    assert '"b"' not in text and text.count("->") == 4
    written = jl.utils.plot_model(model, tmp_path / "model.dot", show_layer_names=True)
    assert written.read_text() == jl.utils.model_to_dot(model)
    start = jl.Input((3,))
    nested = jl.Model(start, jl.Sequential([layers.Dense(2), layers.Dense(3)], name="inner")(start))
    assert 'subgraph "cluster_inner"' in jl.utils.model_to_dot(nested, expand_nested=True)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ImportError, match="Graphviz"):
        jl.utils.plot_model(model, tmp_path / "model.png")
    program = tmp_path / "dot"  # what it is called with, and what it is given
    program.write_text('#!/bin/sh\nPATH=/bin:/usr/bin\necho "$@" > "$3.args"\ncat > "$3"\n')
    program.chmod(program.stat().st_mode | stat.S_IEXEC)
    picture = jl.utils.plot_model(model, tmp_path / "model.png")
    assert picture.read_text().startswith("digraph") and "-Tpng" in (tmp_path / "model.png.args").read_text()


def doubled(row):
    return row * 2.0


@pytest.mark.parametrize(
    "function",
    [
        lambda x: ops.einsum("ij,ik->ijk", x, x),
        lambda x: ops.vectorized_map(doubled, x),
        lambda x: ops.meshgrid(x[0], x[1]),
        lambda x: ops.where(x > 1.0, x, 0.0),
        lambda x: ops.split(x, 2, axis=1),
        lambda x: ops.top_k(x, 2),
    ],
)
def test_arguments_of_operations_find_their_places_again(function):
    inputs = jl.Input((4,), batch_size=3)
    model = jl.Model(inputs, function(inputs))
    again = jl.Model.from_config(model.get_config(), custom_objects={"doubled": doubled})
    x = np.random.default_rng(0).normal(size=(3, 4)).astype("float32")
    jax.tree.map(np.testing.assert_array_equal, again(x), model(x))


def test_a_clone_knows_classes_that_nobody_registered():
    class Cell(layers.SimpleRNNCell):
        pass

    model = jl.Sequential([jl.Input((5, 3)), layers.Bidirectional(layers.RNN(Cell(4))), layers.Dense(2)])
    twin = jl.models.clone_model(model)
    twin.set_weights(model.get_weights())
    x = np.random.default_rng(0).normal(size=(2, 5, 3)).astype("float32")
    np.testing.assert_array_equal(twin(x), model(x))
    assert type(twin.layers[0].forward_layer.cell) is Cell


def test_configs_of_layers_that_do_not_tell_their_names():
    class Own(layers.Layer):
        def __init__(self, units=4):
            super().__init__()
            self.units = units

        def build(self, shape):
            self.w = self.add_weight(shape=(shape[-1], self.units))

        def call(self, x):
            return x @ self.w

        def get_config(self):
            return {"units": self.units}

    inputs = jl.Input((3,))
    model = jl.Model(inputs, Own(2)(Own(5)(inputs)))
    chain = jl.Sequential([jl.Input((3,)), Own(2)])
    for one in (model, chain):
        again = type(one).from_config(one.get_config(), custom_objects={"Own": Own})
        assert [w.shape for w in again.weights] == [w.shape for w in one.weights]
        read = jl.models.model_from_json(one.to_json(), custom_objects={"Own": Own})
        assert read.count_params() == one.count_params()
    again = jl.Model.from_config(model.get_config(), custom_objects={"Own": Own})
    again.params = model.params
    np.testing.assert_array_equal(again(np.ones((2, 3), "float32")), model(np.ones((2, 3), "float32")))
