"""Random nests of layers and containers: the facade is apply, orders are stable, trees and copies come back whole."""

import copy
import string

import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import HealthCheck, given, settings

from jaxlayers import Layer, Variable, layers

X = jnp.asarray(np.random.default_rng(0).normal(size=(3, 4)), jnp.float32)
RELAXED = settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


class Counter(Layer):
    def __init__(self):
        super().__init__()
        self.calls = Variable(0.0, trainable=False)

    def call(self, inputs):
        self.calls.assign_add(1.0)
        return inputs + 0.1 * self.calls


class Statistic(Layer):
    def build(self, input_shape):
        self.mean = self.add_weight(shape=input_shape[-1:], initializer="zeros", trainable=False)
        self.gain = self.add_weight(shape=input_shape[-1:], initializer="random_normal")

    def call(self, inputs, training=None):
        if training:
            self.mean.assign(0.5 * self.mean + 0.5 * inputs.mean(0))
        return inputs * (1 + self.gain) - self.mean


class Penalty(Layer):
    def call(self, inputs):
        self.add_loss(jnp.mean(inputs**2))
        return inputs


class GrowsInCall(Layer):
    def call(self, inputs):
        if not hasattr(self, "late"):
            self.late = [layers.Dense(4)]
        return self.late[0](inputs)


class GrowsInBuild(Layer):
    def __init__(self):
        super().__init__()
        self.table = {}

    def build(self, input_shape):
        self.table["x"] = (layers.Dense(4), [Statistic()])

    def call(self, inputs):
        return self.table["x"][1][0](self.table["x"][0](inputs))


class Nest(Layer):
    """Calls everything that was put into its attributes, in order."""

    def __init__(self, attributes):
        super().__init__()
        self.gate = self.add_weight(shape=(), initializer="ones", name="gate")
        for name, value in attributes.items():
            setattr(self, name, value)
        self.names = list(attributes)

    def call(self, inputs):
        for name in self.names:
            for layer in jax.tree.leaves(getattr(self, name), is_leaf=lambda v: isinstance(v, Layer)):
                inputs = 0.5 * inputs + layer(inputs) * self.gate
        return jnp.tanh(inputs)


LEAVES = {
    "dense": lambda seed: layers.Dense(4),
    "tanh": lambda seed: layers.Dense(4, activation="tanh", use_bias=False, kernel_regularizer="l2"),
    "norm": lambda seed: layers.BatchNormalization(),
    "drop": lambda seed: layers.Dropout(0.5, seed=seed),
    "counter": lambda seed: Counter(),
    "statistic": lambda seed: Statistic(),
    "penalty": lambda seed: Penalty(),
    "in call": lambda seed: GrowsInCall(),
    "in build": lambda seed: GrowsInBuild(),
    "activity": lambda seed: layers.Activation("tanh", activity_regularizer="l2"),
}
NAMES = st.lists(
    st.text(string.ascii_lowercase, min_size=1, max_size=2).map(lambda s: f"{s}_"), min_size=1, max_size=3, unique=True
)


def nests(depth):
    """Plans of nests: what to make, in nested tuples, so that one plan makes the same nest twice."""
    leaf = st.one_of(
        st.tuples(st.just("leaf"), st.sampled_from(sorted(LEAVES))), st.tuples(st.just("shared"), st.integers(0, 2))
    )
    inner = leaf if depth == 0 else st.one_of(leaf, nests(depth - 1))
    value = st.recursive(
        inner,
        lambda v: st.one_of(
            st.tuples(st.just("list"), st.lists(v, max_size=2)),
            st.tuples(st.just("tuple"), st.lists(v, max_size=2)),
            st.tuples(st.just("dict"), st.dictionaries(st.sampled_from("abc"), v, max_size=2)),
        ),
        max_leaves=3,
    )
    return NAMES.flatmap(lambda names: st.tuples(st.just("nest"), st.fixed_dictionaries(dict.fromkeys(names, value))))


