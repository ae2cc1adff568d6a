"""The pure pair: init and apply, the trees they take and make, and that nothing else decides or changes anything."""

import functools

import flax
import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

import jaxlayers as jl
from jaxlayers import Layer, Variable, layers

bare_jit = pytest.mark.filterwarnings("ignore:jax.jit of")  # of the warning that weights become constants

KEY, RNG = jax.random.key(0), jax.random.key(9)


class Block(Layer):
    """Weights, statistics, a counter, dropout and a loss, in attributes, a list and a dict."""

    def __init__(self, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.dense = [layers.Dense(4, activation="tanh"), layers.Dense(4)]
        self.parts = {"norm": layers.BatchNormalization(), "drop": layers.Dropout(0.5, seed=seed)}
        self._steps = Variable(0, dtype="int32", trainable=False)

    def build(self, input_shape):
        self.scale = self.add_weight(shape=(input_shape[-1],), initializer="random_normal", name="scale")

    def call(self, inputs):
        self._steps.assign_add(1)
        x = self.parts["norm"](self.dense[0](inputs * self.scale))
        self.add_loss(jnp.mean(x**2))
        return self.dense[1](self.parts["drop"](x))


class Wrapping(Layer):
    def __init__(self, inside, **kwargs):
        super().__init__(**kwargs)
        self.inside = inside

    def call(self, inputs, **kwargs):
        return self.inside(inputs, **kwargs)


def equal(a, b):
    assert jax.tree.structure(a) == jax.tree.structure(b)
    jax.tree.map(np.testing.assert_array_equal, a, b)


def close(a, b):
    assert jax.tree.structure(a) == jax.tree.structure(b)
    jax.tree.map(lambda m, n: np.testing.assert_allclose(m, n, rtol=2e-5, atol=1e-6), a, b)


def unlike(a, b):
    return [not np.array_equal(m, n) for m, n in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)]


# Trees.


def test_trees_are_plain_dicts_keyed_by_where_things_sit(x):
    params, state = Block().init(KEY, x)
    assert jax.tree.map(jnp.shape, params) == {
        "dense": {"0": {"kernel": (3, 4), "bias": (4,)}, "1": {"kernel": (4, 4), "bias": (4,)}},
        "parts": {"norm": {"gamma": (4,), "beta": (4,)}},
        "scale": (3,),
    }
    assert jax.tree.map(jnp.shape, state) == {
        "parts": {"drop": {"seed_generator": {"state": (2,)}}, "norm": {"moving_mean": (4,), "moving_variance": (4,)}},
        "steps": (),
    }
    assert state["steps"].dtype == jnp.int32

    def plain(tree):
        return (
            type(tree) is dict and all(plain(v) for v in tree.values())
            if isinstance(tree, dict)
            else isinstance(tree, jax.Array)
        )

    assert plain(params) and plain(state)
    assert Block(seed=1).init(KEY, x)[1]["parts"]["drop"]["seed_generator"]["state"].tolist() == [1, 0]


def test_a_layer_without_weights_has_empty_trees(x):
    flat = layers.Flatten()
    assert flat.init(KEY, x) == ({}, {})
    outputs, state, losses = flat.apply({}, {}, x)
    np.testing.assert_array_equal(outputs, x)
    assert state == {} and losses == []


def test_the_facade_holds_the_same_trees(x):
    layer = Block()
    layer(x)
    params, state = layer.init(KEY, x)
    assert jax.tree.structure(layer.params) == jax.tree.structure(params)
    assert jax.tree.structure(layer.state) == jax.tree.structure(state)
    layer.params, layer.state = params, state
    equal(layer.params, params)
    equal(layer.state, state)
    for path, variable in layer._tracked_walk.entries:
        tree = params if variable.trainable else state
        for key in path:
            tree = tree[key]
        np.testing.assert_array_equal(variable, tree)


def test_sequential_is_keyed_by_names_counted_within_the_model(x):
    for _ in range(2):  # however many layers were made before
        net = jl.Sequential(
            [layers.Dense(2), layers.Dense(3, name="mine"), layers.Dense(1), layers.BatchNormalization()]
        )
        params, _ = net.init(KEY, x)
        assert sorted(params) == ["batch_normalization", "dense", "dense_1", "mine"]
        assert params["dense_1"]["kernel"].shape == (3, 1)


