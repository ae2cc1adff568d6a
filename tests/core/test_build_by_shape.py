"""`build(shape)` called by a user, weights that `call` adds, and layers that have no weights to build."""

import jax
import keras
import numpy as np
import pytest

import jaxlayers as jl
from jaxlayers import layers

X = np.random.default_rng(0).normal(size=(4, 3)).astype("float32")


class TwoArguments(jl.Layer):
    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(2)

    def call(self, x, by):
        return self.dense(x) * by


class BuildsOne(TwoArguments):
    def __init__(self):
        super().__init__()
        self.unused = layers.Dense(2)

    def build(self, shape):
        self.dense.build(shape)

    def call(self, x):
        return self.dense(x) + self.unused(x)


def test_a_call_of_more_arguments_is_no_error():
    layer = TwoArguments()
    with pytest.warns(UserWarning, match="leaves layers inside to their first call.*'by'"):
        layer.build((None, 3))
    assert layer.built and not layer.dense.built and layer.weights == []
    assert layer(X, 2.0).shape == (4, 2) and len(layer.weights) == 2
    _, state = layer.init(jl.random.SeedGenerator(1).next(), X, 2.0)
    np.testing.assert_allclose(layer.apply(layer.params, state, X, 2.0).outputs, layer(X, 2.0), rtol=1e-6)


def test_a_failed_run_of_call_leaves_nothing_behind():
    class Half(jl.Layer):
        def __init__(self):
            super().__init__()
            self.first = layers.Dense(2)

        def call(self, x):
            self.note = self.first(x)
            return self.note.no_such_method()

    layer = Half()
    with pytest.warns(UserWarning, match="no_such_method"):
        layer.build((None, 3))
    assert layer.built and not layer.first.built and not hasattr(layer, "note")


def test_a_build_of_the_author_s_own_runs_no_call():
    layer = BuildsOne()
    layer.build((None, 3))
    assert layer.built and layer.dense.built and not layer.unused.built and len(layer.weights) == 2
    expected = layer(X)
    assert len(layer.weights) == 4
    np.testing.assert_allclose(layer.apply(layer.params, {}, X).outputs, expected, rtol=1e-6)

    model = jl.Sequential([jl.Input((3,)), BuildsOne()])
    assert len(model.weights) == 4


def test_models_that_run_layers_of_their_own_still_say_what_is_wrong():
    with pytest.raises(ValueError, match="shape|axes|expects"):
        jl.Sequential([layers.Conv2D(2, 3)]).build((None, 3))
    with pytest.raises(ValueError, match="has no layers"):
        jl.Sequential().build((None, 3))


@pytest.mark.parametrize("call", [
    lambda m: m(X), lambda m: m(jl.Input((3,))), lambda m: m.predict(X, verbose=0),
    lambda m: m.compute_output_shape((None, 3)),
])  # fmt: skip
def test_an_empty_sequential_says_so(call):
    with pytest.raises(ValueError, match=r"has no layers.*add\(layer\)"):
        call(jl.Sequential(name="empty"))


# Weights in `call`.


class Late(jl.Layer):
    """Adds a weight at each call."""

    def call(self, x):
        self.w = self.add_weight(shape=(3,))
        return x * self.w


class LateWithBuild(Late):
    def build(self, shape):
        self.scale = self.add_weight(shape=())


class Once(jl.Layer):
    """Adds its weight at the first call."""

    def call(self, x):
        if not hasattr(self, "w"):
            self.w = self.add_weight(shape=(3,))
        return x * self.w


@pytest.mark.parametrize("make", [Late, LateWithBuild])
@pytest.mark.parametrize("wrap", [lambda layer: layer, jl.jit, lambda layer: jl.Sequential([layer])])
def test_weights_added_by_every_call_are_refused(make, wrap):
    layer = make()
    function = wrap(layer)
    with pytest.raises(ValueError, match="late.* adds a weight in call.*build"):
        function(X)
        function(X)
    assert len(layer.weights) <= 1
    if make is LateWithBuild:
        assert not layer.built and layer.weights == []


def test_weights_added_by_the_first_call_are_fine():
    for wrap in (lambda layer: layer, jl.jit, lambda layer: jl.Sequential([layer]), jl.remat):
        layer = Once()
        function = wrap(layer)
        np.testing.assert_allclose(function(X), function(X))
        assert len(layer.weights) == 1
    model = jl.Sequential([jl.Input((3,)), Once()])
    assert len(model.weights) == 1 and model(X).shape == (4, 3)
    layer = Once()
    params, state = layer.init(jl.random.SeedGenerator(1).next(), X)
    assert list(params) == ["w"] and not layer.built
    assert layer.apply(params, state, X).outputs.shape == (4, 3)


def test_weights_added_outside_of_call_are_fine():
    layer = layers.Dense(3)
    layer(X)
    layer.more = layer.add_weight(shape=(2,))
    assert len(layer.weights) == 3


# Layers without weights.


def test_layers_without_weights_are_built_when_made():
    made = {
        "Activation": ["relu"], "Reshape": [(3,)], "Dropout": [0.5], "GaussianDropout": [0.5], "AlphaDropout": [0.5],
        "GaussianNoise": [0.5], "SpatialDropout1D": [0.5], "Rescaling": [2.0], "RepeatVector": [2], "Permute": [(2, 1)],
        "CategoryEncoding": [3], "ReLU": [], "LeakyReLU": [], "ELU": [], "Softmax": [], "Identity": [], "Masking": [],
        "Flatten": [], "MaxPooling2D": [], "AveragePooling1D": [2], "GlobalMaxPooling3D": [], "UnitNormalization": [],
        "ActivityRegularization": [], "Add": [], "Concatenate": [], "UpSampling2D": [], "ZeroPadding1D": [],
        "Cropping3D": [], "AdaptiveMaxPooling1D": [2], "RandomFlip": [], "CenterCrop": [2, 2],
    }  # fmt: skip
    for name, args in made.items():
        ours, theirs = getattr(layers, name)(*args), getattr(keras.layers, name)(*args)
        assert ours.built and ours.built >= theirs.built, name
        assert ours.weights == [] and ours.get_build_config() is None


