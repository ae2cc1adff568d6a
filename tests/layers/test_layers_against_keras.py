"""Layers against Keras with equal random weights: outputs, gradients, states, configs and masks."""

import inspect
import json

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

import jaxlayers as jl
from jaxlayers import layers
from jaxlayers.common.masks import get_mask, set_mask
from tests.layers.cases import COMPARED
from tests.layers.table import anew


def floats(*shape, seed=0):
    return np.random.default_rng((seed, *shape)).normal(0.2, 1.3, shape).astype("float32")


def integers(*shape):
    return np.random.default_rng(shape).integers(0, 5, shape).astype("int32")


def pair(name, arguments, *args, call=None, **more):
    """Our layer and Keras's with the same weights, all different and positive, so that they serve as variances too.

    They are built by a call with symbolic inputs and without draws, so that nothing is compiled for it.
    """
    layer_pair = []
    for lib in (jl, keras):
        cls, given = getattr(lib.layers, name), {**converted(arguments, lib), **more}
        initializers = [p for p in inspect.signature(cls.__init__).parameters if p.endswith("_initializer")]
        layer = cls(**{**dict.fromkeys(initializers, "zeros"), **given})
        inputs = jax.tree.map(lambda x, lib=lib: lib.Input(batch_shape=x.shape, dtype=str(x.dtype)), args)
        layer(*inputs, **(call or {}))
        layer_pair.append(layer)
    ours, theirs = layer_pair
    rng = np.random.default_rng(1)
    weights = [rng.uniform(0.3, 1.8, w.shape).astype("float32") for w in keras_weights(theirs)]
    ours.set_weights(weights)
    # Keras would compile a program for each shape of a NumPy array.
    for variable, value in zip(keras_weights(theirs), jax.device_put(weights), strict=True):
        variable.assign(value)
    return ours, theirs


def converted(arguments, lib):
    """Arguments with our objects (layers, regularizers) as those of the library."""

    def convert(value):
        if isinstance(value, list | tuple):
            return type(value)(convert(item) for item in value)
        kind = next((k for k in ("layers", "regularizers") if hasattr(getattr(jl, k), type(value).__name__)), None)
        if lib is jl:
            return anew(value)
        if kind is None or not type(value).__module__.startswith("jaxlayers"):
            return value
        return getattr(getattr(lib, kind), type(value).__name__).from_config(json.loads(json.dumps(value.get_config())))

    return {key: convert(value) for key, value in arguments.items()}


def keras_weights(layer):
    return [w for w in layer.weights if "seed" not in w.path]


def close(a, b, tolerance=2e-5):
    np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=tolerance, atol=tolerance)


every = pytest.mark.parametrize("case", COMPARED, ids=[c.name for c in COMPARED])
MODES = [(case, False) for case in COMPARED]
MODES += [(case, True) for case in COMPARED if case.training and "draws" not in case.training]  # draws differ
# With XLA's default settings, each class once in each mode.
FIRST = {(case.cls, training): case.name for case, training in reversed(MODES)}
MARKED = [
    pytest.param(
        case,
        training,
        id=f"{case.name}-{training}",
        marks=[pytest.mark.default_xla] if FIRST[case.cls, training] == case.name else [],
    )
    for case, training in MODES
]


