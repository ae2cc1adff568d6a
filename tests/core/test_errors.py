"""Bad input and exceptions: a message that says where, what and how, and nothing changed."""

import contextlib
import os
import traceback

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxlayers as jl
from jaxlayers import BareTransformationError, InputSpec, Layer, Variable, layers
from jaxlayers.common import settings
from jaxlayers.core import scope

bare_jit = pytest.mark.filterwarnings("ignore:jax.jit of")  # of the warning that weights become constants

KEY = jax.random.key(0)


class Statistic(Layer):
    """Writes what it has seen."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.total = Variable(0.0, trainable=False, name="total")

    def call(self, inputs):
        self.total.assign_add(inputs.sum())
        self.add_loss(inputs.mean())
        return inputs


class Bomb(Layer):
    """Goes off where it is told to: in build, or in call before or after its own layer; or not at all."""

    def __init__(self, where=None, error=ValueError, **kwargs):
        super().__init__(**kwargs)
        self.where, self.error = where, error
        self.dense, self.grown = layers.Dense(3), []

    def build(self, input_shape):
        self.grown.append(layers.Dense(3))
        self.w = self.add_weight(shape=(input_shape[-1],), initializer="ones", name="w")
        self.go_off("build")

    def call(self, inputs):
        self.go_off("before")
        outputs = self.grown[0](self.dense(inputs * self.w))
        self.go_off("after")
        return outputs

    def go_off(self, place):
        if self.where == place:
            raise self.error(f"off in {place}")


class Looking(Bomb):
    """Cannot be traced."""

    def call(self, inputs):
        if inputs.sum() > 1e9:
            return inputs
        return super().call(inputs)


class Net(Layer):
    def __init__(self, *inside, **kwargs):
        super().__init__(**kwargs)
        self.first, self.inside, self.statistic = layers.Dense(3), {"list": list(inside)}, Statistic()

    def call(self, inputs):
        x = self.statistic(self.first(inputs))
        for layer in self.inside["list"]:
            x = layer(x)
        return self.statistic(x)


def bomb_in(net):
    return next(below for below in net._tracked_objects if isinstance(below, Bomb))


def nested(bomb):
    return Net(Net(bomb))


PLACES = ["build", "before", "after"]
SHAPES = {"alone": lambda bomb: bomb, "inside": lambda bomb: Net(bomb), "nested": nested,
          "sequential": lambda bomb: jl.Sequential([layers.Dense(3), bomb, layers.BatchNormalization()])}  # fmt: skip
USES = {
    "call": lambda net, x: net(x),
    "training": lambda net, x: net(x, training=True),
    "init": lambda net, x: net.init(KEY, x),
    "shape": lambda net, x: net.compute_output_shape(x.shape),
    "jit": lambda net, x: jl.jit(net)(x),
    "grad": lambda net, x: jl.grad(lambda x: net(x).sum())(x),
    "vmap": lambda net, x: jl.vmap(net)(x[:, None]),
    "scan": lambda net, x: jl.scan(lambda c, row: (c, net(row)), 0, x[None]),
    "bare jit": lambda net, x: jax.jit(lambda x: net(x))(x),
}


@pytest.mark.parametrize("use", ["call", "training", "init", "shape", "jit", "vmap"])
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("bomb", [Bomb, Looking])
def test_an_exception_in_the_first_call_leaves_the_layer_unbuilt(use, place, bomb, x, picture):
    for shape in ("alone", "nested") if use in ("call", "init") else ("inside",):
        if bomb is Looking and use != "call":
            continue
        net = SHAPES[shape](bomb(place))
        before = picture(net)
        with pytest.raises(ValueError, match=f"off in {place}"):
            USES[use](net, x)
        assert picture(net) == before and scope.current() is None
        assert not net.built and net.weights == [w for w in net.weights if w.name == "total"]
        bomb_in(net).where = None
        assert net(x).shape == (2, 3)
        assert len(bomb_in(net).grown) == 1 and len(bomb_in(net).weights) == 5
        assert all(below.built for below in net._tracked_objects)


@pytest.mark.parametrize(
    ("use", "shape"),
    [("call", shape) for shape in SHAPES] + [(use, "inside") for use in USES if use not in ("init", "bare jit")],
)
def test_an_exception_in_a_later_call_changes_nothing(use, shape, x, picture):
    net = SHAPES[shape](Bomb())
    net(x)
    net(x, training=True)
    expected = np.asarray(net.apply(net.params, net.state, x).outputs)
    for place in ("before", "after"):
        bomb_in(net).where = place
        before = picture(net)
        with pytest.raises(ValueError, match=f"off in {place}"):
            USES[use](net, x)
        assert picture(net) == before and scope.current() is None
        bomb_in(net).where = None
        np.testing.assert_array_equal(net.apply(net.params, net.state, x).outputs, expected)
    net(x)


@pytest.mark.parametrize("bomb", [Bomb, Looking])
def test_an_exception_in_a_later_build_changes_nothing(bomb, x, picture):
    """A part that is first used in a later call: its build is undone, and what the call wrote before it."""

    class Late(Net):
        def call(self, inputs, deep=False):
            x = self.statistic(self.first(inputs))
            return self.inside["list"][0](x) if deep else x

    for place in PLACES:
        net = Late(bomb(place))
        net(x)
        before = picture(net)
        for use in (
            lambda net, x: net(x, deep=True),
            lambda net, x: net.init(KEY, x, deep=True),
            lambda net, x: jl.jit(lambda x: net(x, deep=True))(x),
        ):
            if bomb is Looking and use(Late(Statistic()), x) is not None and place:
                continue
            with pytest.raises(ValueError, match=f"off in {place}"):
                use(net, x)
            assert picture(net) == before
        with pytest.raises(ValueError, match=f"off in {place}"):
            net(x, deep=True)
        assert picture(net) == before
        bomb_in(net).where = None
        assert net(x, deep=True).shape == (2, 3) and len(bomb_in(net).grown) == 1


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt, SystemExit, GeneratorExit, MemoryError, StopIteration, RuntimeError]
)
def test_every_kind_of_exception(error, x, picture):
    for place in PLACES:
        net = Net(Bomb(place, error))
        before = picture(net)
        with pytest.raises(error):
            net(x)
        assert picture(net) == before
    net = Net(Bomb(None, error))
    net(x)
    before, bomb_in(net).where = picture(net), "after"
    with pytest.raises(error):
        net(x)
    bomb_in(net).where = None
    assert picture(net) == before
    net(x)


def test_exceptions_caught_by_the_author_keep_what_was_written(x):
    """A layer that catches its sublayer's exception succeeds: what it wrote is stored, once."""

    class Careful(Net):
        def call(self, inputs):
            x = self.statistic(self.first(inputs))
            try:
                return self.inside["list"][0](x)
            except ValueError:
                return x

    net = Careful(Bomb("after"))
    net(x)
    first = float(net.statistic.total.value)
    assert first != 0
    net(x)
    np.testing.assert_allclose(float(net.statistic.total.value), 2 * first, rtol=1e-5)


