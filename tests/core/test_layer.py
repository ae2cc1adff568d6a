"""The facade: calling, training and masks, weights in and out, freezing, losses, dtypes, names, configs, copies."""

import copy
import pickle

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

import jaxlayers as jl
from jaxlayers import Layer, Variable, layers, regularizers

KEY = jax.random.key(5)


class Wrapping(Layer):
    def __init__(self, *inside, **kwargs):
        super().__init__(**kwargs)
        self.inside = list(inside)

    def call(self, inputs):
        for layer in self.inside:
            inputs = layer(inputs)
        return inputs


class Recorder(Layer):
    """Writes down which `training` it was called with."""

    def __init__(self, default="missing", **kwargs):
        super().__init__(**kwargs)
        self.seen = []

    def call(self, inputs, training=None):
        self.seen.append(training)
        return inputs


class RecorderFalse(Recorder):
    def call(self, inputs, training=False):
        self.seen.append(training)
        return inputs


class Forcing(Layer):
    """Calls one layer with training=True and one with what it was given."""

    def __init__(self, forced, free):
        super().__init__()
        self.forced, self.free = forced, free

    def call(self, inputs):
        return self.free(self.forced(inputs, training=True))


class Penalty(Layer):
    def __init__(self, rate=1.0, **kwargs):
        super().__init__(**kwargs)
        self.rate = rate

    def call(self, inputs):
        self.add_loss(self.rate * inputs.sum())
        return inputs