@pytest.mark.parametrize(("case", "training"), MARKED)
@pytest.mark.filterwarnings("ignore:.*does not support masking:UserWarning")
def test_outputs_gradients_and_state(case, training):
    ours, theirs = pair(case.cls.__name__, case.arguments, *case.args, call=case.call)
    assert [w.name for w in ours.weights] == [w.name for w in keras_weights(theirs)]
    assert [w.shape for w in ours.trainable_weights] == [w.shape for w in theirs.trainable_weights]
    assert [v.shape for v in ours.non_trainable_variables] == [v.shape for v in theirs.non_trainable_variables]
    params, state = ours.params, ours.state
    leaves, structure = jax.tree.flatten(case.args)
    where = [i for i, leaf in enumerate(leaves) if leaf.dtype == np.float32]
    accepts = "training" in inspect.signature(theirs.call).parameters
    options = {**case.call, **({"training": training} if accepts else {})}

    def value(call, given):
        filled = dict(zip(where, given, strict=True))
        outputs, new_state = call(*jax.tree.unflatten(structure, [filled.get(i, a) for i, a in enumerate(leaves)]))
        total = 0.0
        for out in jax.tree.leaves(outputs):
            if jnp.issubdtype(out.dtype, jnp.floating):
                total += jnp.sum(out * jnp.cos(jnp.arange(out.size, dtype="float32")).reshape(out.shape))
        return total, (outputs, new_state)

    def our_loss(params, given):
        return value(lambda *a: ours.apply(params, state, *a, **{**case.call, "training": training})[:2], given)

    def keras_loss(values, given):
        keras_state = [v.value for v in theirs.non_trainable_variables]
        return value(lambda *a: theirs.stateless_call(values, keras_state, *a, **options), given)

    given = [leaves[i] for i in where]
    (_, (got, new_state)), gradients = jax.jit(jax.value_and_grad(our_loss, (0, 1), has_aux=True))(params, given)
    values = [v.value for v in theirs.trainable_variables]
    (_, (want, keras_new)), expected = jax.jit(jax.value_and_grad(keras_loss, (0, 1), has_aux=True))(values, given)
    got, want = jax.tree.leaves(got), jax.tree.leaves(want)
    for a, b in zip(got, want, strict=True):
        assert a.dtype == b.dtype and a.shape == b.shape
        close(a, b, case.loose)
    for variable, b in zip(ours.trainable_weights, expected[0], strict=True):
        found = gradients[0]
        for key in ours._path_of(variable):
            found = found[key]
        close(found, b, 5 * case.loose)
    for a, b in zip(gradients[1], expected[1], strict=True):
        close(a, b, 5 * case.loose)
    new = dict(zip([id(v) for v in theirs.non_trainable_variables], keras_new, strict=True))
    for variable, w in zip(ours.non_trainable_weights, keras_weights_of(theirs.non_trainable_weights), strict=True):
        found = new_state
        for key in ours._path_of(variable):
            found = found[key]
        close(found, new[id(w)], case.loose)


def keras_weights_of(weights):
    return [w for w in weights if "seed" not in w.path]


@every
def test_configs(case):
    name = case.cls.__name__
    if case.name == "activation_function" or name == "Lambda":
        pytest.skip("functions are no plain data")
    ours, theirs = (getattr(lib.layers, name)(**converted(case.arguments, lib), name="it") for lib in (jl, keras))
    expected = without(theirs.get_config())
    got = ours.get_config()
    assert json.loads(json.dumps(got)) == json.loads(json.dumps(expected))
    theirs_again = getattr(keras.layers, name).from_config(json.loads(json.dumps(got)))
    assert json.dumps(without(theirs_again.get_config()), sort_keys=True) == json.dumps(expected, sort_keys=True)
    assert type(ours).from_config(theirs.get_config()).get_config() == got


def without(config):
    """A config without what is Keras's alone, at any depth."""
    if isinstance(config, dict):
        return {key: without(value) for key, value in config.items() if key not in KERAS_ALONE}
    return [without(value) for value in config] if isinstance(config, list | tuple) else config


# Quantization, and an argument that LayerNormalization keeps for old files; `from_config` takes them at their defaults.
KERAS_ALONE = {"quantization_config", "rms_scaling"}


PIECES = [
    ("Dense", {"units": 3}, ["kernel", "bias"], floats(4, 5)),
    ("BatchNormalization", {}, ["gamma", "beta"], floats(4, 5)),
    ("LayerNormalization", {}, ["gamma", "beta"], floats(4, 5)),
    ("Embedding", {"input_dim": 5, "output_dim": 3}, ["embeddings"], integers(2, 4)),
]