# init.


def test_init_depends_on_key_and_path_alone(x):
    params, state = Block().init(KEY, x)
    equal(Block(name="other").init(KEY, x), (params, state))
    layers.Dense(3)(x), jl.random.normal((2,))
    equal(Block().init(KEY, x + 1), (params, state))
    assert unlike(Block().init(jax.random.key(1), x)[0]["dense"]["0"]["kernel"], params["dense"]["0"]["kernel"]) == [
        True
    ]

    class Moved(Block):
        """The same places, made in another order, with siblings."""

        def __init__(self):
            super().__init__()
            parts, dense = self.parts, self.dense
            del self.parts, self.dense
            self.sibling = layers.Dense(3)
            self.parts = dict(reversed(parts.items()))
            self.dense = [*dense, layers.Dense(4)]

        def call(self, inputs):
            return self.dense[2](super().call(self.sibling(inputs)))

    moved, _ = Moved().init(KEY, x)
    equal({"0": moved["dense"]["0"], "1": moved["dense"]["1"]}, params["dense"])
    equal(moved["scale"], params["scale"])
    deep, _ = Wrapping(Block()).init(KEY, x)
    assert any(unlike(deep["inside"], params))  # another path


def test_init_twice_and_of_a_built_and_used_facade(x):
    layer = Block()
    first = layer.init(KEY, x)
    for _ in range(3):
        layer(x, training=True)
    equal(layer.init(KEY, x), first)
    assert int(layer.state["steps"]) == 3


def test_init_takes_shapes_alone(x):
    expected = Block().init(KEY, x)
    equal(Block().init(KEY, jax.ShapeDtypeStruct(x.shape, x.dtype)), expected)
    equal(Block().init(KEY, inputs=jax.ShapeDtypeStruct(x.shape, x.dtype)), expected)
    equal(Block().init(KEY, np.asarray(x)), expected)


@pytest.mark.parametrize("make", [Block, lambda: layers.Dense(2)])
def test_init_is_traceable(make, x):
    layer = make()
    expected = layer.init(KEY, x)
    with jax.checking_leaks():
        close(jax.jit(layer.init)(KEY, x), expected)
        abstract = jax.eval_shape(layer.init, KEY, jax.ShapeDtypeStruct(x.shape, x.dtype))
        many = jax.vmap(lambda k: layer.init(k, x))(jax.random.split(KEY, 3))
    assert jax.tree.map(lambda a: (a.shape, a.dtype), abstract) == jax.tree.map(lambda a: (a.shape, a.dtype), expected)
    for i, key in enumerate(jax.random.split(KEY, 3)):
        close(jax.tree.map(lambda a, i=i: a[i], many), layer.init(key, x))
    assert not layer.built


def test_raw_keys_are_keys(x):
    equal(Block().init(jax.random.PRNGKey(0), x), Block().init(KEY, x))


@pytest.mark.parametrize("key", [0, None, 1.5, jnp.zeros(2), "key"])
def test_init_without_a_key(key, x, picture):
    layer = Block()
    before = picture(layer)
    with pytest.raises(TypeError, match=r"jax.random.key") as error:
        layer.init(key, x)
    assert layer.name in str(error.value) and picture(layer) == before


def test_init_passes_keyword_arguments_on(x):
    class Branching(Layer):
        def __init__(self):
            super().__init__()
            self.a, self.extra = layers.Dense(2), layers.Dense(3)

        def call(self, inputs, deep=False, training=False):
            return self.extra(self.a(inputs)) if deep or training else self.a(inputs)

    for built in (False, True):
        layer = Branching()
        if built:
            layer(x)
        assert set(layer.init(KEY, x)[0]) >= {"a"}
        assert set(layer.init(KEY, x, deep=True)[0]) == {"a", "extra"} == set(layer.init(KEY, x, training=True)[0])
        assert not layer.extra.built and layer.a.built == built
        params, state = layer.init(KEY, x, deep=True)
        assert layer.apply(params, state, x, deep=True).outputs.shape == (2, 3)
        assert not layer.extra.built
    layer(x, training=True)
    assert len(layer.weights) == 4


# apply.


