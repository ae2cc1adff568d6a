"""Functional models: they compute what the recorded calls compute."""

import copy
import pickle

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

import jaxlayers as jl
from jaxlayers import layers, ops

RNG = np.random.default_rng(0)
A = RNG.normal(size=(4, 3)).astype("float32")
IDS = RNG.integers(0, 5, (4, 6)).astype("int32")


def two_inputs(lib=jl):
    """Branches, a shared layer, operations, arithmetic, an index, outputs in a dict."""
    lib.utils.clear_session()  # names are counted anew
    a, ids = lib.Input((3,), name="a"), lib.Input((None,), dtype="int32", name="ids")
    shared = lib.layers.Dense(4, activation="tanh", name="shared")
    x = shared(a)
    words = lib.ops.mean(lib.layers.Embedding(5, 3)(ids), axis=1)
    joint = 2.0 * shared(words) + x
    score = lib.layers.Dense(1, name="score")(joint)
    return lib.Model({"a": a, "ids": ids}, {"score": score, "rest": lib.ops.concatenate([joint[:, :2], -x], axis=-1)})


def pair():
    ours, theirs = two_inputs(jl), two_inputs(keras)
    weights = [RNG.normal(size=w.shape).astype("float32") for w in theirs.weights]
    ours.set_weights(weights)
    theirs.set_weights(weights)
    return ours, theirs


def close(a, b, tolerance=1e-5):
    jax.tree.map(lambda m, n: np.testing.assert_allclose(m, n, tolerance, tolerance), a, b)


def test_values_layers_and_weights_are_keras_s():
    ours, theirs = pair()
    assert [layer.name for layer in ours.layers] == [layer.name for layer in theirs.layers]
    assert [w.path.partition("/")[2] for w in ours.weights] == [w.path for w in theirs.weights]
    close(ours({"a": A, "ids": IDS}), theirs({"a": A, "ids": IDS}))
    assert ours.output_shape == {"score": (None, 1), "rest": (None, 6)}
    assert ours.input_shape == {"a": (None, 3), "ids": (None, None)}
    assert [tensor.name for tensor in ours.inputs] == ["a", "ids"] == ours.input_names


def test_all_ways_to_run_it_agree():
    model, _ = pair()
    data = {"a": A, "ids": IDS}
    expected = model(data)
    params, state = model.params, model.state
    assert sorted(params) == ["embedding", "score", "shared"] and state == {}
    close(model.apply(params, state, data).outputs, expected)
    close(jax.jit(model.apply)(params, state, data).outputs, expected)
    close(jl.jit(model)(data), expected)
    close(model([A, IDS]), expected)  # in the order of the inputs
    close(model({"ids": IDS, "a": A, "more": A}), expected)
    fresh = model.init(jax.random.key(0), data)
    assert jax.tree.map(jnp.shape, fresh) == jax.tree.map(jnp.shape, (params, state))
    gradients = jax.grad(lambda p: model.apply(p, state, data).outputs["score"].sum())(params)
    assert np.abs(gradients["embedding"]["embeddings"]).sum() > 0


def test_two_of_one_architecture_have_one_tree_and_one_start():
    trees = []
    for _ in range(2):
        jl.utils.set_random_seed(7)
        trees.append(two_inputs().params)
    jax.tree.map(np.testing.assert_array_equal, *trees)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_copies_are_whole_and_apart(copied):
    model, _ = pair()
    data = {"a": A, "ids": IDS}
    expected = jax.tree.map(np.asarray, model(data))
    twin = copied(model)
    close(twin(data), expected)
    assert [w.path for w in twin.weights] == [w.path for w in model.weights]
    twin.weights[0].assign(twin.weights[0] * 0)
    close(model(data), expected)
    cut = jl.Model(twin.inputs, twin.get_layer("score").output)  # a copy can be cut as well
    close(cut([A, IDS]), twin(data)["score"])