@pytest.mark.parametrize(("name", "arguments", "weights", "x"), PIECES, ids=[p[0] for p in PIECES])
def test_regularizers_constraints_and_initializers(name, arguments, weights, x):
    given = {}
    for number, weight in enumerate(weights):
        given[f"{weight}_regularizer"] = [
            {"class_name": "L1L2", "config": {"l1": 0.1, "l2": 0.3}},
            {"class_name": "L1", "config": {"l1": 0.5}},
        ][number]
        given[f"{weight}_constraint"] = ["non_neg", {"class_name": "MaxNorm", "config": {"max_value": 0.5, "axis": 0}}][
            number
        ]
        given[f"{weight}_initializer"] = {"class_name": "Constant", "config": {"value": 1.5 + number}}
    ours, theirs = (getattr(lib.layers, name)(**arguments, **given, name="it") for lib in (jl, keras))
    assert ours.get_config() == {k: v for k, v in theirs.get_config().items() if k in ours.get_config()}
    ours(x), theirs(x)
    for number, weight in enumerate(weights):
        held = getattr(ours, weight)
        np.testing.assert_array_equal(held, np.full(held.shape, 1.5 + number))
        new = floats(*held.shape, seed=7)
        held.assign(new), getattr(theirs, weight).assign(new)
    close(sum(ours.losses), sum(theirs.losses))
    assert len(ours.losses) == len(theirs.losses) == len(weights)
    for weight in weights:
        mine, other = getattr(ours, weight), getattr(theirs, weight)
        close(mine.constraint(mine.value), other.constraint(other.value))
        assert not np.allclose(mine.constraint(mine.value), mine.value)


@pytest.mark.parametrize(
    ("name", "arguments", "x"),
    [
        ("Dense", {"units": 3}, floats(4, 5)),
        ("Dense", {"units": 3}, floats(2, 4, 5)),
        ("Activation", {"activation": "tanh"}, floats(4, 5)),
        ("BatchNormalization", {}, floats(4, 5)),
        ("LayerNormalization", {}, floats(4, 5)),
        ("Embedding", {"input_dim": 5, "output_dim": 3}, integers(2, 4)),
        ("Flatten", {}, floats(2, 3, 4)),
        ("Identity", {}, floats(4, 5)),
    ],
)
def test_activity_regularizers(name, arguments, x):
    ours, theirs = pair(
        name, arguments, x, activity_regularizer={"class_name": "L1L2", "config": {"l1": 0.1, "l2": 0.3}}
    )
    ours(x), theirs(x)
    assert len(ours.losses) == len(theirs.losses) == 1
    close(ours.losses[0], theirs.losses[0])
    close(ours.apply(ours.params, ours.state, x).losses[0], theirs.losses[0])


@pytest.mark.parametrize(("masked", "axis"), [(False, -1), (True, -1), (False, 1)])
def test_moving_statistics_over_several_steps(masked, axis):
    """Training, inference and frozen calls in turn; with masks the padding has other values than the rest."""
    ours, theirs = pair("BatchNormalization", {"momentum": 0.8, "axis": axis}, floats(4, 3, 2))
    for step, (training, frozen) in enumerate(
        [(True, False), (True, False), (False, False), (True, True), (True, False)]
    ):
        x = floats(4, 3, 2, seed=step) * (step + 1) + step
        mask = None
        if masked:
            mask = np.random.default_rng(step).random((4, 3)) < 0.6
            x[~mask] = 1e3
        ours.trainable = theirs.trainable = not frozen
        close(ours(x, training=training, mask=mask), theirs(x, training=training, mask=mask), 1e-4)
        for a, b in zip(ours.get_weights(), [np.asarray(w.value) for w in theirs.weights], strict=True):
            close(a, b, 1e-4)


def test_padding_may_be_anything():
    x, mask = floats(4, 3, 2), np.array([[True, True, False]] * 4)
    layer = layers.BatchNormalization()
    expected = layer(x, training=True, mask=mask)
    statistics = layer.get_weights()
    x[~mask] = np.nan
    layer = layers.BatchNormalization()
    np.testing.assert_array_equal(layer(x, training=True, mask=mask)[mask], expected[mask])
    jax.tree.map(np.testing.assert_array_equal, layer.get_weights(), statistics)


def test_a_mask_that_travels_is_the_mask_that_is_given():
    x, mask = jnp.asarray(floats(4, 3, 2)), jnp.asarray(np.random.default_rng(0).random((4, 3)) < 0.5)
    given, travelled = layers.BatchNormalization(), layers.BatchNormalization()
    expected = given(x, training=True, mask=mask)
    set_mask(x, mask)
    outputs = travelled(x, training=True)
    np.testing.assert_array_equal(outputs, expected)
    np.testing.assert_array_equal(get_mask(outputs), mask)
    jax.tree.map(np.testing.assert_array_equal, given.get_weights(), travelled.get_weights())


ignoring = pytest.mark.filterwarnings("ignore:.*does not support masking:UserWarning")  # Keras's word of what it does