class Maker:
    """Makes what a plan says; `shared` leaves are the same object wherever they come."""

    def __init__(self, seeded):
        self.seeded, self.count, self.shared = seeded, 0, {}

    def __call__(self, plan):
        kind, what = plan
        if kind == "leaf":
            self.count += 1
            return LEAVES[what](self.count if self.seeded else None)
        if kind == "shared":
            if what not in self.shared:
                self.shared[what] = self(("leaf", ["dense", "counter", "drop"][what]))
            return self.shared[what]
        if kind == "dict":
            return {key: self(value) for key, value in what.items()}
        if kind == "nest":
            return Nest({key: self(value) for key, value in what.items()})
        return {"list": list, "tuple": tuple}[kind](self(value) for value in what)


def same(a, b, exact=True):
    assert jax.tree.structure(a) == jax.tree.structure(b)
    for m, n in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_array_equal(m, n) if exact else np.testing.assert_allclose(m, n, rtol=1e-4, atol=1e-5)


def paths(net):
    return ["/".join(path) for path, _ in net._tracked_walk.entries]


@RELAXED
@given(plan=nests(2))
def test_the_facade_is_apply_on_what_it_holds(plan):
    net = Maker(seeded=True)(plan)
    net(X)
    for training in (False, True):
        params, state = net.params, net.state
        applied = net.apply(params, state, X, training=training)
        same((net.params, net.state), (params, state))  # apply changes nothing
        outputs = net(X, training=training)
        np.testing.assert_array_equal(outputs, applied.outputs)
        same(net.state, applied.state)
        same(net.losses, applied.losses)
        same(net.params, params)


@RELAXED
@given(plan=nests(2))
def test_trees_fit_however_they_were_made(plan):
    net, built = Maker(seeded=True)(plan), Maker(seeded=True)(plan)
    key = jax.random.key(1)
    params, state = net.init(key, X)
    assert not net.built and jax.tree.structure(
        net.init(key, jax.ShapeDtypeStruct(X.shape, X.dtype))
    ) == jax.tree.structure((params, state))
    unbuilt = net.apply(params, state, X, training=True)
    built(X)
    same(built.init(key, X), (params, state))
    same(built.apply(params, state, X, training=True), unbuilt)
    built.params, built.state = params, state
    same((built.params, built.state), (params, state))
    np.testing.assert_array_equal(built(X, training=True), unbuilt.outputs)
    same(built.state, unbuilt.state)
    flat = {
        "/".join(str(k.key) for k in path): leaf
        for path, leaf in jax.tree_util.tree_leaves_with_path((params, state)[0])
    }
    assert flat.keys() == {
        path for path, (_, v) in zip(paths(built), built._tracked_walk.entries, strict=True) if v.trainable
    }
    assert len(set(paths(built))) == len(paths(built)) == len({id(v) for v in built.variables})


@RELAXED
@given(plan=nests(2), data=st.data())
def test_the_order_of_weights_is_stable(plan, data):
    one, two = Maker(seeded=True)(plan), Maker(seeded=True)(plan)
    one(X)
    two.build((None, 4))
    assert paths(one) == paths(two) and [w.shape for w in one.weights] == [w.shape for w in two.weights]
    order, ids = paths(one), [id(w) for w in one.weights]
    parts = [below for below in one._tracked_objects if isinstance(below, Layer)]
    data.draw(st.sampled_from(parts)).trainable = False
    one(X, training=True)
    assert [id(w) for w in one.weights] == ids and paths(one) == order
    assert {id(w) for w in one.trainable_weights} | {id(w) for w in one.non_trainable_weights} == set(ids)
    twin = copy.deepcopy(one)
    assert paths(twin) == order
    two.set_weights(one.get_weights())
    same(two.get_weights(), one.get_weights())