@pytest.mark.parametrize("built", [False, True])
@pytest.mark.parametrize("training", [None, True])
def test_apply_is_pure(built, training, x, picture):
    layer = Wrapping(Block())
    if built:
        layer(x, training=True)
    params, state = layer.init(KEY, x)
    before = picture(layer)
    first = layer.apply(params, state, x, rng=RNG, training=training)
    again = layer.apply(params, state, x, rng=RNG, training=training)
    equal(first, again)
    with jax.checking_leaks():
        close(jax.jit(layer.apply, static_argnames="training")(params, state, x, rng=RNG, training=training), first)
    assert jax.tree.structure(first.state) == jax.tree.structure(state)
    assert jax.tree.map(lambda a: (a.shape, a.dtype), first.state) == jax.tree.map(lambda a: (a.shape, a.dtype), state)
    assert int(first.state["inside"]["steps"]) == 1 and len(first.losses) == 1
    changed = unlike(first.state["inside"]["parts"]["norm"], state["inside"]["parts"]["norm"])
    assert all(changed) if training else not any(changed)
    assert picture(layer) == before


def test_what_the_object_holds_does_not_matter(x):
    layer, other = Block(), Block()
    other(x, training=True)
    other.set_weights([w + 5 for w in other.get_weights()])
    params, state = layer.init(KEY, x)
    equal(layer.apply(params, state, x, rng=RNG, training=True), other.apply(params, state, x, rng=RNG, training=True))


def test_state_goes_from_call_to_call(x):
    layer = Block()
    params, state = layer.init(KEY, x)
    facade = Block()
    facade(x)
    facade.params, facade.state = params, state
    for _ in range(3):
        applied = layer.apply(params, state, x)
        np.testing.assert_allclose(applied.outputs, facade(x), rtol=1e-5)
        state = applied.state
    assert int(state["steps"]) == 3
    close(state, facade.state)


def test_the_facade_is_apply_on_what_it_holds(x):
    layer = Wrapping(Block(seed=1))
    layer(x)
    for _ in range(3):
        applied = layer.apply(layer.params, layer.state, x, training=True)
        np.testing.assert_array_equal(layer(x, training=True), applied.outputs)
        equal(layer.state, applied.state)
        equal(layer.losses, applied.losses)
    assert layer.state["inside"]["parts"]["drop"]["seed_generator"]["state"].tolist() == [1, 3]


def test_what_comes_out_is_a_named_tuple(x):
    applied = Block().apply(*Block().init(KEY, x), x)
    assert applied._fields == ("outputs", "state", "losses")
    outputs, state, losses = applied
    assert outputs is applied.outputs and state is applied.state and losses is applied.losses


def test_outputs_may_be_any_structure_and_variables_come_out_as_arrays(x):
    class Many(Layer):
        def __init__(self):
            super().__init__()
            self.w = self.add_weight(shape=(3,), initializer="ones")

        def call(self, inputs):
            return {"a": (inputs, None), "w": self.w}

    layer = Many()
    outputs = layer.apply(*layer.init(KEY, x), x).outputs
    assert outputs["a"][1] is None and isinstance(outputs["w"], jax.Array)


def test_apply_inside_apply_and_inside_a_facade_call(x):
    inner = Block()
    trees = inner.init(KEY, x)

    class Hyper(Layer):
        """Runs another layer on its own state, purely, in the middle of its call."""

        def __init__(self):
            super().__init__()
            self.count = Variable(0.0, trainable=False)

        def call(self, inputs):
            self.count.assign_add(1.0)
            applied = inner.apply(*trees, inputs, rng=RNG, training=True)
            self.add_loss(sum(applied.losses))
            return applied.outputs

    expected = inner.apply(*trees, x, rng=RNG, training=True)
    hyper = Hyper()
    np.testing.assert_array_equal(hyper(x), expected.outputs)
    assert float(hyper.count.value) == 1 and len(hyper.losses) == 1 and not inner.built
    applied = hyper.apply({}, {"count": jnp.asarray(4.0)}, x)
    np.testing.assert_array_equal(applied.outputs, expected.outputs)
    assert float(applied.state["count"]) == 5 and float(hyper.count.value) == 1
    equal(applied.losses, expected.losses)