@ignoring
def test_embedding_masks():
    x = integers(3, 4)
    ours, theirs = pair("Embedding", {"input_dim": 5, "output_dim": 3, "mask_zero": True}, x)
    np.testing.assert_array_equal(get_mask(ours(x)), theirs(x)._keras_mask)
    np.testing.assert_array_equal(ours.compute_mask(x), theirs.compute_mask(x))
    plain = layers.Embedding(5, 3)
    assert plain.compute_mask(x) is None and get_mask(plain(x)) is None
    others = {
        "Activation": ["tanh"],
        "Dense": [2],
        "Dropout": [0.5],
        "Lambda": [abs],
        "Flatten": [],
        "Reshape": [(3, 4)],
    }
    for name in (*others, "LayerNormalization", "BatchNormalization", "Identity"):
        arguments = others.get(name, [])
        ours_next, theirs_next = (getattr(lib.layers, name)(*arguments) for lib in (jl, keras))
        got, want = get_mask(ours_next(ours(x))), getattr(theirs_next(theirs(x)), "_keras_mask", None)
        assert (got is None) == (want is None), name
        if want is not None:
            np.testing.assert_array_equal(got, want)


def test_embedding_of_floats_and_of_given_weights():
    start = floats(5, 3)
    for given in (start, [start]):
        layer = layers.Embedding(5, 3, weights=given)
        np.testing.assert_array_equal(layer(np.array([[1.0, 4.0]])), start[None, [1, 4]])
    assert np.isnan(layer(np.array([7]))).all()


@pytest.mark.parametrize("noise_shape", [None, (None, 1, None), (6, 1, 5), [1, None, 1]])
@pytest.mark.parametrize("rate", [0.2, 0.7])
def test_dropout_statistics(rate, noise_shape):
    ours, theirs = (lib.layers.Dropout(rate, noise_shape=noise_shape, seed=3) for lib in (jl, keras))
    x = 1 + np.abs(floats(6, 400, 5))
    for layer in (ours, theirs):
        outputs = np.asarray(layer(x, training=True))
        kept = outputs != 0
        close(outputs, np.where(kept, x / (1 - rate), 0))
        shape = [m if n is None else n for m, n in zip(x.shape, noise_shape or (None,) * 3, strict=True)]
        first = tuple(slice(None, size) for size in shape)
        np.testing.assert_array_equal(kept, np.broadcast_to(kept[first], x.shape))
        if noise_shape is None:
            assert abs(kept.mean() - (1 - rate)) < 0.02
        assert 0 < kept.mean() < 1
        np.testing.assert_array_equal(layer(x), x)
        np.testing.assert_array_equal(layer(x, training=False), x)


def test_dropout_draws():
    x = floats(20, 20)
    a, b, c = (layers.Dropout(0.5, seed=seed) for seed in (1, 1, 2))
    first = a(x, training=True)
    np.testing.assert_array_equal(first, b(x, training=True))
    assert not np.array_equal(first, c(x, training=True))
    second = a(x, training=True)
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(second, b(x, training=True))
    assert not np.array_equal(*(layers.Dropout(0.5)(x, training=True) for _ in range(2)))
    np.testing.assert_array_equal(layers.Dropout(1.0)(x, training=True), np.zeros_like(x))


@ignoring
def test_lambda_as_in_keras():
    x = floats(2, 3)

    def scaled(inputs, by, training=False, mask=None):
        return inputs * by + (10 if training else 0) + (0 if mask is None else mask.sum())

    mask = np.array([[True, False, True], [True, True, True]])
    for kwargs in ({}, {"training": True}, {"mask": mask}, {"training": True, "mask": mask}):
        ours, theirs = (lib.layers.Lambda(scaled, arguments={"by": 3.0}) for lib in (jl, keras))
        close(ours(x, **kwargs), theirs(x, **kwargs))
    given = layers.Lambda(lambda a: a, output_shape=(7,))
    assert given.compute_output_shape((None, 3)) == keras.layers.Lambda(abs, output_shape=(7,)).compute_output_shape(
        (None, 3)
    )
    assert layers.Lambda(abs, output_shape=lambda s: (*s, 2)).compute_output_shape((None, 3)) == (None, 3, 2)
    masked = layers.Lambda(jnp.abs, mask=lambda inputs, previous: inputs[..., 0] > 0)
    np.testing.assert_array_equal(get_mask(masked(jnp.asarray(x))), x[..., 0] > 0)


