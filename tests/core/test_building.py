"""How layers get their weights: lazily, in one abstract run, and undone when it fails or was only borrowed."""

import copy

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxlayers as jl
from jaxlayers import Layer, Variable, layers
from jaxlayers.core import random as keys

bare_jit = pytest.mark.filterwarnings("ignore:jax.jit of")  # of the warning that weights become constants

KEY = jax.random.key(3)


class InBuild(Layer):
    """Makes layers of its own in build(), and puts some into containers that were there before."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.blocks, self.table, self.plain = [], {"given": layers.Dense(3)}, ["kept"]

    def build(self, input_shape):
        self.width = input_shape[-1]
        self.first = layers.Dense(self.width)
        self.blocks.append(layers.Dense(4))
        self.blocks.append([layers.BatchNormalization()])
        self.table["more"] = {"inner": [layers.Dense(2)]}
        self.scale = self.add_weight(shape=(self.width,), initializer="ones", name="scale")

    def call(self, inputs):
        x = self.first(inputs * self.scale)
        x = self.blocks[1][0](self.blocks[0](x))
        return self.table["more"]["inner"][0](self.table["given"](x))


class InCall(Layer):
    """Makes its layers at the first call."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.stack = []

    def call(self, inputs):
        if not self.stack:
            self.stack.append(layers.Dense(4))
            self.head = layers.Dense(inputs.shape[-1])
        return self.head(self.stack[0](inputs))