def test_cut_in_the_middle_at_both_ends_and_nested():
    model, _ = pair()
    a = model.inputs[0]
    x = layers.Dense(5, activation="relu", name="one")(a)
    y = layers.Dense(2, name="two")(x * 3)
    whole = jl.Model(a, y)
    head, tail = jl.Model(a, x), jl.Model(x, y)
    close(tail(head(A)), whole(A))
    assert tail.weights[0] is whole.weights[2] and head.weights[0] is whole.weights[0]
    start = jl.Input((3,))
    nested = jl.Model(start, tail(head(start)) + 1)
    close(nested(A), whole(A) + 1)
    assert [w is v for w, v in zip(nested.weights, whole.weights, strict=True)] == [True] * 4
    shared = model.get_layer("shared")
    assert shared.output is shared._symbolic_nodes[0]().outputs  # of the first of its two calls, as in Keras
    assert not hasattr(layers.Dense(2), "output")


def test_sequential_can_be_cut():
    chain = jl.Sequential([jl.Input((3,)), layers.Dense(4, activation="relu"), layers.Dense(2)])
    features = jl.Model(chain.inputs, chain.layers[0].output)
    close(features(A), chain.layers[0](A))
    assert chain.output_shape == (None, 2) and chain.outputs[0].shape == (None, 2)
    with pytest.raises(AttributeError, match="Input"):
        _ = jl.Sequential([layers.Dense(2)]).outputs


def test_structures_of_any_kind():
    a, b, c = (jl.Input((2,)) for _ in range(3))
    model = jl.Model([a, {"b": b, "c": (c,)}], (a + b, [c, {"d": a * c}]))
    x, y, z = (np.full((2, 2), value, "float32") for value in (2, 3, 5))
    first, (second, third) = model([x, {"b": y, "c": (z,)}])
    assert [np.asarray(v)[0, 0] for v in (first, second, third["d"])] == [5, 5, 10]
    assert model.output_shape == ((None, 2), [(None, 2), {"d": (None, 2)}])


def test_symbolic_arguments_beside_plain_ones():
    class Blend(jl.Layer):
        def call(self, inputs, other, share=0.5, sign=1):
            return sign * (share * inputs + (1 - share) * other)

    a, b = jl.Input((2,)), jl.Input((2,))
    blend = Blend()
    model = jl.Model([a, b], [blend(a, b, share=0.25), blend(a, other=b, sign=-1), blend(a, np.ones(2, "float32"))])
    x, y = RNG.normal(size=(2, 3, 2)).astype("float32")
    close(model([x, y]), [0.25 * x + 0.75 * y, -0.5 * (x + y), 0.5 * x + 0.5])


def test_masks_training_and_random_layers_pass_through():
    ids = jl.Input((None,), dtype="int32")
    seen = []

    class Watch(jl.Layer):
        def call(self, inputs, mask=None, training=None):
            seen.append((mask is not None, training))
            return inputs

    x = layers.Dropout(0.5, seed=3)(Watch()(layers.Embedding(5, 4, mask_zero=True)(ids)))
    model = jl.Model(ids, x)
    seen.clear()
    outputs = np.asarray(model(IDS, training=True))
    assert seen == [(True, True)] and (outputs == 0).mean() > 0.2
    assert not np.array_equal(outputs, model(IDS, training=True))
    np.testing.assert_array_equal(model(IDS), model(IDS, training=False))


def test_statistics_live_in_the_state():
    a = jl.Input((3,))
    model = jl.Model(a, layers.BatchNormalization(momentum=0.5)(a))
    before = model.state
    result = model.apply(model.params, before, A, training=True)
    model(A, training=True)
    close(result.state, model.state)
    assert not np.allclose(
        model.state["batch_normalization"]["moving_mean"], before["batch_normalization"]["moving_mean"]
    )


def test_variables_among_the_arguments_are_weights():
    a, scale = jl.Input((3,)), jl.Variable(2.0, name="scale")
    model = jl.Model(a, a * scale)
    close(model(A), 2 * A)
    assert list(model.params) == ["scale"]
    close(model.apply({"scale": 5.0}, {}, A).outputs, 5 * A)