def test_the_message_is_the_authors_with_the_place_added(x):
    net = Net(Net(Bomb("after")), name="net")
    for use in (net, lambda x: net.init(KEY, x), jl.jit(net)):
        with pytest.raises(ValueError, match="off in after") as error:
            use(x)
        assert str(error.value) == "off in after"
        notes = [note for note in error.value.__notes__ if "layer" in note]
        assert len(notes) == 1 and "'net/inside/list/0/inside/list/0'" in notes[0] and "float32[2, 3]" in notes[0]


# Tracebacks.


def frames(error):
    return [os.path.dirname(frame.filename) for frame in traceback.extract_tb(error.__traceback__)]


@pytest.mark.parametrize("use", ["call", "jit", "grad", "init", "apply", "shape"])
@pytest.mark.parametrize("built", [False, True])
def test_tracebacks_end_in_the_users_code(use, built, x):
    if built and use == "init":
        pytest.skip("nothing is called")
    net = Net(Bomb("after" if not built else None))
    params = state = {}
    if built:
        net(x)
        params, state = net.params, net.state
        bomb_in(net).where = "after"
    elif use == "apply":
        params, state = Net(Bomb()).init(KEY, x)
    uses = {**USES, "apply": lambda net, x: net.apply(params, state, x)}
    with pytest.raises(ValueError, match="off in after") as error:
        uses[use](net, x)
    places = frames(error.value)
    here, ours = os.path.dirname(__file__), os.path.dirname(os.path.dirname(settings.__file__))
    assert places[-1] == here and places.count(here) >= 4  # the test, both calls, go_off
    inside = [place for place in places if place.startswith((ours, os.path.dirname(jax.__file__)))]
    assert len(inside) <= 3, inside  # where the error is raised again; not the way down to it


