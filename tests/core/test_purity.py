"""Messages about weights that a function uses without having been given them."""

import collections
import dataclasses
import types
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxlayers as jl
from jaxlayers import layers

X = np.random.default_rng(0).normal(size=(4, 2)).astype("float32")
Y = np.ones((4, 3), "float32")
KEY = jax.random.key(0)


@dataclasses.dataclass
class Box:
    dense: layers.Layer


class Inside(jl.Model):
    """A model that makes its layer in `call`."""

    def call(self, x):
        return layers.Dense(3)(x)


class Hidden(jl.Model):
    """A model that keeps its layer where `tracking` does not look."""

    def __init__(self, hide, find):
        super().__init__()
        self.box, self.find = hide(layers.Dense(3)), find

    def call(self, x):
        return self.find(self.box)(x)


def in_closure():
    dense = layers.Dense(3)

    class Closing(jl.Model):
        def call(self, x):
            return dense(x)

    return Closing()


MODELS = {
    "call": Inside,
    "namespace": lambda: Hidden(lambda d: types.SimpleNamespace(dense=d), lambda box: box.dense),
    "deque": lambda: Hidden(lambda d: collections.deque([d]), lambda box: box[0]),
    "object array": lambda: Hidden(lambda d: np.array([d, None], dtype=object), lambda box: box[0]),
    "dataclass": lambda: Hidden(Box, lambda box: box.dense),
    "closure": in_closure,
    "lambda": lambda: jl.Sequential([layers.Lambda(in_closure())]),
}


def fit(model):
    model.compile("sgd", "mse")
    model.fit(X, Y, verbose=0)


def pure_step(model):
    model.compile("sgd", "mse")
    model(X)
    model.make_train_step()(model.train_state, (X, Y))