def test_losses_on_symbolic_tensors():
    inputs = jl.Input((3,))
    hidden = layers.Dense(4, activation="tanh")(inputs)
    spread = layers.Dense(2, name="spread")(hidden)  # on no way to the outputs
    model = jl.Model(inputs, layers.Dense(1)(hidden))
    model.add_loss(ops.mean(ops.square(spread)))
    assert len(model.weights) == 6
    expected = np.mean(np.square(model.get_layer("spread")(model.layers[1](A))))
    for _ in range(2):
        model(A)
        close(model.losses, [expected])
    close(model.apply(model.params, model.state, A).losses, [expected])
    twin = copy.deepcopy(model)
    twin.add_loss(ops.sum(twin.outputs[0]))
    twin(A)
    close(twin.losses, [expected, np.sum(twin(A))], 1e-4)
    model.compile("sgd", "mse")
    history = model.fit(A, A[:, :1], epochs=3, verbose=0).history["loss"]
    assert history[-1] < history[0]
    with pytest.raises(ValueError, match="no graph"):
        jl.Sequential([layers.Dense(2)]).add_loss(ops.mean(spread))


def test_a_subclass_made_of_a_graph():
    class Doubling(jl.Model):
        def train_step(self, data):
            return {"seen": jnp.float32(len(data[0]))}

    inputs = jl.Input((3,))
    model = Doubling(inputs=inputs, outputs=layers.Dense(2)(inputs), name="it")
    assert model.name == "it" and model(A).shape == (4, 2)
    model.compile()
    assert model.fit(A, A, verbose=0).history == {"seen": [4.0]}


def test_ranks_and_dtypes_are_fitted_as_in_keras():
    inputs = jl.Input((3, 1))
    model = jl.Model(inputs, inputs * 1)
    assert model(A).shape == (4, 3, 1)
    squeezed = jl.Input((3,))
    assert jl.Model(squeezed, squeezed * 1)(A[..., None]).shape == (4, 3)
    assert jl.Model(squeezed, squeezed * 1)(A.astype("int32")).dtype == "float32"
    optional = jl.Input((3,), optional=True, name="maybe")

    class Either(jl.Layer):
        def call(self, inputs, other=None):
            return inputs if other is None else inputs + other

    model = jl.Model([squeezed, optional], Either()(squeezed, other=optional))
    close(model([A, A]), 2 * A)
    close(model([A, None]), A)


def difference(structure):
    x, y = jl.Input((3,), name="x"), jl.Input((3,), name="y")
    return jl.Model(structure(x, y), x - y)


@pytest.mark.parametrize(
    ("structure", "given"),
    [
        (lambda x, y: [x, y], (A, 3 * A)),
        (lambda x, y: (x, y), {"y": 3 * A, "x": A, "further": 7 * A}),
        (lambda x, y: {"x": x, "y": y}, [A, 3 * A]),
        (lambda x, y: {"y": y, "x": x}, {"x": A, "y": 3 * A, "a": 7 * A}),  # Keras takes a for x, with a warning
        (lambda x, y: {"y": y, "x": x}, {"y": 3 * A, "x": A}),
        (lambda x, y: [x, [y]], [A, 3 * A]),
        (lambda x, y: [x, {"p": y}], [A, {"p": 3 * A, "o": A}]),
        (lambda x, y: {"1": y, "others": {"3": x}}, {"others": {"3": A}, "1": 3 * A}),
    ],
)
def test_inputs_in_another_structure(structure, given):
    close(difference(structure)(given), -2 * A)


def test_a_list_for_a_dict_whose_order_is_not_that_of_its_names():
    with pytest.raises(ValueError, match=r"\['y', 'x'\].*list.*Use a dict"):
        difference(lambda x, y: {"y": y, "x": x})([A, A])


def test_a_batch_of_another_size_than_the_declared_one():
    inputs = jl.Input((3,), batch_size=16)
    model = jl.Model(inputs, inputs * 2)
    assert model.predict(np.repeat(A, 5, 0), batch_size=16, verbose=0).shape == (20, 3)
    with pytest.raises(ValueError, match=r"\(16, 3\)"):
        model(A[:, :2])


def test_a_single_output_in_a_list():
    inputs = jl.Input((3,))
    for outputs in ([inputs * 2], (inputs * 2,)):
        model = jl.Model([inputs], outputs)
        assert model.output_shape == model.input_shape == (None, 3) and len(model.output) == 1
        close(model(A), 2 * A)
        close(model.predict(A, verbose=0), 2 * A)
        outer = jl.Input((3,))
        close(jl.Model(outer, model(outer) + 1)(A), 2 * A + 1)
        assert jl.Model.from_config(model.get_config()).output_shape == (None, 3)
    scalars = jl.Input(())
    assert jl.Model(scalars, scalars * 2).output_shape == (None,)