def test_all_frames_are_shown_when_asked_for(x):
    net = Net(Bomb())
    net(x)
    bomb_in(net).where = "after"
    jl.config.disable_traceback_filtering()
    try:
        with pytest.raises(ValueError, match="off") as error:
            net(x)
    finally:
        jl.config.enable_traceback_filtering()
    ours = os.path.dirname(scope.__file__)
    assert frames(error.value).count(ours) >= 4


# Inputs.


@pytest.mark.parametrize(("spec", "value", "words"), [
    (InputSpec(ndim=3), jnp.ones((2, 3)), ["3 axes", "(2, 3)"]),
    (InputSpec(min_ndim=3), jnp.ones((2, 3)), ["at least 3", "(2, 3)"]),
    (InputSpec(max_ndim=1), jnp.ones((2, 3)), ["at most 1", "(2, 3)"]),
    (InputSpec(axes={-1: 4}), jnp.ones((2, 3)), ["4", "axis -1", "(2, 3)"]),
    (InputSpec(axes={3: 1}), jnp.ones((2, 3)), ["axis 3", "(2, 3)"]),
    (InputSpec(shape=(None, 5)), jnp.ones((2, 3)), ["(None, 5)", "(2, 3)"]),
    (InputSpec(dtype="int32"), jnp.ones((2, 3)), ["int32", "float32"]),
    ([InputSpec(ndim=2), InputSpec(ndim=2)], jnp.ones((2, 3)), ["2 inputs", "1"]),
    ([InputSpec(ndim=2), InputSpec(ndim=1)], [jnp.ones((2, 3)), jnp.ones((2, 3))], ["input 1", "1 axis", "(2, 3)"]),
    (InputSpec(ndim=2), "text", ["array", "str"]),
])  # fmt: skip
@pytest.mark.parametrize("built", [False, True])
def test_inputs_that_do_not_fit_the_spec(spec, value, words, built, picture):
    class Picky(Layer):
        def call(self, inputs):
            return inputs

    net = jl.Sequential([layers.Identity(), Picky(name="picky")], name="net")
    if built:
        net(jnp.ones((2, 3)))
    net.layers[1].input_spec = spec
    before = picture(net)
    for use in (net, lambda v: net.apply({}, {}, v)):
        with pytest.raises(ValueError, match="net/picky") as error:
            use(value)
        for word in words:
            assert word in str(error.value)
    assert picture(net) == before


def test_an_input_of_another_size_names_layer_expected_and_received(x, picture):
    net = jl.Sequential([layers.Dense(4, name="first"), layers.Dense(2, name="second")], name="net")
    net(x)
    before = picture(net)
    uses = [net, lambda v: net.apply(net.params, net.state, v), jl.jit(net),
            lambda v: jax.jit(net.apply)(net.params, net.state, v),
            lambda v: net.compute_output_shape(v.shape)]  # fmt: skip
    for use in uses:
        with pytest.raises(ValueError, match="'net/first'") as error:
            use(jnp.ones((1, 7)))
        assert "3" in str(error.value) and "(1, 7)" in str(error.value) and "float32" in str(error.value)
    assert picture(net) == before
    np.testing.assert_array_equal(net(x), net.apply(net.params, net.state, x).outputs)


def test_init_of_a_built_layer_does_not_take_inputs_it_cannot_be_called_with(x):
    net = jl.Sequential([layers.Dense(4, name="first"), layers.Dense(2, name="second")], name="net")
    net(x)
    with pytest.raises(ValueError, match="'net/first'"):
        net.init(KEY, jnp.ones((1, 7)))