def test_plain_jax_composes_with_apply(x):
    layer = Block()
    params, state = layer.init(KEY, x)

    def loss(params, state, x, rng):
        applied = layer.apply(params, state, x, rng=rng, training=True)
        return jnp.sum(applied.outputs**2) + sum(applied.losses), applied.state

    (value, new_state), gradient = jax.value_and_grad(loss, has_aux=True)(params, state, x, RNG)
    with jax.checking_leaks():
        (value_2, new_state_2), gradient_2 = jax.jit(jax.value_and_grad(loss, has_aux=True))(params, state, x, RNG)
    np.testing.assert_allclose(value, value_2, rtol=1e-5)
    close(new_state, new_state_2)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4), gradient, gradient_2)
    assert jax.tree.structure(gradient) == jax.tree.structure(params)

    def step(carry, _):
        params, state = carry
        (value, state), gradient = jax.value_and_grad(loss, has_aux=True)(params, state, x, RNG)
        return (jax.tree.map(lambda p, g: p - 0.01 * g, params, gradient), state), value

    final, values = jax.lax.scan(step, (params, state), None, length=3)
    expected = (params, state)
    for i in range(3):
        expected, value = step(expected, None)
        np.testing.assert_allclose(values[i], value, rtol=1e-3)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4), final, expected)
    assert int(final[1]["steps"]) == 3
    rematerialized = jax.grad(jax.checkpoint(lambda p: loss(p, state, x, RNG)[0]))(params)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), rematerialized, gradient)