def test_training_in_a_call_inside_is_kept():
    """What transfer learning relies on: a base called with training=False stays as it is."""
    inputs = jl.Input((3,))
    norm, drop = layers.BatchNormalization(), layers.Dropout(0.9, seed=0)
    base = jl.Model(inputs, norm(inputs))
    outer = jl.Input((3,))
    model = jl.Model(outer, [base(outer, training=False), drop(outer, training=True), layers.Dropout(0.9)(outer)])
    kept, dropped, _ = model(A, training=True)
    close(kept, A / np.sqrt(1 + norm.epsilon))
    np.testing.assert_array_equal(norm.moving_mean, 0)
    _, dropped, as_it_is = model(A, training=False)
    assert (np.asarray(dropped) == 0).sum() > 5
    close(as_it_is, A)


def deep(number):
    tensor = start = jl.Input((2,))
    for _ in range(number):
        tensor = tensor + 1
    return jl.Model(start, tensor)


def test_depth_is_no_recursion():
    model = deep(1500)
    np.testing.assert_array_equal(copy.deepcopy(model)(np.zeros((1, 2))), np.full((1, 2), 1500.0))


a, b = jl.Input((3,), name="a"), jl.Input((2,), name="b")
shared_name = [layers.Dense(2, name="same"), layers.Dense(2, name="same")]
WRONG = [
    (lambda: jl.Model(a, ops.concatenate([a, b], axis=-1)), ["b", "not among the inputs"]),
    (lambda: jl.Model(a, A), ["outputs", "symbolic", "float32[4, 3]"]),
    (lambda: jl.Model(A, a), ["inputs", "Input"]),
    (lambda: jl.Model([a, a], a * 2), ["twice"]),
    (lambda: jl.Model(a), ["outputs"]),
    (lambda: jl.Model(a, []), ["outputs"]),
    (lambda: jl.Model(a, shared_name[1](shared_name[0](a))), ["two layers", "same"]),
    (lambda: jl.Input(), ["shape"]),
    (lambda: jl.Model({"a": a, "b": b}, a * 2, name="it")({"a": A}), ["it", "'b'", "missing"]),
    (lambda: jl.Model([a, b], a * 2, name="it")([A]), ["it", "2 inputs", "received 1"]),
    (lambda: jl.Model(a, a * 2, name="it")(A[:, :2]), ["it", "'a'", "(None, 3)", "(4, 2)"]),
    (lambda: jl.Model(a, a * 2, name="it")(None), ["it", "None"]),
    (lambda: a.node.function(A), ["a", "model"]),
    (lambda: jnp.exp(a), ["jaxlayers.ops", "call()"]),
    (lambda: jnp.add(a, 1), ["jaxlayers.ops", "call()"]),
    (lambda: np.exp(a), ["jaxlayers.ops", "call()"]),
    (lambda: jax.nn.relu(a), ["jaxlayers.ops", "call()"]),
    (lambda: bool(a > 0), ["jaxlayers.ops"]),
    (lambda: layers.Dense(2)(a).node.function.get_layer, ["get_layer"]),
]


@pytest.mark.parametrize(("mistake", "words"), WRONG)
def test_mistakes_are_told(mistake, words):
    with pytest.raises((ValueError, TypeError, AttributeError)) as caught:
        mistake()
    text = "\n".join([str(caught.value), *getattr(caught.value, "__notes__", [])])
    assert all(word in text for word in words), text


def test_a_wrong_call_changes_nothing():
    inputs = jl.Input((3,))
    model = jl.Model(inputs, layers.BatchNormalization()(layers.Dense(2)(inputs)))
    before = model.get_weights()
    with pytest.raises(ValueError, match=r"\(None, 3\)"):
        model(A[:, :2], training=True)
    jax.tree.map(np.testing.assert_array_equal, before, model.get_weights())


def test_a_size_that_is_needed_must_be_known():
    layer = layers.Dense(2, name="it")
    with pytest.raises(ValueError, match=r"'it'.*unknown sizes.*\(None, None\).*Input"):
        layer(jl.Input((None,)))
    assert not layer.built and layer.weights == []
    assert layer(A).shape == (4, 2)