@pytest.mark.parametrize("value", [[[1.0, 2.0]], 3.0, "text"])
def test_a_layer_that_is_built_from_shapes_says_that_it_got_none(value):
    layer = jl.layers.Dense(2, name="it")
    with pytest.raises(ValueError, match=rf"'it' .*received {type(value).__name__}.*asarray"):
        layer(value)
    assert not layer.built


def test_calls_with_wrong_arguments(x, picture):
    net = Net()
    net(x)
    before = picture(net)
    for use in (lambda: net(), lambda: net(x, x, x), lambda: net(x, unknown=1)):
        with pytest.raises(TypeError):
            use()
        assert picture(net) == before
    with pytest.raises(TypeError):
        Net()()


# Reserved names.


@pytest.mark.parametrize("name", ["init", "apply", "params", "state"])
@pytest.mark.parametrize(
    "value",
    [1, "text", None, [1.0], lambda x: x, layers.Dense(2), Variable(1.0), jnp.ones(2)],
    ids=lambda v: type(v).__name__,
)
def test_reserved_names(name, value, x, picture):
    class Author(Layer):
        def __init__(self):
            super().__init__()
            setattr(self, name, value)

    with pytest.raises(AttributeError, match=name) as error:
        Author()
    for word in ("Author", "init, apply, params, state", "name"):
        assert word in str(error.value)
    layer = layers.Dense(2)
    layer(x)
    before = picture(layer)
    with pytest.raises(AttributeError, match=name):
        setattr(layer, name, value)
    assert picture(layer) == before
    assert layer.apply(*layer.init(KEY, x), x).outputs.shape == (2, 2)


# Bare transformations.


BARE = {
    "jit": lambda f, x: jax.jit(f)(x),
    "grad": lambda f, x: jax.grad(lambda x: f(x).sum())(x),
    "vmap": lambda f, x: jax.vmap(f)(x[:, None]),
    "scan": lambda f, x: jax.lax.scan(lambda c, row: (c, f(row)), 0, x[None]),
    "eval_shape": lambda f, x: jax.eval_shape(f, x),
    "checkpoint": lambda f, x: jax.checkpoint(f)(x),
    "cond": lambda f, x: jax.lax.cond(True, f, lambda x: x, x),
    "while": lambda f, x: jax.lax.while_loop(lambda c: False, f, x),
    "map": lambda f, x: jax.lax.map(f, x[None]),
    "jvp": lambda f, x: jax.jvp(f, (x,), (x,)),
    "linearize": lambda f, x: jax.linearize(f, x)[0],
}


@bare_jit
@pytest.mark.parametrize("transform", BARE.values(), ids=BARE)
@pytest.mark.parametrize("built", [True, False])
def test_a_write_in_a_bare_transformation(transform, built, x, picture):
    net = Net(layers.BatchNormalization(), name="net")
    if built:
        net(x)
    before = picture(net)
    with pytest.raises(BareTransformationError) as error:
        transform(lambda x: net(x, training=True), x)
    message = str(error.value)
    for word in ("'net/statistic/total'", "jl.jit", "jl.grad", "jl.vmap", "jl.scan", "apply(params, state"):
        assert word in message
    if built:
        assert picture(net) == before
    expected = np.asarray(net.apply(net.params, net.state, x).outputs) if built else None
    outputs = net(x)
    if built:
        np.testing.assert_array_equal(outputs, expected)


@bare_jit
@pytest.mark.parametrize("transform", BARE.values(), ids=BARE)
def test_a_call_that_writes_nothing_works_in_a_bare_transformation(transform, x, picture):
    net = jl.Sequential([layers.Dense(3), layers.Dropout(0.5), layers.BatchNormalization(), layers.Dense(3)])
    net(x)
    before = picture(net)
    with jax.checking_leaks():
        transform(net, x)
    assert picture(net) == before