class Mixed(Layer):
    """A trainable weight, a statistic and layers of both kinds, the same with either library."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.scale = self.add_weight(shape=(4,), initializer="ones", name="scale")
        self.count = self.add_weight(shape=(), initializer="zeros", trainable=False, name="count")
        self.stack = [layers.Dense(4), layers.BatchNormalization()]
        self.head = layers.Dense(2)

    def call(self, inputs):
        x = inputs * self.scale
        for layer in self.stack:
            x = layer(x)
        return self.head(x)


class KerasMixed(keras.layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.scale = self.add_weight(shape=(4,), initializer="ones", name="scale")
        self.count = self.add_weight(shape=(), initializer="zeros", trainable=False, name="count")
        self.stack = [keras.layers.Dense(4), keras.layers.BatchNormalization()]
        self.head = keras.layers.Dense(2)

    def call(self, inputs):
        x = inputs * self.scale
        for layer in self.stack:
            x = layer(x)
        return self.head(x)


@pytest.fixture
def x():
    return jnp.asarray(np.random.default_rng(1).normal(size=(3, 4)), jnp.float32)


@pytest.fixture
def pair(x):
    """The same layer from Keras and from here, with the same asymmetric weights."""
    ours, theirs = Mixed(), KerasMixed()
    ours(x), theirs(np.asarray(x))
    rng = np.random.default_rng(2)
    values = [rng.uniform(0.5, 1.5, w.shape) * rng.choice([-1, 1], w.shape) for w in ours.weights]
    values = [abs(v) if w.path.endswith("variance") else v for v, w in zip(values, ours.weights, strict=True)]
    ours.set_weights(values), theirs.set_weights(values)
    return ours, theirs


# Calling.


def test_it_computes_what_keras_computes_on_the_same_weights(pair, x):
    ours, theirs = pair
    for training in (False, True, False, None):
        np.testing.assert_allclose(
            ours(x, training=training), theirs(np.asarray(x), training=training), rtol=2e-4, atol=1e-5
        )
    for a, b in zip(ours.get_weights(), theirs.weights, strict=True):
        np.testing.assert_allclose(a, b.value, rtol=1e-4, atol=1e-6)  # the statistics too


@pytest.mark.parametrize(
    "value",
    [np.ones((2, 4), "float64"), [[1.0, 2.0, 3.0, 4.0]], jnp.ones((2, 4)), Variable(np.ones((2, 4)))],
    ids=["float64", "list", "jax", "variable"],
)
def test_inputs_are_made_arrays_of_the_compute_dtype(value):
    seen = []

    class Seeing(Layer):
        def call(self, inputs):
            seen.append(jax.tree.map(lambda a: (type(a), a.dtype) if hasattr(a, "dtype") else a, inputs))
            return jnp.asarray(inputs)

    Seeing()(value)
    if not isinstance(value, list):
        assert issubclass(seen[-1][0], jax.Array) and seen[-1][1] == "float32"


def test_nested_inputs_keep_their_structure_and_integers_their_dtype():
    class Seeing(Layer):
        def call(self, inputs, extra=None, flag=None):
            assert isinstance(inputs, dict) and isinstance(inputs["b"], list) and flag == "text"
            assert (
                inputs["a"].dtype == jnp.bfloat16 and inputs["b"][0].dtype == jnp.int32 and inputs["b"][1].dtype == bool
            )
            assert extra[0].dtype == jnp.bfloat16 and extra[1] == 3
            return inputs["a"]

    inputs = {"a": np.ones((2, 3)), "b": [np.ones(2, "int32"), np.ones(2, bool)]}
    assert Seeing(dtype="bfloat16")(inputs, extra=(np.ones(2), 3), flag="text").dtype == jnp.bfloat16


def test_autocast_can_be_switched_off():
    class Seeing(Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.w = self.add_weight(shape=(3,), initializer="ones")

        def call(self, inputs):
            assert inputs.dtype == jnp.float32 and self.w.value.dtype == jnp.float32
            return inputs * self.w

    assert Seeing(dtype="mixed_bfloat16", autocast=False)(jnp.ones((2, 3))).dtype == jnp.float32


def test_a_layer_without_call_says_so(x):
    class Empty(Layer):
        pass

    with pytest.raises(NotImplementedError, match="Empty"):
        Empty()(x)


def test_call_is_an_ordinary_method(x):
    layer = layers.Dense(2)
    layer(x)
    np.testing.assert_array_equal(layer.call(x), layer(x))


# Training.


@pytest.mark.parametrize("given", [None, True, False, "absent"])
@pytest.mark.parametrize("depth", [0, 1, 3])
def test_training_reaches_every_layer_as_in_keras(given, depth, x):
    recorder, other = Recorder(), RecorderFalse()
    net = Wrapping(recorder, other)
    for _ in range(depth):
        net = Wrapping(net)
    kwargs = {} if given == "absent" else {"training": given}
    net(x, **kwargs)
    expected = {True: (True, True), False: (False, False)}.get(given, (None, False))
    assert recorder.seen[-1] is expected[0] and (other.seen[-1] is expected[1] or other.seen[-1] is None)
    net.apply(net.params, net.state, x, **kwargs)
    assert recorder.seen[-1] is expected[0]


def test_an_explicit_training_wins_and_goes_no_further(x):
    forced, free = Recorder(), Recorder()
    net = Forcing(forced, free)
    net(x, training=False)
    assert forced.seen[-1] is True and free.seen[-1] is False
    forced_deep, free_deep = Recorder(), Recorder()
    net = Forcing(Wrapping(Wrapping(forced_deep)), free_deep)
    net(x)
    assert forced_deep.seen[-1] is True and free_deep.seen[-1] is None
    net(x, training=False)
    assert forced_deep.seen[-1] is True and free_deep.seen[-1] is False


def test_training_can_be_positional(x):
    recorder = Recorder()
    recorder(x, True)
    assert recorder.seen[-1] is True

    class Passing(Layer):
        def __init__(self):
            super().__init__()
            self.recorder = Recorder()

        def call(self, inputs, training):
            return self.recorder(inputs)

    passing = Passing()
    passing(x, False)
    assert passing.recorder.seen[-1] is False


def test_training_does_not_leak_into_the_next_call(x):
    recorder = Recorder()
    net = Wrapping(recorder)
    net(x, training=True)
    net(x)
    assert recorder.seen[-1] is None
    with pytest.raises(TypeError):
        net(x, training=True, unknown=1)
    net(x)
    assert recorder.seen[-1] is None


# Weights.


def test_weights_go_out_and_in(pair, x):
    ours, theirs = pair
    assert [w.shape for w in ours.get_weights()] == [tuple(w.shape) for w in theirs.weights]
    assert ours.count_params() == theirs.count_params() == 4 + 1 + 20 + 16 + 10
    values = [np.full(w.shape, i, "float64") for i, w in enumerate(ours.weights)]
    ours.set_weights(values)
    for w, v in zip(ours.weights, values, strict=True):
        np.testing.assert_array_equal(w, v)
        assert w.dtype == "float32"
    values[0][:] = 77
    assert not np.any(ours.weights[0].numpy() == 77)
    ours.set_weights(iter([jnp.asarray(v) for v in values]))
    np.testing.assert_array_equal(ours.weights[0], values[0])


@pytest.mark.parametrize("bad", ["short", "long", "shape", "ragged"])
def test_wrong_weights_change_nothing(pair, bad, picture):
    ours, _ = pair
    values = [w * 0 + 5 for w in ours.get_weights()]
    wrong = {"short": values[:-1], "long": [*values, np.ones(1)], "shape": [*values[:-1], np.ones(7)],
             "ragged": [*values[:-1], np.ones((2, 1))]}[bad]  # fmt: skip
    before = picture(ours)
    with pytest.raises(ValueError, match=ours.name) as error:
        ours.set_weights(wrong)
    if bad in ("short", "long"):
        assert "10 weights" in str(error.value) and f"{len(wrong)} arrays" in str(error.value)
    else:
        assert (
            "head/bias" in str(error.value)
            and "(2,)" in str(error.value)
            and str(np.shape(wrong[-1])) in str(error.value)
        )
    assert picture(ours) == before


def test_unbuilt_weights_say_so():
    with pytest.raises(ValueError, match="build"):
        layers.Dense(2).count_params()
    with pytest.raises(ValueError, match="build"):
        layers.Dense(2).set_weights([np.ones((3, 2)), np.ones(2)])
    assert layers.Dense(2).get_weights() == [] and layers.Flatten().set_weights([]) is None


def test_names_and_paths(x):
    layer = Mixed(name="net")
    layer(x)
    assert [w.path for w in layer.weights] == [
        "net/scale", "net/count", "net/stack/0/kernel", "net/stack/0/bias", "net/stack/1/gamma", "net/stack/1/beta",
        "net/stack/1/moving_mean", "net/stack/1/moving_variance", "net/head/kernel", "net/head/bias",
    ]  # fmt: skip
    assert [w.name for w in layer.weights][:4] == ["scale", "count", "kernel", "bias"]
    assert layer.head.path == "net/head" and layer.path == "net"


def test_made_up_names_are_those_of_keras():
    class BigLSTMCell(Layer):
        pass

    keras.utils.clear_session(), jl.utils.clear_session()
    ours = [jl.layers.Dense(1).name, jl.layers.Dense(1).name, jl.layers.LayerNormalization().name, BigLSTMCell().name]
    theirs = [keras.layers.Dense(1).name, keras.layers.Dense(1).name, keras.layers.LayerNormalization().name]
    assert ours[:3] == theirs == ["dense", "dense_1", "layer_normalization"] and ours[3] == "big_lstm_cell"


# Freezing.


FREEZE = {
    "nothing": lambda net: None,
    "all": lambda net: setattr(net, "trainable", False),
    "all and back": lambda net: (setattr(net, "trainable", False), setattr(net, "trainable", True)),
    "one layer": lambda net: setattr(net.head, "trainable", False),
    "statistics": lambda net: setattr(net.stack[1], "trainable", False),
    "all, one back": lambda net: (setattr(net, "trainable", False), setattr(net.head, "trainable", True)),
    "one, all back": lambda net: (setattr(net.stack[0], "trainable", False), setattr(net, "trainable", True)),
    "one variable": lambda net: setattr(net.head.weights[0], "trainable", False),
    "several": lambda net: [setattr(layer, "trainable", False) for layer in net.stack],
}


@pytest.mark.parametrize("switch", FREEZE.values(), ids=FREEZE)
@pytest.mark.parametrize("when", ["before", "after"])
def test_freezing_counts_as_in_keras(switch, when, x):
    ours, theirs = Mixed(), KerasMixed()
    if when == "after" or switch is FREEZE["one variable"]:
        ours(x), theirs(np.asarray(x))
    switch(ours), switch(theirs)
    ours(x), theirs(np.asarray(x))
    for attribute in ("weights", "trainable_weights", "non_trainable_weights", "trainable_variables"):
        assert [w.shape for w in getattr(ours, attribute)] == [tuple(w.shape) for w in getattr(theirs, attribute)], (
            attribute
        )
    flags = [layer.trainable for layer in (ours, ours.head, *ours.stack)]
    assert flags == [layer.trainable for layer in (theirs, theirs.head, *theirs.stack)]
    assert sum(map(np.size, jax.tree.leaves(ours.params))) == sum(w.size for w in ours.weights if w.trainable)


def test_a_frozen_layer_is_frozen_from_the_start(x):
    layer = layers.Dense(2, trainable=False)
    layer(x)
    assert layer.trainable_weights == [] and len(layer.weights) == 2
    layer.trainable = True
    assert len(layer.trainable_weights) == 2
    keras_layer = keras.layers.Dense(2, trainable=False)
    keras_layer(np.asarray(x))
    keras_layer.trainable = True
    assert len(keras_layer.trainable_weights) == 2


def test_frozen_statistics_follow_keras(pair, x):
    ours, theirs = pair
    for net in pair:
        net.stack[1].trainable = False
    np.testing.assert_allclose(ours(x, training=True), theirs(np.asarray(x), training=True), rtol=2e-4, atol=1e-5)
    np.testing.assert_allclose(ours.stack[1].moving_mean, theirs.stack[1].moving_mean, rtol=1e-5)


def test_freezing_moves_weights_from_params_to_state(pair, x):
    net, _ = pair
    outputs = np.asarray(net(x))
    net.head.trainable = False
    params, state = net.params, net.state
    assert "head" not in params and set(state["head"]) == {"kernel", "bias"}
    np.testing.assert_array_equal(net.apply(params, state, x).outputs, outputs)
    trees = net.init(KEY, x)
    assert [jax.tree.structure(t) for t in trees] == [jax.tree.structure(t) for t in (params, state)]
    net.params, net.state = params, state
    step = jl.jit(lambda: jl.grad(lambda: net(x).sum(), wrt=net)())
    assert "head" not in step()
    net.head.trainable = True
    assert set(step()["head"]) == {"kernel", "bias"}


# Losses.


def test_losses_start_again_with_every_outermost_call(x):
    net = Wrapping(Penalty(2.0), Wrapping(Penalty(3.0)))
    assert net.losses == []
    for value in (x, x + 1, x):
        net(value)
        np.testing.assert_allclose([float(v) for v in net.losses], [2 * value.sum(), 3 * value.sum()], rtol=1e-5)
    net.apply({}, {}, x * 100)  # leaves no trace
    np.testing.assert_allclose([float(v) for v in net.losses], [2 * x.sum(), 3 * x.sum()], rtol=1e-5)


@pytest.mark.parametrize("wrap", [lambda f: f, jl.jit, jl.remat], ids=["eager", "jit", "remat"])
def test_a_call_that_adds_no_loss_leaves_none(wrap, x):
    class Training(Layer):
        def call(self, inputs, training=False):
            if training:
                self.add_loss(inputs.sum())
            return inputs

    net = Wrapping(Training())
    training, inference = wrap(lambda x: net(x, training=True)), wrap(lambda x: net(x))
    for step, count in ((training, 1), (inference, 0), (training, 1), (inference, 0)):
        step(x)
        assert len(net.losses) == len(net.inside[0].losses) == count
    assert len(net.apply({}, {}, x, training=True).losses) == 1 and net.apply({}, {}, x).losses == []


def test_losses_of_a_part_are_those_it_added(x):
    a, b = Penalty(1.0), Penalty(2.0)
    net = Wrapping(a, Wrapping(b))
    net(x)
    np.testing.assert_allclose([float(v) for v in a.losses], [x.sum()], rtol=1e-5)
    np.testing.assert_allclose([float(v) for v in net.inside[1].losses], [2 * x.sum()], rtol=1e-5)
    b(x + 1)  # now the part alone: its own call is the newest
    np.testing.assert_allclose([float(v) for v in b.losses], [2 * (x + 1).sum()], rtol=1e-5)


def test_losses_of_a_shared_layer_are_those_of_the_last_call(x):
    shared = Penalty()
    one, two = Wrapping(shared), Wrapping(shared)
    one(x)
    two(x * 2)
    np.testing.assert_allclose([float(v) for v in two.losses], [2 * x.sum()], rtol=1e-5)
    np.testing.assert_allclose([float(v) for v in shared.losses], [2 * x.sum()], rtol=1e-5)
    one(x * 3)
    np.testing.assert_allclose([float(v) for v in shared.losses], [3 * x.sum()], rtol=1e-5)


def test_a_layer_called_twice_adds_twice(x):
    shared = Penalty()
    net = Wrapping(shared, shared)
    net(x)
    assert len(net.losses) == len(net.apply({}, {}, x).losses) == 2


def test_several_losses_at_once_and_variables_as_losses(x):
    class Many(Layer):
        def __init__(self):
            super().__init__()
            self.w = self.add_weight(shape=(), initializer="ones")

        def call(self, inputs):
            self.add_loss([inputs.sum(), self.w, 3.0])
            self.add_loss(2)
            return inputs

    net = Many()
    net(x)
    np.testing.assert_allclose([float(v) for v in net.losses], [x.sum(), 1, 3, 2], rtol=1e-5)
    assert all(isinstance(v, jax.Array) for v in net.losses)


@pytest.mark.parametrize("training", [True, False])
def test_losses_are_those_of_keras(training, x):
    def make(lib, base):
        class Made(base):
            def __init__(self):
                super().__init__()
                self.a = lib.layers.Dense(
                    3, kernel_regularizer="l2", bias_regularizer=lib.regularizers.L1(0.1), activity_regularizer="l1"
                )
                self.b = lib.layers.Dense(2, kernel_regularizer=lib.regularizers.L1L2(0.2, 0.3))

            def call(self, inputs):
                hidden = self.a(inputs)
                self.add_loss((hidden**2).mean() * 0.5)
                return self.b(hidden)

        return Made()

    ours, theirs = make(jl, Layer), make(keras, keras.layers.Layer)
    ours(x), theirs(np.asarray(x))
    values = [np.random.default_rng(i).normal(size=w.shape) for i, w in enumerate(ours.weights)]
    ours.set_weights(values), theirs.set_weights(values)
    ours(x, training=training), theirs(np.asarray(x), training=training)
    for part in (lambda n: n, lambda n: n.a, lambda n: n.b):
        np.testing.assert_allclose(
            sorted(map(float, part(ours).losses)), sorted(map(float, part(theirs).losses)), rtol=1e-4
        )
    ours.b.trainable = theirs.b.trainable = False  # frozen weights are not regularised
    np.testing.assert_allclose(sorted(map(float, ours.losses)), sorted(map(float, theirs.losses)), rtol=1e-4)
    assert len(ours.losses) == 4


def test_regularizers_look_at_the_weights_as_they_are_now(x):
    layer = layers.Dense(2, kernel_regularizer=regularizers.L2(0.5))
    layer(x)
    layer.kernel.assign(np.full((4, 2), 3.0))
    np.testing.assert_allclose(layer.losses[0], 0.5 * 9 * 8)
    layer.kernel.regularizer = None
    assert layer.losses == []


def test_losses_in_apply_are_differentiable_and_compiled(x):
    net = Wrapping(
        layers.Dense(3, kernel_regularizer=regularizers.L2(0.5)),
        Penalty(0.5),
        layers.Dense(2, activity_regularizer="l2"),
    )
    params, state = net.init(KEY, x)
    applied = net.apply(params, state, x)
    compiled = jax.jit(net.apply)(params, state, x)
    assert len(applied.losses) == len(compiled.losses) == 3
    np.testing.assert_allclose([float(v) for v in applied.losses], [float(v) for v in compiled.losses], rtol=1e-5)
    gradient = jax.grad(lambda p: sum(net.apply(p, state, x * 0).losses))(params)
    np.testing.assert_allclose(gradient["inside"]["0"]["kernel"], params["inside"]["0"]["kernel"], rtol=1e-5)
    net(x)
    net.params = params
    net(x)
    np.testing.assert_allclose([float(v) for v in net.losses], [float(v) for v in applied.losses], rtol=1e-5)


def test_losses_come_out_of_compiled_functions_once(x):
    net = Wrapping(Penalty(1.0), layers.Dense(2, activity_regularizer="l2"))
    net(x)
    expected = [float(v) for v in net.losses]

    @jl.jit
    def step(x):
        net(x)
        return sum(net.losses)

    total = step(x)
    np.testing.assert_allclose(float(total), sum(expected), rtol=1e-5)
    for _ in range(2):
        step(x)
        assert all(not isinstance(v, jax.core.Tracer) for v in net.losses)
        np.testing.assert_allclose([float(v) for v in net.losses], expected, rtol=1e-5)


def test_losses_made_in_loops_and_branches_inside_a_call(x):
    class Looping(Layer):
        def __init__(self):
            super().__init__()
            self.penalty = Penalty()

        def call(self, inputs):
            jl.scan(lambda c, row: (c, self.penalty(row)), 0, inputs)
            return jl.cond(inputs.sum() > 1e6, self.penalty, lambda a: a, inputs)

    net = Looping()
    for losses in (
        lambda: (net(x), net.losses)[1],
        lambda: net.apply({}, {}, x).losses,
        lambda: (jl.jit(net)(x), net.losses)[1],
    ):
        np.testing.assert_allclose(sum(float(v) for v in losses()), float(x.sum()), rtol=1e-4)


def test_a_loss_outside_of_a_call():
    layer = layers.Dense(2)
    layer.add_loss(3.0)
    assert [float(v) for v in layer.losses] == [3.0]


# Dtypes.


def test_mixed_precision(x):
    seen = {}

    class Seeing(Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.w = self.add_weight(shape=(4,), initializer="ones", name="w")
            self.exact = self.add_weight(shape=(4,), initializer="ones", autocast=False, name="exact", trainable=False)
            self.ids = self.add_weight(shape=(4,), initializer="zeros", dtype="int32", trainable=False, name="ids")
            self.mean = self.add_weight(shape=(4,), initializer="zeros", trainable=False, name="mean")

        def call(self, inputs):
            seen.update(inputs=inputs.dtype, w=self.w.value.dtype, exact=self.exact.value.dtype,
                        ids=self.ids.value.dtype,
                        product=(self.w * 1).dtype, array=jnp.asarray(self.w).dtype)  # fmt: skip
            self.mean.assign(inputs.mean(0))
            self.mean.assign_add(inputs[0])
            seen["after"] = self.mean.value.dtype
            return inputs * self.w

    layer = Seeing(dtype="mixed_bfloat16")
    outputs = layer(x)
    half, full = jnp.dtype("bfloat16"), jnp.dtype("float32")
    assert seen == {
        "inputs": half,
        "w": half,
        "exact": full,
        "ids": jnp.dtype("int32"),
        "product": half,
        "array": half,
        "after": half,
    }
    assert outputs.dtype == half and {w.dtype for w in layer.weights} == {"float32", "int32"}
    assert layer.mean.value.dtype == full and layer.w.value.dtype == full  # outside, as they are kept
    assert (layer.compute_dtype, layer.variable_dtype, layer.dtype, layer.input_dtype) == (
        "bfloat16",
        "float32",
        "float32",
        "bfloat16",
    )
    params, state = layer.init(KEY, x)
    assert {str(leaf.dtype) for leaf in jax.tree.leaves((params, state))} == {"float32", "int32"}
    applied = layer.apply(params, state, x)
    assert applied.outputs.dtype == half
    assert jax.tree.map(lambda a: a.dtype, applied.state) == jax.tree.map(lambda a: a.dtype, state)
    np.testing.assert_array_equal(applied.outputs.astype("float32"), outputs.astype("float32"))


def test_mixed_precision_computes_what_keras_computes(x):
    def run(lib, data):
        net = lib.Sequential(
            [
                lib.layers.Dense(8, activation="tanh", dtype="mixed_bfloat16"),
                lib.layers.Dense(2, dtype="mixed_bfloat16"),
            ]
        )
        net(data)
        net.set_weights([np.random.default_rng(i).normal(size=w.shape) for i, w in enumerate(net.weights)])
        return net(data)

    ours, theirs = run(jl, x), run(keras, np.asarray(x))
    assert str(ours.dtype) == str(theirs.dtype) == "bfloat16"
    np.testing.assert_allclose(np.asarray(ours, "float32"), np.asarray(theirs, "float32"), rtol=0.05, atol=0.05)


def test_every_layer_casts_for_itself(x):
    net = Wrapping(
        layers.Dense(3, dtype="bfloat16"), layers.Dense(2, dtype="float32"), layers.Dense(2, dtype="float16")
    )
    assert net(x).dtype == jnp.float16
    assert [w.dtype for w in net.weights] == ["bfloat16"] * 2 + ["float32"] * 2 + ["float16"] * 2


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16", "bfloat16"])
def test_apply_takes_params_of_another_dtype(policy, x):
    net = layers.Dense(2, dtype=policy)
    params, state = net.init(KEY, x)
    half = jax.tree.map(lambda a: a.astype("bfloat16"), params)
    outputs = net.apply(half, state, x).outputs
    np.testing.assert_allclose(
        outputs.astype("float32"), net.apply(params, state, x).outputs.astype("float32"), rtol=0.1, atol=0.05
    )
    gradient = jax.grad(lambda p: net.apply(p, state, x).outputs.astype("float32").sum())(half)
    assert {str(g.dtype) for g in jax.tree.leaves(gradient)} == {"bfloat16"}


def test_the_global_policy_is_taken_when_a_layer_is_made(x):
    jl.config.set_dtype_policy("mixed_bfloat16")
    try:
        layer = layers.Dense(2)
    finally:
        jl.config.set_dtype_policy(None)
    assert layer(x).dtype == jnp.bfloat16 and layers.Dense(2)(x).dtype == jnp.float32
    layer.dtype_policy = "float32"
    assert layer(x).dtype == jnp.float32


# Names, arguments, configs.


@pytest.mark.parametrize(("kwargs", "kind", "words"), [
    ({"unit": 3}, ValueError, ["Plain", "unit"]),
    ({"name": "a/b"}, ValueError, ["'/'", "a/b"]),
    ({"name": 5}, ValueError, ["string", "5"]),
    ({"dtype": "float33"}, ValueError, ["float33"]),
    ({"activity_regularizer": "l9"}, ValueError, ["l9"]),
])  # fmt: skip
def test_bad_arguments(kwargs, kind, words):
    class Plain(Layer):
        pass

    with pytest.raises(kind) as error:
        Plain(**kwargs)
    for word in words:
        assert word in str(error.value)


def test_configs_come_from_the_arguments():
    class Plain(Layer):
        def __init__(self, units, rate=0.5, *, table=None, inner=None, **kwargs):
            super().__init__(**kwargs)
            self.units = units

    layer = Plain(3, table={"a": [1, 2]}, inner=layers.Dense(2), name="p", dtype="mixed_bfloat16", trainable=False)
    config = layer.get_config()
    assert (
        config["units"] == 3
        and config["table"] == {"a": [1, 2]}
        and config["name"] == "p"
        and config["trainable"] is False
    )
    twin = Plain.from_config({**config, "dtype": "mixed_bfloat16"})
    assert (twin.units, twin.name, twin.trainable, twin.dtype_policy.name) == (3, "p", False, "mixed_bfloat16")
    again = Plain.from_config(config)
    assert again.get_config() == config and again.dtype_policy == layer.dtype_policy


def test_the_base_config_is_that_of_keras():
    ours = layers.Dense(3, name="d", dtype="mixed_bfloat16", activity_regularizer="l2").get_config()
    theirs = keras.layers.Dense(3, name="d", dtype="mixed_bfloat16", activity_regularizer="l2").get_config()
    for name in ("name", "trainable", "dtype", "units"):
        assert ours[name] == theirs[name]


# Copies.


def test_deepcopy_and_pickle_make_independent_layers(pair, x):
    net, _ = pair
    net(x, training=True)
    expected = np.asarray(net(x))
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        np.testing.assert_array_equal(twin(x), expected)
        assert [w.path for w in twin.weights] == [w.path for w in net.weights]
        assert not {id(w) for w in twin.weights} & {id(w) for w in net.weights}
        assert twin.stack[0] is twin._tracked_objects[1] and twin.stack[0] is not net.stack[0]
        twin.set_weights([w * 0 for w in twin.get_weights()])
        twin.stack.append(layers.Dense(2))
        np.testing.assert_array_equal(net(x), expected)
        assert len(net.stack) == 2
        twin.head.trainable = False
        assert net.head.trainable


def test_a_copy_keeps_what_is_shared_shared(x):
    shared = layers.Dense(4)
    net = Wrapping(shared, Wrapping(shared))
    net(x)
    twin = copy.deepcopy(net)
    assert twin.inside[0] is twin.inside[1].inside[0] and len(twin.weights) == 2
    np.testing.assert_array_equal(twin(x), net(x))


def test_a_copy_may_be_made_while_losses_are_held(x):
    net = Wrapping(Penalty(), Recorder())
    net(x)
    twin = copy.deepcopy(net)
    twin(x * 2)
    np.testing.assert_allclose([float(net.losses[0]), float(twin.losses[0])], [x.sum(), 2 * x.sum()], rtol=1e-5)


def test_repr_names_class_and_state(x):
    layer = layers.Dense(2, name="d")
    assert "Dense" in repr(layer) and "d" in repr(layer) and "False" in repr(layer)
    layer(x)
    assert "True" in repr(layer)


def test_metrics_of_a_layer_and_those_inside():
    class Counting(Layer):
        def __init__(self, inner=None):
            super().__init__()
            self.inner = inner
            self.mean = jl.metrics.Mean(name="mine")

        def call(self, inputs):
            return inputs

    inner = Counting()
    outer = Counting(inner)
    assert {id(m) for m in outer.metrics} == {id(inner.mean), id(outer.mean)} and inner.metrics == [inner.mean]
    assert len(outer.metrics_variables) == 4 and outer.variables == []


@pytest.mark.parametrize("trainable", ["yes", 1, None])
def test_trainable_is_a_boolean(trainable):
    with pytest.raises(ValueError, match="trainable must be True or False"):
        Layer(trainable=trainable)


def test_a_name_is_no_shape():
    with pytest.raises(ValueError, match="received 'kernel'"):
        Layer().add_weight("kernel", (3,))


def test_the_shape_of_a_sample_may_be_said_beforehand():
    assert layers.Dense(2, input_shape=(3,))._input_shape_argument == (3,)
    assert layers.Dense(2, input_dim=3)._input_shape_argument == (3,)
    assert layers.Dense(2)._input_shape_argument is None