@RELAXED
@given(plan=nests(1))
def test_copies_are_whole_and_apart(plan):
    net = Maker(seeded=True)(plan)
    net(X, training=True)
    params, state = net.params, net.state
    twin = copy.deepcopy(net)
    assert not {id(v) for v in net.variables} & {id(v) for v in twin.variables}
    same((twin.params, twin.state), (params, state))
    expected = net.apply(params, state, X, training=True)
    np.testing.assert_array_equal(twin(X, training=True), expected.outputs)
    same(twin.state, expected.state)
    same((net.params, net.state), (params, state))


@settings(RELAXED, max_examples=5)
@given(plan=nests(1))
def test_compiled_and_differentiated(plan):
    net = Maker(seeded=False)(plan)
    params, state = net.init(jax.random.key(2), X)
    rng = jax.random.key(3)

    def loss(params):
        applied = net.apply(params, state, X, rng=rng, training=True)
        return applied.outputs.sum() + sum(applied.losses), applied

    with jax.checking_leaks():
        (_, compiled), gradient = jax.jit(jax.value_and_grad(loss, has_aux=True))(params)
    same(compiled, net.apply(params, state, X, rng=rng, training=True), exact=False)
    assert jax.tree.structure(gradient) == jax.tree.structure(params)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))


LIST_STEPS = st.sampled_from(
    ["append", "insert", "pop", "set", "slice", "delete", "extend", "reverse", "sort", "clear", "nest", "again"]
)
DICT_STEPS = st.sampled_from(["set", "pop", "update", "setdefault", "popitem", "ior", "delete", "nest", "again"])


def change_list(value, step, new, i):
    i %= max(len(value), 1)
    match step:
        case "append":
            value.append(new)
        case "insert":
            value.insert(i, new)
        case "extend" | "nest":
            value.extend([[new], {"k": (new,)}] if step == "nest" else [new, new])
        case "pop" | "set" | "delete" if not value:
            pass
        case "pop":
            value.pop(i)
        case "set":
            value[i] = new
        case "delete":
            del value[i]
        case "slice":
            value[i:] = [new]
        case "again":
            value += value[:1]
        case "sort":
            value.sort(key=lambda one: str(type(one)))
        case _:
            getattr(value, step)()


def change_dict(value, step, new, i):
    key = "abcd"[i % 4]
    match step:
        case "set" | "nest":
            value[key] = [[new]] if step == "nest" else new
        case "pop":
            value.pop(key, None)
        case "update":
            value.update({key: new}, e=new)
        case "setdefault":
            value.setdefault(key, new)
        case "popitem" if value:
            value.popitem()
        case "ior":
            value |= {key: {"in": new}}
        case "delete" if key in value:
            del value[key]
        case "again" if value:
            value["again"] = next(iter(value.values()))


def inside(value):
    """Every layer in a nested container, once each."""
    if isinstance(value, Layer):
        return {id(value)}
    return set().union(*map(inside, value.values() if isinstance(value, dict) else value), set())


@settings(RELAXED, max_examples=60)
@given(steps=st.lists(st.tuples(LIST_STEPS, DICT_STEPS, st.integers(0, 7)), max_size=8))
def test_containers_are_followed_through_any_changes(steps):
    owner, mirror_list, mirror_dict = Nest({}), [], {}
    owner.values, owner.table = [], {}
    deep = owner.table["deep"] = []
    mirror_dict["deep"] = mirror_deep = []
    deep = owner.table["deep"]
    for list_step, dict_step, i in steps:
        new = Counter()
        for ours, mirror in ((owner.values, mirror_list), (deep, mirror_deep)):
            change_list(ours, list_step, new, i)
            change_list(mirror, list_step, new, i)
        change_dict(owner.table, dict_step, new, i)
        change_dict(mirror_dict, dict_step, new, i)
        assert owner.values == mirror_list and owner.table == mirror_dict
        found = {id(below) for below in owner._tracked_objects if isinstance(below, Counter)}
        assert found == inside(mirror_list) | inside(mirror_dict)
        assert len(owner.weights) == 1 + len(found) == 1 + len(set(paths(owner)) - {"gate"})