WRONG = [
    (lambda: layers.Dense(0), ["Dense", "units", "0"]),
    (lambda: layers.Dense(2.5), ["Dense", "units", "2.5"]),
    (lambda: layers.Dense(2, activation="rellu"), ["rellu", "relu"]),
    (lambda: layers.Dense(2, kernel_initializer="glorot_unform"), ["glorot_unform", "glorot_uniform"]),
    (lambda: layers.Dense(2, kernel_regularizer="l3"), ["regularizer", "l3"]),
    (lambda: layers.Dense(2, width=3), ["Dense", "width"]),
    (lambda: layers.Dropout(1.5), ["Dropout", "rate", "1.5"]),
    (lambda: layers.Dropout(-0.1), ["Dropout", "rate", "-0.1"]),
    (lambda: layers.Dropout("half"), ["Dropout", "rate", "half"]),
    (lambda: layers.Dropout(0.5, noise_shape=(1, 0)), ["Dropout", "noise_shape", "0"]),
    (lambda: layers.Dropout(0.5, noise_shape="all"), ["Dropout", "noise_shape", "all"]),
    (lambda: layers.Embedding(0, 2), ["Embedding", "input_dim"]),
    (lambda: layers.Embedding(2, -1), ["Embedding", "output_dim"]),
    (lambda: layers.Flatten("channels"), ["Flatten", "data_format", "channels"]),
    (lambda: layers.Reshape((-1, -1)), ["Reshape", "target_shape", "-1"]),
    (lambda: layers.Reshape((2, "a")), ["Reshape", "target_shape", "a"]),
    (lambda: layers.Lambda("tanh"), ["Lambda", "function", "tanh"]),
    (lambda: layers.LayerNormalization(axis="last"), ["LayerNormalization", "axis", "last"]),
    (lambda: layers.BatchNormalization(axis=1.5), ["BatchNormalization", "axis", "1.5"]),
    (lambda: layers.Dense(2, name="it")(floats(3)), ["it", "at least 2", "(3,)"]),
    (lambda: layers.Dense(2, name="it")([1, "a"]), ["it"]),
    (lambda: layers.BatchNormalization(axis=3, name="it")(floats(2, 3)), ["it", "axis=3", "(2, 3)"]),
    (
        lambda: layers.BatchNormalization(name="it")(floats(2, 3, 4), training=True, mask=np.ones(2)),
        ["it", "mask", "(2,)"],
    ),
    (lambda: layers.LayerNormalization(axis=[1, 4], name="it")(floats(2, 3)), ["it", "[1, 4]", "(2, 3)"]),
    (lambda: layers.Reshape((5,), name="it")(floats(2, 3)), ["it", "(3,)", "(5,)"]),
    (lambda: layers.Reshape((-1, 4), name="it")(floats(2, 6)), ["it", "(6,)", "(-1, 4)"]),
    (lambda: layers.Flatten(name="it")(np.float32(1)), ["it", "at least 1"]),
    (
        lambda: layers.Dropout(0.5, noise_shape=(1, 2, 3), name="it")(floats(2, 3), training=True),
        ["it", "noise_shape", "(2, 3)"],
    ),
    (lambda: layers.Embedding(4, 2, weights=floats(3, 2), name="it")(integers(2)), ["it", "(4, 2)", "(3, 2)"]),
]


@pytest.mark.parametrize(("mistake", "words"), WRONG)
def test_mistakes_are_told_with_the_layer(mistake, words):
    with pytest.raises((ValueError, TypeError)) as caught:
        mistake()
    text = "\n".join([str(caught.value), *getattr(caught.value, "__notes__", [])])
    assert all(word in text for word in words), text


@pytest.mark.parametrize(
    ("name", "arguments", "x"),
    [
        ("Dense", {"units": 3}, floats(4, 5)),
        ("LayerNormalization", {"axis": [1, 3]}, floats(2, 3, 2, 4)),
        ("BatchNormalization", {"axis": 1}, floats(4, 3, 2, 5)),
    ],
)
def test_other_sizes_are_refused_and_nothing_changes(name, arguments, x):
    layer = getattr(layers, name)(**arguments)
    expected = layer(x)
    wider = np.concatenate([x, x], axis=1 if arguments.get("axis") == 1 else -1)
    with pytest.raises(ValueError, match=layer.name):
        layer(wider)
    np.testing.assert_array_equal(layer(x), expected)