USES = {
    "init": lambda m: m.init(KEY, X),
    "apply": lambda m: m.apply({}, {}, X),
    "init of a built model": lambda m: m(X) is not None and m.init(KEY, X),
    "apply of a built model": lambda m: m(X) is not None and m.apply({}, {}, X),
    "stateless_call": lambda m: m(X) is not None and m.stateless_call([], [], X),
    "fit": fit,
    "the pure step": pure_step,
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("make", MODELS)
def test_weights_that_are_not_part_of_a_layer_are_told(make, use):
    model = MODELS[make]()
    with pytest.raises(ValueError, match=r"dense.* of a layer that is not part of it[\s\S]*attribute of"):
        USES[use](model)


def test_eager_calls_are_as_in_keras():
    for make in MODELS.values():
        assert make()(X).shape == (4, 3)


def test_parts_of_the_layer_may_be_reached_by_other_ways():
    class Net(jl.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(3)
            self.box = types.SimpleNamespace(dense=self.dense)

        def call(self, x):
            return self.box.dense(x)

    model = Net()
    params, state = model.init(KEY, X)
    assert model.apply(params, state, X).outputs.shape == (4, 3)
    fit(model)
    assert len(model.trainable_variables) == 2


def test_frozen_weights_outside_are_constants():  # as a teacher, or the features of a loss
    teacher = layers.Dense(3, trainable=False)
    with pytest.raises(ValueError, match="build their layer before, and set its trainable=False"):
        jl.Sequential([layers.Lambda(lambda x: teacher(x))]).init(KEY, X)
    teacher(X)

    class Student(jl.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(3)

        def call(self, x):
            return self.dense(x) - teacher(x)

    model = Student()
    params, state = model.init(KEY, X)
    assert params.keys() == {"dense"} and state == {}
    np.testing.assert_allclose(
        model.apply(params, state, X).outputs, X @ params["dense"]["kernel"] - teacher(X), rtol=1e-5, atol=1e-6
    )
    fit(model)


def test_a_loss_may_use_weights_outside():
    features = layers.Dense(5)
    features(Y)
    model = jl.Sequential([layers.Dense(3)])
    model.compile("sgd", lambda y, p: jnp.mean((features(y) - features(p)) ** 2, axis=-1))
    model.fit(X, Y, verbose=0)
    model.make_train_step()(model.train_state, (X, Y))


def test_draws_of_layers_that_call_makes_depend_on_the_key_alone():
    class Dropping(layers.Layer):
        def call(self, x):
            return layers.Dropout(0.5)(layers.Dropout(0.5)(x))

    layer, ones = Dropping(), jnp.ones((8, 8))
    params, state = layer.init(KEY, ones)
    first, second = (layer.apply(params, state, ones, rng=KEY, training=True).outputs for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert 0 < (np.asarray(first) == 4).sum() < 40  # the two masks differ


def test_metrics_that_call_updates_are_in_the_state_of_apply():
    class Measured(jl.Model):
        def __init__(self):
            super().__init__()
            self.dense, self.mean = layers.Dense(3), jl.metrics.Mean()

        def call(self, x):
            self.mean.update_state(2.0)
            return self.dense(x)

    model = Measured()
    params, state = model.init(KEY, X)
    assert float(model.apply(params, state, X).state["mean"]["total"]) == 2.0
    model(X)
    with pytest.raises(ValueError, match=r"mean/total.* written in a pure[\s\S]*For metrics, call apply"):
        model.stateless_call(model.trainable_variables, model.non_trainable_variables, X)


# --- the boundary of jax.jit ------------------------------------------------------------------------------------------


@pytest.fixture
def dense():
    layer = layers.Dense(3)
    layer(X)
    return layer


BAKED = "stores .* as constants in the compiled program[\\s\\S]*jl.jit"


def test_a_bare_jit_warns_once_for_each_function(dense):
    def forward(x):
        return dense(x) + dense(x)

    with pytest.warns(UserWarning, match=f"'forward'.*'{dense.path}'.*{BAKED[7:]}") as caught:
        jitted = jax.jit(forward)
        jitted(X)
    assert len(caught) == 1 and caught[0].filename == __file__
    assert caught[0].lineno == forward.__code__.co_firstlineno
    jitted(X[:2])  # traced again, without a warning: warnings are errors in these tests
    with pytest.warns(UserWarning, match=BAKED):
        jax.jit(lambda x: dense.kernel + x)(1.0)
    with pytest.warns(UserWarning, match=BAKED):
        jax.jit(lambda x: dense.apply(dense.params, dense.state, x).outputs)(X)


@pytest.mark.parametrize(
    "transform",
    [
        lambda f: jax.jit(jax.grad(lambda x: f(x).sum())),
        lambda f: jax.grad(jax.jit(lambda x: f(x).sum())),
        lambda f: jax.jit(lambda x: jax.lax.scan(lambda c, _: (c + f(x).sum(), None), 0.0, None, length=2)[0]),
        lambda f: jax.jit(jax.vmap(f)),
        lambda f: jax.pmap(lambda x: f(x)),
    ],
    ids=["grad inside", "grad outside", "scan", "vmap", "pmap"],
)
def test_a_jit_is_found_among_other_transformations(dense, transform):
    with pytest.warns(UserWarning, match=BAKED):
        transform(lambda x: dense(x))(jnp.ones((1, 4, 2)))


def test_a_jitted_layer_is_named(dense):
    with pytest.warns(UserWarning, match=f"jax.jit of '{dense.path}'"):
        jax.jit(dense)(X)


def test_other_transformations_do_not_warn(dense):
    def total(x):
        return dense(x).sum()

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        jax.grad(total)(X)
        jax.vmap(total)(X[:, None])
        jax.lax.scan(lambda c, x: (c + total(x[None]), None), 0.0, X)
        jax.lax.cond(True, total, lambda x: 0.0, X)
        jax.eval_shape(total, X)
        jax.make_jaxpr(total)(X)
        jax.hessian(lambda x: dense(x * X).sum())(1.0)
        jax.checkpoint(total)(X)
        jl.jit(total)(X)
        jl.jit(jax.grad(total))(X)
        jax.jit(lambda p, s, x: dense.apply(p, s, x).outputs)(dense.params, dense.state, X)
        jax.jit(lambda x: layers.ReLU()(x))(X)


@pytest.mark.parametrize("wrap", [lambda layer: layer, lambda layer: [layer], lambda layer: {"a": layer}])
def test_a_layer_as_an_argument_of_jit_is_told(dense, wrap):
    with pytest.raises(ValueError, match=r"jl\.jit[\s\S]*layer\.apply"):
        jax.jit(lambda layer, x: x)(wrap(dense), X)


# --- losses of other calls --------------------------------------------------------------------------------------------


class Penalty(layers.Layer):
    def __init__(self, weight=1.0):
        super().__init__()
        self.weight = weight

    def call(self, x):
        self.add_loss(self.weight * jnp.mean(x))
        return x


class Pair(jl.Model):
    def __init__(self):
        super().__init__()
        self.first, self.second = Penalty(1.0), Penalty(10.0)

    def call(self, x):
        return self.second(self.first(x))


def test_losses_of_calls_of_parts_are_those_of_the_whole():
    pair = Pair()
    pair.first(jnp.full((2, 2), 2.0))
    pair.second(jnp.full((2, 2), 3.0))
    assert [float(v) for v in pair.losses] == [2.0, 30.0]
    pair(jnp.ones((2, 2)))  # replaces both
    assert [float(v) for v in pair.losses] == [1.0, 10.0]
    pair.first(jnp.full((2, 2), 5.0))  # replaces its own
    assert [float(v) for v in pair.losses] == [10.0, 5.0]
    assert [float(v) for v in pair.first.losses] == [5.0]
    assert [
        float(v) for v in jl.jit(lambda x: (pair.second(x), pair.first(x), list(pair.losses))[2])(X[:1] * 0 + 1)
    ] == [
        10.0,
        1.0,
    ]


def test_losses_of_earlier_calls_cannot_be_read_in_a_compiled_function():
    pair = Pair()
    pair(jnp.ones((2, 2)))
    with pytest.raises(ValueError, match="outside of the compiled function"):
        jl.jit(lambda: sum(pair.losses))()
    with pytest.raises(ValueError, match="outside of the compiled function"):
        jl.jit(lambda x: (pair.first(x), sum(pair.losses))[1])(jnp.ones((2, 2)))
    assert float(jl.jit(lambda x: (pair(x), sum(pair.losses))[1])(jnp.ones((2, 2)))) == 11.0


class Stepping(jl.Model):
    """A model with a step of the author's own, whose loss calls another network."""

    def __init__(self, make_other):
        super().__init__()
        self.body, self.box = layers.Dense(3), types.SimpleNamespace(make_other=make_other)

    def call(self, x):
        return self.body(x)

    def train_step(self, data):
        x, y = data
        weights = self.trainable_variables

        def loss():
            return jnp.mean((self.box.make_other()(self(x)) - y) ** 2)

        value, gradients = jl.value_and_grad(loss, wrt=weights)()
        self.optimizer.apply_gradients(zip(gradients, weights, strict=True))
        return {"loss": value}

    def test_step(self, data):
        return {"loss": jnp.mean((self.box.make_other()(self(data[0])) - data[1]) ** 2)}


def fixed(is_built=True, is_frozen=False):
    other = layers.Dense(3)
    if is_built:
        other(np.ones((1, 3), "float32"))
    other.trainable = not is_frozen
    return lambda: other


@pytest.mark.parametrize("steps", (1, 2))
@pytest.mark.parametrize("make_other", (lambda: layers.Dense(3), fixed(is_built=False)), ids=("made", "unbuilt"))
def test_weights_that_an_own_step_makes_are_refused(make_other, steps):
    for method in (jl.Model.fit, jl.Model.evaluate):
        model = Stepping(make_other)
        model.compile("sgd", steps_per_execution=steps)
        with pytest.raises(ValueError, match="of a layer that is not part of it, so the weight would not be in params"):
            method(model, X, Y, batch_size=2, verbose=0)


def test_fixed_networks_of_an_own_step():
    model = Stepping(fixed())
    model.compile("sgd")
    with pytest.warns(UserWarning, match="train_step of 'stepping' uses the weight 'dense/kernel'.*trainable=False"):
        model.fit(X, Y, verbose=0)
    model = Stepping(fixed(is_frozen=True))
    model.compile("sgd")
    model.fit(X, Y, verbose=0)  # without a warning
    discriminator = fixed()
    model, descent = Stepping(discriminator), jl.optimizers.SGD()

    def train_both(data):
        weights = discriminator().trainable_variables
        gradients = jl.grad(lambda: jnp.mean(discriminator()(model(data[0]))), wrt=weights)()
        descent.apply(gradients, weights)
        return Stepping.train_step(model, data)

    model.train_step = train_both
    model.compile("sgd")
    model.fit(X, Y, verbose=0)  # the step trains it


def test_a_dropout_that_call_makes():
    class Inline(jl.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(64, kernel_initializer="ones")

        def call(self, x, training=False):
            return layers.Dropout(0.5)(self.dense(x), training=training)

    model = Inline()
    model.compile("sgd", "mse")
    model.fit(X, np.ones((4, 64), "float32"), batch_size=3, verbose=0)
    step = jl.jit(lambda x: model(x, training=True))
    assert (step(X) != step(X)).any() and (model(X, training=True) != model(X, training=True)).any()
    params, state = model.params, model.state
    first, again, other = (
        model.apply(params, state, X, rng=jax.random.key(seed), training=True).outputs for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any() and not jax.tree.leaves(state)