def test_subclasses_with_weights_are_not():
    class Scaled(layers.ReLU):
        def build(self, shape):
            self.scale = self.add_weight(shape=(shape[-1],), initializer="ones")

        def call(self, x):
            return super().call(x) * self.scale

    class More(Scaled):
        pass

    for cls in (Scaled, More):
        layer = cls()
        assert not layer.built
        np.testing.assert_allclose(layer(X), np.maximum(X, 0))
        assert layer.built and len(layer.weights) == 1

    class Inside(layers.Dropout):
        def __init__(self):
            super().__init__(0.5, seed=1)
            self.dense = layers.Dense(2)

        def call(self, x, training=False):
            return self.dense(super().call(x, training=training))

    layer = Inside()
    assert layer(X).shape == (4, 2) and len(layer.weights) == 2
    assert not jl.layers.Lambda(lambda x: x).built and not jl.Layer().built


class ScaledByMixin:
    def build(self, shape):
        self.scale = self.add_weight(shape=(shape[-1],), initializer="ones")
        super().build(shape)


class BuiltByMixin(ScaledByMixin, layers.ReLU):
    def call(self, x):
        return super().call(x) * self.scale


class WeightInCall(layers.ReLU):
    def call(self, x):
        if not hasattr(self, "scale"):
            self.scale = self.add_weight(shape=(x.shape[-1],), initializer="ones")
        return super().call(x) * self.scale


class LayerInCall(layers.ReLU):
    def call(self, x):
        if not hasattr(self, "dense"):
            self.dense = layers.Dense(3, "relu", use_bias=False, kernel_initializer="identity")
        return self.dense(super().call(x))


@pytest.mark.parametrize("cls", [BuiltByMixin, WeightInCall, LayerInCall])
def test_subclasses_that_make_weights_elsewhere_are_not(cls):
    params, state = cls().init(jax.random.key(0), X)
    np.testing.assert_allclose(cls().apply(params, state, X).outputs, np.maximum(X, 0))
    layer = cls()
    np.testing.assert_allclose(layer(X), np.maximum(X, 0))
    assert layer.built and len(layer.weights) == 1


# Idioms of packages.


class Tied(jl.Layer):
    """Reads the kernel of another layer in its `build`."""

    def __init__(self, other):
        super().__init__()
        self.other = other

    def build(self, shape):
        kernel = self.other.kernel.numpy()
        self.w = self.add_weight(shape=kernel.shape, initializer=lambda shape, dtype=None: 2 * kernel)

    def call(self, x):
        return x @ self.w


@pytest.mark.parametrize("use", [
    lambda layer: layer(X), lambda layer: jl.jit(layer)(X), lambda layer: layer(jl.Input((3,))),
    lambda layer: layer.build((None, 3)), lambda layer: jl.Sequential([jl.Input((3,)), layer]),
], ids=["call", "jit", "symbolic", "build", "sequential"])  # fmt: skip
def test_a_kernel_read_while_another_layer_is_built(use):
    class Net(jl.Layer):
        def __init__(self):
            super().__init__()
            self.first = layers.Dense(3)
            self.second = Tied(self.first)

        def call(self, x):
            return self.second(self.first(x))

    net = Net()
    use(net)
    np.testing.assert_array_equal(net.second.w, 2 * net.first.kernel.numpy())


def test_builds_of_nested_shapes_in_builds():
    class Subnet(jl.Layer):
        def __init__(self):
            super().__init__()
            self.stack = [layers.Dense(4), layers.Dense(2)]

        def build(self, shapes):
            if self.built:
                return
            x, time, conditions = shapes
            shape = (*x[:-1], x[-1] + time[-1] + (0 if conditions is None else conditions[-1]))
            for layer in self.stack:
                layer.build(shape)
                shape = layer.compute_output_shape(shape)

        def call(self, inputs):
            x = jl.ops.concatenate([part for part in inputs if part is not None], -1)
            for layer in self.stack:
                x = layer(x)
            return x

        def compute_output_shape(self, shapes):
            return (*shapes[0][:-1], 2)

    class Flow(jl.Layer):
        def __init__(self):
            super().__init__()
            self.subnet = Subnet()

        def build(self, x_shape, conditions_shape=None):
            shapes = (x_shape, (x_shape[0], 1), conditions_shape)
            self.subnet.build(shapes)
            self.projector = layers.Dense(x_shape[-1])
            self.projector.build(self.subnet.compute_output_shape(shapes))

        def call(self, x, conditions=None):
            return self.projector(self.subnet((x, jl.ops.ones((x.shape[0], 1)), conditions)))

    for conditions, count in ((None, 16), (X, 28)):
        shaped, called = Flow(), Flow()
        shaped.build((None, 3), None if conditions is None else (None, 3))
        called(X, conditions)
        assert [w.shape for w in shaped.weights] == [w.shape for w in called.weights] and len(shaped.weights) == 6
        assert shaped.weights[0].size == count and shaped(X, conditions).shape == (4, 3)