@pytest.mark.parametrize(
    "transform",
    [value for name, value in BARE.items() if name != "grad"],
    ids=[name for name in BARE if name != "grad"],
)
def test_a_write_in_a_bare_transformation_inside_a_call(transform, x, picture):
    class Inner(Layer):
        def __init__(self):
            super().__init__()
            self.count = Variable(0.0, trainable=False)
            self.dense = layers.Dense(3)

        def call(self, inputs):
            def body(a):
                self.count.assign_add(1.0)
                return self.dense(a)

            self.count.assign_add(1.0)  # this one may
            return transform(body, inputs)

    net = Net(Inner(), name="net")
    before = picture(net)
    params, state = None, None
    for use in (lambda: net(x), lambda: net.init(KEY, x), lambda: jl.jit(net)(x)):
        with pytest.raises(BareTransformationError, match="'net/inside/list/0/count'"):
            use()
        assert picture(net) == before
    assert params is state


def test_a_loss_that_was_added_in_a_bare_transformation_does_not_leak(x):
    """A loss is no state; but a tracer kept as one would break whoever looks at it."""
    net = Statistic()
    net(x)

    class Scanning(Layer):
        def call(self, inputs):
            def body(carry, row):
                self.add_loss(row.sum())
                return carry, row

            return jax.lax.scan(body, 0, inputs)[1]

    layer = Scanning()
    with pytest.raises(BareTransformationError, match=r"jl.scan"):
        layer(x)
    assert layer.losses == []
    with pytest.raises(BareTransformationError):
        layer.apply({}, {}, x)


def test_the_losses_of_a_bare_transformation_stay_inside(x):
    class Adding(Layer):
        def call(self, inputs):
            self.add_loss((inputs**2).sum())
            return inputs

    layer = Adding()
    layer(x)
    expected = [float(v) for v in layer.losses]
    jax.jit(lambda x: layer(x))(x * 3)
    with contextlib.suppress(BareTransformationError):
        assert [float(v) for v in layer.losses] in ([], expected)  # no tracer comes out
    gradient = jax.grad(lambda x: layer(x).sum() + sum(layer.losses))(x * 3)  # inside they are there
    np.testing.assert_allclose(gradient, 1 + 6 * x, rtol=1e-5)
    layer(x)
    assert [float(v) for v in layer.losses] == expected


@bare_jit
def test_set_weights_and_trees_inside_a_bare_transformation(x, picture):
    net = layers.Dense(2)
    net(x)
    before = picture(net)
    for write in (lambda a: net.set_weights([w + a for w in net.weights]),
                  lambda a: setattr(net, "params", jax.tree.map(lambda p: p + a, net.params)),
                  lambda a: net.kernel.assign_add(a)):  # fmt: skip
        with pytest.raises((BareTransformationError, TypeError)):
            jax.jit(write)(1.0)
        assert picture(net) == before


# Building.


def test_a_shape_that_cannot_be_built(picture):
    net = jl.Sequential([layers.Dense(3), layers.Lambda(lambda a: a.reshape(-1, 7))], name="net")
    before = picture(net)
    for use in (
        lambda: net.build((2, 5)),
        lambda: net.build((2,)),
        lambda: net(jnp.ones((2, 5))),
        lambda: net.compute_output_shape((2, 5)),
    ):
        with pytest.raises((TypeError, ValueError), match=r"reshape|2 axes"):
            use()
        assert picture(net) == before
    assert net(jnp.ones((7, 5))).shape == (3, 7)


def test_weights_with_wrong_shapes(picture):
    for shape in ((2, None), (-3,), ("a",)):
        layer = layers.Dense(2)
        before = picture(layer)
        with pytest.raises((ValueError, TypeError), match=r"shape|invalid literal"):
            layer.add_weight(shape=shape)
        assert picture(layer) == before
    with pytest.raises(ValueError, match=r"Dense|dense"):
        layers.Dense(2)(jnp.ones(3))


def test_add_weight_before_super_init():
    class Hasty(Layer):
        def __init__(self):
            self.w = self.add_weight(shape=(2,))

    with pytest.raises(RuntimeError, match=r"Hasty.*super\(\).__init__\(\)"):
        Hasty()


def test_a_call_before_super_init(x):
    class Forgetful(Layer):
        def __init__(self):
            self.units = 3

        def call(self, inputs):
            return inputs

    with pytest.raises(RuntimeError, match=r"Forgetful.*super\(\).__init__\(\)"):
        Forgetful()(x)