def test_vmap_over_params_inputs_and_keys(x):
    layer = Block()
    keys = jax.random.split(KEY, 3)
    params, state = jax.vmap(lambda k: layer.init(k, x))(keys)
    outputs, states, losses = jax.vmap(lambda p, s, k: layer.apply(p, s, x, rng=k, training=True))(params, state, keys)
    for i in range(3):
        one = layer.apply(*jax.tree.map(lambda a, i=i: a[i], (params, state)), x, rng=keys[i], training=True)
        np.testing.assert_allclose(outputs[i], one.outputs, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(losses[0][i], one.losses[0], rtol=1e-5)
        close(jax.tree.map(lambda a, i=i: a[i], states), one.state)


# Trees that do not come from init.


def test_trees_of_numpy_arrays_and_of_other_mappings(x):
    layer = Block()
    params, state = layer.init(KEY, x)
    expected = layer.apply(params, state, x)
    close(layer.apply(jax.tree.map(np.asarray, params), jax.tree.map(np.asarray, state), x), expected)
    ordered = dict(reversed(params.items()))
    close(layer.apply(ordered, state, x), expected)
    with_empty = {**state, "nothing": {"here": {}}}
    applied = layer.apply({**params, "drop": {}}, with_empty, x)
    assert jax.tree.structure(applied.state) == jax.tree.structure(with_empty)


def test_weights_may_move_between_params_and_state(x):
    """What is in `params` is differentiated and not written; what is in `state` comes back: the caller decides."""
    layer = Block()
    params, state = layer.init(KEY, x)
    frozen = {"dense": {"0": params["dense"].pop("0")}}
    applied = layer.apply(params, {**state, **frozen}, x)
    assert jax.tree.structure(applied.state) == jax.tree.structure({**state, **frozen})
    equal(applied.state["dense"], frozen["dense"])
    gradient = jax.grad(lambda p: layer.apply(p, {**state, **frozen}, x).outputs.sum())(params)
    assert "0" not in gradient["dense"]


def test_something_written_must_be_in_the_state(x, picture):
    layer = Block()
    params, state = layer.init(KEY, x)
    before = picture(layer)
    with pytest.raises(ValueError, match="steps") as error:
        layer.apply({**params, "steps": state.pop("steps")}, state, x)
    assert "trainable" in str(error.value) and picture(layer) == before


def edited(tree, change):
    tree = jax.tree.map(lambda a: a, tree)
    change(tree)
    return tree


MISFITS = {
    "missing": (lambda p: p["dense"]["1"].pop("bias"), ["dense/1/bias", "missing", "(4,)"]),
    "missing branch": (lambda p: p.pop("dense"), ["dense/0/kernel", "dense/0/bias", "dense/1/kernel", "dense/1/bias"]),
    "shape": (lambda p: p["dense"]["0"].update(kernel=jnp.ones((7, 4))), ["dense/0/kernel", "(3, 4)", "(7, 4)"]),
    "too much": (lambda p: p["parts"].update(extra={"w": jnp.ones(2)}), ["parts/extra/w", "belongs to no variable"]),
    "several": (lambda p: (p.pop("scale"), p["dense"]["1"].update(bias=jnp.ones(5)), p.update(zzz=jnp.ones(1))),
                ["scale", "missing", "dense/1/bias", "(5,)", "zzz"]),
    "not a leaf": (lambda p: p.update(scale={"deeper": jnp.ones(3)}), ["scale/deeper"]),
    "not a branch": (lambda p: p.update(dense=jnp.ones(3)), ["dense", "dense/0/kernel"]),
    "None": (lambda p: p.update(scale=None), ["scale"]),
}  # fmt: skip


@pytest.mark.parametrize(("change", "words"), MISFITS.values(), ids=MISFITS)
@pytest.mark.parametrize("way", ["apply", "apply unbuilt", "assign"])
def test_a_tree_that_does_not_fit_is_refused_with_every_mismatch(change, words, way, x, picture):
    layer = Block(name="block")
    params, state = layer.init(KEY, x)
    if way != "apply unbuilt":
        layer(x)
    wrong, before = edited(params, change), picture(layer)
    with pytest.raises(ValueError, match="block") as error:
        if way == "assign":
            layer.params = wrong
        else:
            layer.apply(wrong, state, x)
    for word in words:
        assert word in str(error.value)
    assert picture(layer) == before
    layer.apply(params, state, x)  # still works


def test_a_foreign_tree_is_refused(x, picture):
    layer = Block(name="block")
    params, state = layers.Dense(2).init(KEY, x)
    before = picture(layer)
    with pytest.raises(ValueError, match="belongs to no variable") as error:
        layer.apply(params, state, x)
    assert "kernel" in str(error.value) and "dense/0/kernel" in str(error.value)
    with pytest.raises(ValueError, match="dense/0/kernel"):
        layer.apply({}, {}, x)
    with pytest.raises((ValueError, TypeError)):
        layer.apply(None, {}, x)
    with pytest.raises((ValueError, TypeError)):
        layer.apply([jnp.ones(3)], {}, x)
    assert picture(layer) == before


@pytest.mark.parametrize("which", ["params", "state"])
def test_assigning_a_tree_is_all_or_nothing(which, x, picture):
    layer = Block(name="block")
    layer(x)
    tree = getattr(layer, which)
    setattr(layer, which, jax.tree.map(lambda a: a + 1, tree))
    close(getattr(layer, which), jax.tree.map(lambda a: a + 1, tree))
    before = picture(layer)
    first = next(iter(tree))
    for wrong in ({}, {**tree, "zzz": jnp.ones(1)}, {name: value for name, value in tree.items() if name != first}):
        with pytest.raises(ValueError, match="block"):
            setattr(layer, which, wrong)
        assert picture(layer) == before
    other = "state" if which == "params" else "params"
    with pytest.raises(ValueError, match="block"):
        setattr(layer, which, getattr(layer, other))
    assert picture(layer) == before


def test_assigning_casts_copies_and_keeps_dtypes(x):
    layer = layers.Dense(2)
    layer(x)
    source = {"kernel": np.ones((3, 2), "float64"), "bias": np.arange(2, dtype="int32")}
    layer.params = source
    source["kernel"][:] = 9
    np.testing.assert_array_equal(layer.kernel, np.ones((3, 2)))
    assert layer.bias.value.dtype == "float32"


def test_assigning_to_an_unbuilt_layer_says_to_build_it(x):
    params, _ = layers.Dense(2).init(KEY, x)
    with pytest.raises(ValueError, match="build"):
        layers.Dense(2).params = params


def test_assigned_trees_survive_a_step_that_donates(x):
    layer = Block()
    layer(x)
    params, state = layer.init(KEY, x)
    layer.params, layer.state = params, state
    step = jl.jit(lambda: (layer(x), [w.assign(w * 2) for w in layer.trainable_weights])[0])
    step(), step()
    jax.tree.map(lambda a: a.block_until_ready(), (params, state))
    equal(layer.init(KEY, x), (params, state))
    held = layer.params
    step()
    jax.tree.map(np.asarray, held)


def test_params_read_inside_a_call_are_the_ones_in_use(x):
    class Decay(Layer):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(2)

        def call(self, inputs):
            outputs = self.dense(inputs)
            self.add_loss(sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(self.params)))
            return outputs

    layer = Decay()
    params, state = layer.init(KEY, x)
    loss = layer.apply(params, state, x).losses[0]
    np.testing.assert_allclose(loss, sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(params)), rtol=1e-5)
    gradient = jax.grad(lambda p: layer.apply(p, state, x).losses[0])(params)
    jax.tree.map(lambda g, p: np.testing.assert_allclose(g, 2 * p, rtol=1e-5), gradient, params)