class OnValues(Layer):
    """Looks at its inputs, so that it cannot be traced."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.positive, self.negative = layers.Dense(2), layers.Dense(2)

    def call(self, inputs):
        if inputs.sum() > 0:
            return self.positive(inputs)
        return self.negative(inputs)


class Counting(Layer):
    def __init__(self):
        super().__init__()
        self.builds, self.calls = 0, 0

    def build(self, input_shape):
        self.builds += 1
        self.w = self.add_weight(shape=(input_shape[-1], 2), initializer="ones")

    def call(self, inputs):
        self.calls += 1
        return inputs @ self.w


class Wrapping(Layer):
    def __init__(self, inside, **kwargs):
        super().__init__(**kwargs)
        self.inside = inside

    def call(self, inputs):
        return self.inside(inputs)


def shapes(tree):
    return jax.tree.map(jnp.shape, tree)


def test_built_once_at_the_first_call(x):
    layer = Counting()
    assert not layer.built and layer.weights == []
    np.testing.assert_allclose(layer(x), x @ np.ones((3, 2)), rtol=1e-5)
    layer(x), layer(x[:1]), layer.apply(layer.params, layer.state, x)
    assert layer.built and layer.builds == 1 and [w.shape for w in layer.weights] == [(3, 2)]


def test_the_call_is_traced_once_and_run_once_at_first(x):
    layer = Wrapping(Counting())
    layer(x)
    assert layer.inside.builds == 1 and layer.inside.calls == 2  # on shapes, then on values
    layer(x)
    assert layer.inside.calls == 3


@pytest.mark.parametrize(
    "make", [InBuild, InCall, lambda: Wrapping(Wrapping(InBuild()))], ids=["build", "call", "nested"]
)
@pytest.mark.parametrize("way", ["call", "build"])
def test_layers_made_on_the_way_are_found(make, way, x):
    if make is InBuild and way == "build":
        return  # its own `build` is all that a call of `build` runs
    layer = make()
    layer(x) if way == "call" else layer.build((None, 3))
    assert all(getattr(below, "built", True) for below in layer._tracked_objects)
    assert len(layer.weights) == {InBuild: 13, InCall: 4}.get(make, 13)
    assert all(weight.held is not None for weight in layer.weights)
    params, state = layer.params, layer.state
    np.testing.assert_array_equal(layer(x), layer.apply(params, state, x).outputs)


def test_the_structure_of_a_build_is_that_of_init(x):
    for make in (InBuild, InCall, lambda: jl.Sequential([InBuild(), InCall()])):
        fresh, built = make(), make()
        built(x)
        assert shapes(fresh.init(KEY, x)) == shapes((built.params, built.state))
        assert shapes(built.init(KEY, x)) == shapes((built.params, built.state))
        jax.tree.map(np.testing.assert_array_equal, fresh.init(KEY, x), built.init(KEY, x))


@pytest.mark.parametrize("make", [InBuild, InCall, OnValues, lambda: Wrapping(InBuild()), lambda: layers.Dense(2),
                                  lambda: jl.Sequential([layers.Dense(2), InCall(), layers.Dropout(0.5)])],
                         ids=["build", "call", "values", "nested", "dense", "sequential"])  # fmt: skip
def test_the_pure_functions_leave_an_unbuilt_facade_exactly_as_it_was(make, x, picture):
    layer = make()
    traceable = make is not OnValues
    before = picture(layer)
    uses = [
        lambda: layer.compute_output_shape((None, 3)),
        lambda: layer.compute_output_shape((2, 5)),
        lambda: layer.compute_output_spec(jl.Input((3,))),
        lambda: jax.eval_shape(layer.init, KEY, x),
        lambda: jax.eval_shape(jax.jit(layer.init), KEY, x),
    ]
    for use in uses if traceable else []:
        use()
        assert picture(layer) == before
    params, state = layer.init(KEY, x)
    assert picture(layer) == before
    wide = jnp.ones((4, 6))
    other_params, other_state = layer.init(KEY, wide)
    assert picture(layer) == before
    for _ in range(2):
        layer.apply(params, state, x)
        assert picture(layer) == before
        layer.apply(other_params, other_state, wide)
        assert picture(layer) == before
    if make is InBuild:
        jax.jit(layer.apply)(params, state, x)
        jax.grad(lambda p: layer.apply(p, state, x).outputs.sum())(params)
        jax.vmap(lambda row: layer.apply(params, state, row[None]).outputs)(x)
        assert picture(layer) == before
    layer(wide)  # and it can still be built, for anything
    assert layer.built


def test_inits_for_several_sizes(x):
    layer = InBuild()
    narrow, wide = layer.init(KEY, x), layer.init(KEY, jnp.ones((2, 5)))
    assert narrow[0]["first"]["kernel"].shape == (3, 3) and wide[0]["first"]["kernel"].shape == (5, 5)
    jax.tree.map(np.testing.assert_array_equal, narrow, layer.init(KEY, x))
    np.testing.assert_array_equal(
        narrow[0]["table"]["given"]["kernel"], wide[0]["table"]["given"]["kernel"]
    )  # one path, one shape
    layer(x)
    assert layer.first.kernel.shape == (3, 3) and len(layer.blocks) == 2


def test_apply_on_an_unbuilt_facade_traces_it_once_for_a_structure(x):
    layer = Wrapping(Counting())
    params, state = layer.init(KEY, x)
    calls = []
    layer.inside.call = lambda inputs, call=layer.inside.call: (calls.append(inputs.shape), call(inputs))[1]
    for _ in range(3):
        layer.apply(params, state, x)
    assert len(calls) <= 4


def test_init_and_apply_of_a_part(x):
    """A part that is asked by itself has trees of its own, and the whole stays unbuilt."""
    whole = Wrapping(InBuild())
    params, state = whole.inside.init(KEY, x)
    part = whole.inside.apply(params, state, x).outputs
    np.testing.assert_array_equal(part, whole.apply({"inside": params}, {"inside": state}, x).outputs)
    assert not whole.built and not whole.inside.built


def test_a_part_that_was_built_before_is_taken_as_it_is(x):
    part = layers.Dense(2)
    part(x)
    kernel = part.kernel.numpy()
    whole = Wrapping(part)
    whole(x)
    np.testing.assert_array_equal(whole.inside.kernel, kernel)
    assert whole.weights == part.weights
    with pytest.raises(ValueError, match="3"):
        Wrapping(part).init(KEY, jnp.ones((2, 5)))


def test_a_shared_layer_is_built_once(x):
    shared = Counting()

    class Twice(Layer):
        def __init__(self):
            super().__init__()
            self.a, self.b = Wrapping(shared), Wrapping(shared)

        def call(self, inputs):
            return self.a(inputs) + self.b(inputs)

    layer = Twice()
    layer(x)
    assert shared.builds == 1 and len(layer.weights) == 1
    params, _ = Twice().init(KEY, x)
    assert shapes(params) == {"a": {"inside": {"w": (3, 2)}}}


# Calls that cannot be traced.


def test_calls_on_values_are_built_as_they_run(x):
    layer = OnValues()
    layer(jnp.abs(x))
    assert layer.built and layer.positive.built and not layer.negative.built and len(layer.weights) == 2
    layer(-jnp.abs(x))
    assert layer.negative.built and len(layer.weights) == 4
    params, state = layer.params, layer.state
    np.testing.assert_array_equal(layer.apply(params, state, x).outputs, layer(x))


@pytest.mark.parametrize("look", [
    lambda a: float(a.sum()), lambda a: bool((a > 0).any()), lambda a: np.asarray(a).sum(), lambda a: int(a[0, 0] * 0),
    lambda a: a[a > 0].sum(), lambda a: range(int(a.shape[0]))[jnp.argmax(a[0]) * 0], lambda a: jnp.nonzero(a)[0].size,
], ids=["float", "bool", "numpy", "int", "mask", "index", "nonzero"])  # fmt: skip
def test_every_way_of_looking_at_values(look, x):
    class Looking(Layer):
        def __init__(self):
            super().__init__()
            self.inside = InCall()

        def call(self, inputs):
            look(inputs)
            return self.inside(inputs)

    layer = Looking()
    assert layer(x).shape == (2, 3) and len(layer.weights) == 4
    params, _ = Looking().init(KEY, x)
    assert shapes(params) == shapes(layer.params)


def test_calls_on_values_make_their_arrays_with_few_compilations(x, compilations):
    class Looking(Layer):
        def __init__(self):
            super().__init__()
            self.stack = [layers.Dense(3) for _ in range(5)]

        def call(self, inputs):
            for layer in self.stack:
                inputs = layer(inputs) if float(inputs[0, 0]) != 77 else inputs
            return inputs

    Looking()(x)
    with compilations() as count:
        Looking()(x)
    assert count[0] == 0


# Building by hand.


def test_build_on_shapes(x):
    layer = Wrapping(InBuild())
    layer.build((None, 3))
    assert layer.built and len(layer.weights) == 13
    start = [w.numpy() for w in layer.weights]
    layer(x)
    for w, a in zip(layer.weights, start, strict=True):
        if w.trainable:
            np.testing.assert_array_equal(w, a)


def test_build_with_several_inputs():
    class Merge(Layer):
        def build(self, left_shape, right_shape=None):
            self.seen = (left_shape, right_shape)
            self.w = self.add_weight(shape=(left_shape[-1], right_shape[-1]))

        def call(self, left, right, scale=1.0):
            return left @ self.w + right * scale

    layer = Merge()
    assert layer(jnp.ones((2, 3)), jnp.ones((2, 4)), scale=2.0).shape == (2, 4)
    assert layer.seen == ((2, 3), (2, 4))
    named = Merge()
    named(left=jnp.ones((2, 3)), right=jnp.ones((2, 4)))
    assert named.seen == ((2, 3), (2, 4))


@pytest.mark.parametrize("value", [
    [jnp.ones((2, 3)), jnp.ones((2, 4))], {"a": jnp.ones((2, 3)), "b": jnp.ones((2, 4))},
    (jnp.ones((2, 3)), jnp.ones((2, 4))),
], ids=["list", "dict", "tuple"])  # fmt: skip
def test_build_with_nested_inputs_gets_nested_shapes(value):
    class Nested(Layer):
        def build(self, input_shape):
            self.seen = input_shape

        def call(self, inputs):
            return sum(leaf.sum() for leaf in jax.tree.leaves(inputs))

    layer = Nested()
    layer(value)
    assert layer.seen == jax.tree.map(jnp.shape, value)


def test_super_build_may_be_called_or_not(x):
    class With(Layer):
        def build(self, input_shape):
            super().build(input_shape)
            self.w = self.add_weight(shape=(3,))
            super().build(input_shape)

        def call(self, inputs):
            return inputs * self.w

    class Inherits(With):
        def build(self, input_shape):
            super().build(input_shape)
            self.more = layers.Dense(2)

        def call(self, inputs):
            return self.more(super().call(inputs))

    assert len([w for layer in (With(), Inherits()) if layer(x) is not None for w in layer.weights]) == 4


def test_building_a_layer_that_only_holds_others():
    class Holder(Layer):
        def __init__(self, inner):
            super().__init__()
            self.inner, self.scale = inner, self.add_weight((1,))

    held = layers.Dense(2)
    held.build((None, 3))
    holder = Holder(held)
    holder.build(None)
    assert holder.built and len(holder.weights) == 3
    with pytest.warns(UserWarning, match="leaves layers inside to their first call"):
        (holder := Holder(layers.Dense(2))).build((None, 3))
    assert holder.built and len(holder.weights) == 1


def test_building_children_in_build_by_hand_as_keras_asks(x):
    class Careful(Layer):
        def __init__(self):
            super().__init__()
            self.a, self.b = layers.Dense(4), layers.Dense(2)

        def build(self, input_shape):
            self.a.build(input_shape)
            self.b.build((*input_shape[:-1], 4))

        def call(self, inputs):
            return self.b(self.a(inputs))

    for way in (lambda layer: layer(x), lambda layer: layer.build((None, 3))):
        layer = Careful()
        way(layer)
        assert [w.shape for w in layer.weights] == [(3, 4), (4,), (4, 2), (2,)]
        assert layer.a.kernel.path == f"{layer.name}/a/kernel"
    jax.tree.map(np.testing.assert_array_equal, Careful().init(KEY, x), layer.init(KEY, x))


def test_weights_in_init_need_no_build(x):
    class Early(Layer):
        def __init__(self):
            super().__init__()
            self.w = self.add_weight(shape=(3,), initializer="ones")

        def call(self, inputs):
            return inputs * self.w

    layer = Early()
    assert len(layer.weights) == 1 and layer.count_params() == 3 and not layer.built
    np.testing.assert_array_equal(layer.get_weights()[0], np.ones(3))
    layer.set_weights([np.full(3, 2.0)])
    np.testing.assert_allclose(layer(x), x * 2)


def test_a_layer_told_that_it_is_built_makes_nothing(x):
    layer = layers.Dense(2)
    layer.built = True
    layer.kernel, layer.bias = np.full((3, 2), 2.0, "float32"), np.ones(2, "float32")
    np.testing.assert_allclose(layer(x), x @ np.full((3, 2), 2.0) + 1, rtol=1e-5)
    assert layer.weights == []


def test_weights_without_names_are_counted_within_their_layer(x):
    """Held by something that is not tracked, without a name: two layers of one class still have one tree."""

    class Holder:
        pass

    class Loose(Layer):
        def build(self, input_shape):
            holder = Holder()
            holder.a, holder.b = self.add_weight(shape=(3,)), self.add_weight(shape=(3,))
            object.__setattr__(self, "holder", holder)

        def call(self, inputs):
            return inputs * self.holder.a + self.holder.b

    Variable(1.0)
    first, second = Loose().init(KEY, x), Loose().init(KEY, x)
    assert len(first[0]) == 2
    jax.tree.map(np.testing.assert_array_equal, first, second)


def test_dtypes_of_the_abstract_run_are_those_of_the_call():
    seen = []

    class Seeing(Layer):
        def call(self, inputs, other=None):
            seen.append((inputs.dtype, None if other is None else other.dtype))
            return inputs

    Seeing(dtype="mixed_bfloat16")(np.ones((2, 3)), other=np.arange(3, dtype="int64"))
    assert seen[0] == seen[1] == (jnp.bfloat16, jnp.int32)


def test_the_abstract_run_changes_no_state(x):
    layer = Wrapping(layers.BatchNormalization())
    layer.build((2, 3))
    np.testing.assert_array_equal(layer.inside.moving_mean, np.zeros(3))
    start = keys.global_generator().state.numpy()
    drop = Wrapping(layers.Dropout(0.5, seed=1))
    drop.compute_output_shape((2, 3))
    drop(x)
    assert drop.inside.seed_generator.state.numpy().tolist() == [1, 0]
    np.testing.assert_array_equal(keys.global_generator().state, start)


def test_first_used_inside_a_compiled_function(x):
    for wrap in (
        jl.jit,
        jl.vmap,
        jl.remat,
        lambda f: lambda a: jl.cond(True, f, lambda a: jnp.zeros((*a.shape[:-1], 2)), a),
    ):
        jl.utils.set_random_seed(0)
        layer = InBuild()
        rows = x if wrap is not jl.vmap else x[:, None]
        outputs = wrap(layer)(rows)
        assert layer.built and len(layer.weights) == 13 and all(isinstance(w.value, jax.Array) for w in layer.weights)
        np.testing.assert_allclose(outputs.reshape(2, 2), layer(x), rtol=1e-4, atol=1e-6)
        jl.utils.set_random_seed(0)
        eager = InBuild()
        eager(x)
        np.testing.assert_array_equal(eager.first.kernel, layer.first.kernel)  # made the same way


@bare_jit
@pytest.mark.parametrize("transform", [jax.jit, jax.vmap, jax.checkpoint, lambda f: lambda a: jax.eval_shape(f, a)],
                         ids=["jit", "vmap", "checkpoint", "eval_shape"])  # fmt: skip
def test_first_used_inside_a_bare_transformation(transform, x):
    layer = Wrapping(InCall())
    with jax.checking_leaks():
        transform(lambda a: layer(a))(x if transform is not jax.vmap else x[:, None])
    assert layer.built and all(not isinstance(w.held, jax.core.Tracer) and w.held is not None for w in layer.weights)
    assert layer(x).shape == (2, 3)


def test_deepcopy_before_and_after_building(x):
    unbuilt = InBuild()
    twin = copy.deepcopy(unbuilt)
    twin(x)
    assert not unbuilt.built and unbuilt.blocks == [] and len(twin.weights) == 13
    third = copy.deepcopy(twin)
    np.testing.assert_array_equal(third(x), twin(x))
    assert third.blocks[0] is not twin.blocks[0] and third.weights[0].path.startswith(third.name)
    third.set_weights([w * 0 for w in third.get_weights()])
    assert np.any(twin.first.kernel.numpy() != 0)


def test_an_unbuilt_facade_that_was_borrowed_is_copied_unbuilt(x):
    layer = InBuild()
    params, state = layer.init(KEY, x)
    layer.apply(params, state, x)
    twin = copy.deepcopy(layer)
    assert not twin.built and twin.blocks == []
    np.testing.assert_array_equal(twin.apply(params, state, x).outputs, layer.apply(params, state, x).outputs)


def test_compute_output_shape_honours_the_subclass():
    class Own(Layer):
        def compute_output_shape(self, input_shape):
            return (*input_shape[:-1], 99)

        def call(self, inputs):
            return inputs

    assert Own().compute_output_shape((None, 3)) == (None, 99)
    assert jl.Sequential([Own()]).compute_output_shape((None, 3)) is not None


@pytest.mark.parametrize(("make", "shape", "expected"), [
    (lambda: layers.Dense(5), (None, 3), (None, 5)),
    (lambda: layers.Dense(5), (None, None, 3), (None, None, 5)),
    (lambda: layers.Flatten(), (None, 3, 4), (None, 12)),
    (lambda: layers.Flatten(), (2, None, 4), (2, None)),
    (lambda: InBuild(), (7, 3), (7, 2)),
    (lambda: layers.Lambda(lambda x: (x, x.sum(0))), (None, 3), ((None, 3), (3,))),
    (lambda: layers.Lambda(lambda x: {"a": x[:, :2]}), (None, 3), {"a": (None, 2)}),
])  # fmt: skip
def test_compute_output_shape(make, shape, expected):
    assert make().compute_output_shape(shape) == expected


class BuildsItsParts(Layer):
    """As many write it: `build` builds what is inside by hand."""

    def __init__(self):
        super().__init__()
        self.inner = layers.Dense(3)

    def build(self, input_shape):
        self.inner.build(input_shape)
        super().build(input_shape)

    def call(self, inputs):
        return self.inner(inputs)


def test_parts_built_by_hand_are_undone_with_the_whole(x):
    layer = BuildsItsParts()
    params, state = layer.init(jax.random.key(0), x)
    assert not layer.built and not layer.inner.built and layer.inner.weights == []
    assert set(params["inner"]) == {"kernel", "bias"}
    expected = layer.apply(params, state, x).outputs
    assert not layer.inner.built
    layer(x)
    layer.params = params
    np.testing.assert_allclose(layer(x), expected, rtol=1e-6)
    assert layer.compute_output_shape((None, x.shape[-1])) == (None, 3)


def test_weights_are_made_once_though_several_owners_build_what_they_share(x):
    class Owner(jl.Layer):
        def __init__(self, shared):
            super().__init__()
            self.shared = shared

        def build(self, shape):
            self.shared.build(shape)

        def call(self, x):
            return self.shared(x)

    shared = jl.layers.Dense(3)
    first, second = Owner(shared), Owner(shared)
    before = first(x)
    second(x)
    shared.build(x.shape)
    assert len(shared.weights) == 2
    np.testing.assert_array_equal(first(x), before)


def test_inputs_by_name_and_before_a_build_are_checked(x):
    layer = jl.layers.Dense(3, name="it")
    with pytest.raises(ValueError, match="'it' expects an input with at least 2 axes"):
        layer(np.float32(1.0))
    assert not layer.built
    layer(inputs=x)
    with pytest.raises(ValueError, match="'it' expects an input with size"):
        layer(inputs=np.ones((2, x.shape[-1] + 1)))


def test_flags_are_no_shapes():
    layer = jl.layers.ReversibleEmbedding(10, 4)
    assert layer.compute_output_shape((None, 3, 4), reverse=True) == (None, 3, 10)


def test_calls_that_do_not_fit_are_told():
    with pytest.raises(TypeError, match="missing a required argument: 'inputs'"):
        layers.Dense(2)()
    with pytest.raises(TypeError, match="'sequences'"):
        layers.LSTM(2)(inputs=np.ones((1, 2, 3), "float32"))
    for layer in (layers.Embedding(5, 4), layers.Masking()):
        with pytest.raises(ValueError, match=f"{layer.name}.*received list of int"):
            layer([[1, 2]])