def test_methods_called_init_and_apply_belong_to_the_author():
    """A subclass may define them as methods; the kernel does not go through them."""

    class Own(Layer):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(2)

        def apply(self, *args):
            raise RuntimeError("mine")

        def init(self, *args):
            raise RuntimeError("mine")

        def call(self, inputs):
            return self.dense(inputs)

    own = Own()
    assert own(jnp.ones((1, 3))).shape == (1, 2)
    assert jl.jit(own)(jnp.ones((1, 3))).shape == (1, 2)
    wrapped = Wrapping(Own())
    params, state = wrapped.init(KEY, jnp.ones((1, 3)))
    assert wrapped.apply(params, state, jnp.ones((1, 3))).outputs.shape == (1, 2)
    with pytest.raises(RuntimeError, match="mine"):
        own.apply()


@pytest.mark.filterwarnings("ignore:__array__ implementation")  # of Keras's variables
def test_stateless_call_is_that_of_keras():
    x = np.random.default_rng(0).normal(size=(8, 3)).astype("float32")

    def make(lib):
        inside = [
            lib.layers.Dense(4, kernel_regularizer="l2"),
            lib.layers.BatchNormalization(),
            lib.layers.Dropout(0.5),
        ]
        model = lib.Sequential([*inside, lib.layers.Dense(2)])
        model.build((None, 3))
        random = np.random.default_rng(1)
        model.set_weights([random.uniform(0.5, 1.5, size=w.shape) for w in model.get_weights()])
        return model

    ours, theirs = make(jl), make(keras)
    before = ours.non_trainable_variables[2].numpy()
    for training in (False, True):
        results = []
        for model in (ours, theirs):
            given = [[v.value for v in vs] for vs in (model.trainable_variables, model.non_trainable_variables)]
            call = functools.partial(model.stateless_call, training=training, return_losses=True)
            results.append(jax.jit(call)(*given, x))
        (out, state, losses), (out_there, state_there, losses_there) = results
        assert len(state) == len(state_there) == 3 and state[2].dtype == ours.non_trainable_variables[2].value.dtype
        np.testing.assert_allclose(sum(losses), sum(losses_there), rtol=1e-6)
        for a, b in zip(state[:2], state_there[:2], strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5)
        if not training:
            np.testing.assert_allclose(out, out_there, rtol=1e-5)
        else:  # the seed has moved on, and the model's own has not
            weights = [v.value for v in ours.trainable_variables]
            assert not np.allclose(ours.stateless_call(weights, state, x, training=True)[0], out)
            np.testing.assert_array_equal(ours.non_trainable_variables[2].numpy(), before)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda model, t, n, x: jl.layers.Dense(2).stateless_call([], [], x), ["not built"]),
        (lambda model, t, n, x: model.stateless_call(t[:1], n, x), ["2 trainable_variables", "1 arrays"]),
        (lambda model, t, n, x: model.stateless_call([t[1], t[0]], n, x), ["kernel", "(3, 2)", "(2,)"]),
    ],
)
def test_mistakes_of_stateless_calls(call, words):
    model, x = jl.Sequential([jl.Input((3,)), jl.layers.Dense(2)], name="net"), np.ones((1, 3), "float32")
    with pytest.raises(ValueError) as caught:
        call(model, [v.value for v in model.trainable_variables], [], x)
    assert all(word in str(caught.value) for word in words), caught.value


@bare_jit
def test_a_bare_trace_takes_no_losses_away():
    layer = jl.layers.Dense(2, activity_regularizer="l2")
    x = jnp.ones((2, 3))
    layer(x)
    before = layer.losses
    inside = jax.jit(lambda x: (layer(x), layer.losses)[1])(2 * x)
    assert len(inside) == len(before) == len(layer.losses) == 1
    assert float(inside[0]) == pytest.approx(4 * float(before[0]), rel=1e-5)
    np.testing.assert_array_equal(layer.losses, before)


def test_what_init_returns_may_be_donated():
    array = jnp.arange(3.0)

    class Scaled(jl.Layer):
        def __init__(self):
            super().__init__()
            self.scale = jl.Variable([1.0, 2.0, 3.0])
            self.fixed = self.add_weight(shape=(3,), initializer=lambda shape, dtype=None: array)

        def call(self, x):
            return x * self.scale + self.fixed

    layer, x = Scaled(), jnp.ones((2, 3))
    step = jax.jit(lambda params: jax.tree.map(lambda a: a * 0.9, params), donate_argnums=0)
    for _ in range(2):
        step(layer.init(jax.random.key(0), x)[0])
    np.testing.assert_allclose(layer(x)[0], [1.0, 3.0, 5.0])
    np.testing.assert_array_equal(array, [0.0, 1.0, 2.0])


def test_trees_may_be_other_mappings():
    layer, x = jl.layers.BatchNormalization(), jnp.ones((2, 3))
    params, state = layer.init(jax.random.key(0), x)
    frozen = flax.core.freeze(params), flax.core.freeze(state)
    outputs, new, _ = layer.apply(*frozen, x, training=True)
    assert jax.tree.structure(new) == jax.tree.structure(frozen[1])
    np.testing.assert_array_equal(outputs, layer.apply(params, state, x, training=True).outputs)
    layer(x)
    layer.params = flax.core.freeze({"gamma": 2 * jnp.ones(3), "beta": jnp.ones(3)})
    np.testing.assert_array_equal(layer.gamma, [2.0, 2.0, 2.0])


def test_another_kind_of_keys_after_the_first():
    """What generators hold keeps its kind; keys of the new one are taken as they are."""
    x = jnp.ones((2, 3))
    jl.layers.Dense(2)(x)
    with jax.default_prng_impl("rbg"):
        layer = jl.Sequential([jl.layers.Dense(4), jl.layers.Dropout(0.5)])
        assert np.isfinite(layer(x, training=True)).all()
        params, state = layer.init(jax.random.key(0), x)
        one, two = (layer.apply(params, state, x, rng=jax.random.key(i), training=True).outputs for i in (0, 1))
        assert not np.array_equal(one, two)


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize(
    "change",
    [
        lambda net: setattr(net, "scale", 3.0),
        lambda net: setattr(net.inner, "activation", jnp.sin),
        lambda net: net.settings.update(shift=2.0),
        lambda net: net.blocks.append(layers.Rescaling(2.0)),
        lambda net: setattr(net, "blocks", [layers.Rescaling(5.0)]),
    ],
    ids=["attribute", "attribute inside", "container", "layer added", "layers replaced"],
)
def test_apply_of_an_unbuilt_layer_sees_what_was_changed_after_init(change, compiled):
    class Net(Layer):
        def __init__(self):
            super().__init__()
            self.inner, self.blocks = layers.Dense(3), [layers.Rescaling(1.0)]
            self.scale, self.settings = 1.0, {"shift": 1.0}

        def call(self, inputs):
            inputs = self.inner(inputs) * self.scale + self.settings["shift"]
            for block in self.blocks:
                inputs = block(inputs)
            return inputs

    x = jnp.ones((2, 3))
    net, built = Net(), Net()
    params, state = net.init(jax.random.key(0), x)
    built(x)
    built.params = params
    apply = (
        jl.jit(lambda: net.apply(params, state, x).outputs) if compiled else lambda: net.apply(params, state, x).outputs
    )
    before = apply()
    np.testing.assert_allclose(before, built(x), rtol=1e-6)
    change(net)
    change(built)
    after = apply()
    np.testing.assert_allclose(after, built(x), rtol=1e-6)
    assert not np.allclose(before, after) and not net.built
