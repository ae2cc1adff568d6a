"""How layers find what is assigned to them: at any depth, after any change, in Keras's order."""

import collections
import copy
import gc
import pickle
import time
import weakref
from typing import NamedTuple

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

from jaxlayers import Layer, Variable, layers
from jaxlayers.core import SeedGenerator, tracking
from jaxlayers.core.protocols import Role


class Leaf(Layer):
    """One weight that says which layer it is."""

    def __init__(self, number=0, **kwargs):
        super().__init__(**kwargs)
        self.number = number
        self.weight = Variable(float(number))

    def call(self, inputs):
        return inputs + self.weight


class Holder(Layer):
    def __init__(self, **attributes):
        super().__init__()
        for name, value in attributes.items():
            setattr(self, name, value)

    def call(self, inputs):
        return inputs


class Pair(NamedTuple):
    left: object
    right: object


def numbers(layer):
    return [int(weight.value) for weight in layer.weights]


def paths(layer):
    return ["/".join(path) for path, _ in layer._tracked_walk.entries]


def test_found_at_any_depth():
    holder = Holder(
        a=Leaf(1),
        b=[Leaf(2), (Leaf(3), {"k": Leaf(4)})],
        c={"x": [Leaf(5)], 7: Leaf(6)},
        d=Pair(Leaf(7), [Leaf(8)]),
        e=Variable(9.0),
        f=([[[Leaf(10)]]],),
    )
    assert paths(holder) == [
        "e", "a/weight", "b/0/weight", "b/1/0/weight", "b/1/1/k/weight", "c/x/0/weight", "c/7/weight",
        "d/0/weight", "d/1/0/weight", "f/0/0/0/0/weight",
    ]  # fmt: skip
    assert numbers(holder) == [9, 1, 2, 3, 4, 5, 6, 7, 8, 10]
    assert type(holder.d) is Pair and holder.d.left.number == 7
    assert holder.b[1][1]["k"].path == f"{holder.name}/b/1/1/k" and holder.weights[-1].path.endswith("f/0/0/0/0/weight")


def test_the_path_is_the_attribute_without_leading_underscores():
    assert paths(Holder(_hidden=Leaf(1), __more=Leaf(2), shown=Leaf(3))) == [
        "hidden/weight",
        "more/weight",
        "shown/weight",
    ]


@pytest.mark.parametrize("names", [("_x", "x"), ("x", "_x"), ("_x", "__x", "x"), ("__x", "_x")])
def test_names_that_differ_by_an_underscore_are_two_places(names):
    holder = Holder(**{name: Leaf(i + 1) for i, name in enumerate(names)})
    assert len(set(paths(holder))) == len(names)
    assert sorted(int(v) for v in jax.tree.leaves(holder.params)) == list(range(1, len(names) + 1))
    if "x" in names:
        assert int(holder.params["x"]["weight"]) == names.index("x") + 1


def test_keys_that_read_the_same_are_not_mixed_up():
    """A weight must never vanish from the tree without a word: it has a place of its own, or is refused."""
    try:
        holder = Holder(table={1: Leaf(1), "1": Leaf(2)})
        leaves = jax.tree.leaves(holder.params)
    except ValueError as error:
        assert "table/1/weight" in str(error)
    else:
        assert sorted(map(int, leaves)) == [1, 2]


LIST_CHANGES = {
    "append": (lambda v: v.append(Leaf(3)), [1, 2, 3]),
    "extend": (lambda v: v.extend([Leaf(3), Leaf(4)]), [1, 2, 3, 4]),
    "insert": (lambda v: v.insert(0, Leaf(3)), [3, 1, 2]),
    "setitem": (lambda v: v.__setitem__(0, Leaf(3)), [3, 2]),
    "slice": (lambda v: v.__setitem__(slice(0, 1), [Leaf(3), Leaf(4)]), [3, 4, 2]),
    "delitem": (lambda v: v.__delitem__(0), [2]),
    "delslice": (lambda v: v.__delitem__(slice(None)), []),
    "pop": (lambda v: v.pop(), [1]),
    "remove": (lambda v: v.remove(v[0]), [2]),
    "clear": (lambda v: v.clear(), []),
    "reverse": (lambda v: v.reverse(), [2, 1]),
    "sort": (lambda v: v.sort(key=lambda leaf: -leaf.number), [2, 1]),
    "iadd": (lambda v: v.__iadd__([Leaf(3)]), [1, 2, 3]),
    "imul": (lambda v: v.__imul__(2), [1, 2]),
    "nested append": (lambda v: (v.append([]), v[2].append(Leaf(3))), [1, 2, 3]),
    "nested in a dict": (lambda v: (v.append({"a": []}), v[2]["a"].append({"b": Leaf(3)})), [1, 2, 3]),
    "nested in a tuple": (lambda v: (v.append(([],)), v[2][0].append(Leaf(3))), [1, 2, 3]),
}
DICT_CHANGES = {
    "setitem": (lambda v: v.__setitem__("c", Leaf(3)), [1, 2, 3]),
    "replace": (lambda v: v.__setitem__("a", Leaf(3)), [3, 2]),
    "delitem": (lambda v: v.__delitem__("a"), [2]),
    "pop": (lambda v: v.pop("a"), [2]),
    "pop default": (lambda v: v.pop("z", None), [1, 2]),
    "popitem": (lambda v: v.popitem(), [1]),
    "clear": (lambda v: v.clear(), []),
    "update": (lambda v: v.update({"c": Leaf(3)}, d=Leaf(4)), [1, 2, 3, 4]),
    "setdefault": (lambda v: v.setdefault("c", [Leaf(3)]), [1, 2, 3]),
    "ior": (lambda v: v.__ior__({"c": Leaf(3)}), [1, 2, 3]),
    "nested": (lambda v: (v.update(c=[]), v["c"].append(Leaf(3))), [1, 2, 3]),
}


@pytest.mark.parametrize(("change", "expected"), LIST_CHANGES.values(), ids=LIST_CHANGES)
@pytest.mark.parametrize("where", ["attribute", "list", "dict", "tuple"])
def test_every_change_of_a_list_is_noticed(change, expected, where):
    value = [Leaf(1), Leaf(2)]
    holder = Holder(values={"attribute": value, "list": [value], "dict": {"k": value}, "tuple": (value,)}[where])
    assert numbers(holder) == [1, 2]  # so that a walk is kept
    inner = {"attribute": lambda v: v, "dict": lambda v: v["k"]}.get(where, lambda v: v[0])(holder.values)
    change(inner)
    assert sorted(numbers(holder)) == sorted(expected)
    assert [leaf.number for leaf in jax.tree.leaves(inner, is_leaf=lambda v: isinstance(v, Leaf))][
        : len(expected)
    ] == expected
    assert all(weight.path.startswith(holder.name + "/values/") for weight in holder.weights)


@pytest.mark.parametrize(("change", "expected"), DICT_CHANGES.values(), ids=DICT_CHANGES)
@pytest.mark.parametrize("where", ["attribute", "list"])
def test_every_change_of_a_dict_is_noticed(change, expected, where):
    value = {"a": Leaf(1), "b": Leaf(2)}
    holder = Holder(values=value if where == "attribute" else [value])
    assert numbers(holder) == [1, 2]
    change(holder.values if where == "attribute" else holder.values[0])
    assert sorted(numbers(holder)) == sorted(expected)


def test_containers_behave_as_the_builtin_ones():
    holder = Holder(a=[3, 1, 2], b={"x": 1})
    assert holder.a == [3, 1, 2] and isinstance(holder.a, list) and [*holder.a, 4] == [3, 1, 2, 4]
    assert holder.a.pop(0) == 3 and holder.a.index(2) == 1 and holder.a.copy() == [1, 2]
    assert holder.b == {"x": 1} and holder.b.pop("y", 5) == 5 and holder.b.setdefault("x", 9) == 1
    assert holder.b.setdefault("new") is None and holder.b.get("new", 1) is None
    with pytest.raises(KeyError):
        holder.b.pop("y")
    with pytest.raises(IndexError):
        holder.a.pop(10)
    for value in (holder.a, holder.b):
        assert (
            pickle.loads(pickle.dumps(value)) == value and copy.deepcopy(value) == value and copy.copy(value) == value
        )
    holder.a += [7]
    holder.b |= {"z": 2}
    assert holder.a == [1, 2, 7] and holder.b["z"] == 2


def test_containers_are_pytrees():
    holder = Holder(a=[1.0, {"k": 2.0}], b={"z": 3.0, "y": [4.0]})
    assert jax.tree.leaves(holder.a) == [1.0, 2.0] and jax.tree.leaves(holder.b) == [4.0, 3.0]
    assert jax.tree.map(lambda a: a + 1, holder.b) == {"y": [5.0], "z": 4.0}
    assert jax.jit(lambda tree: tree["z"])(holder.b) == 3.0
    assert [jax.tree_util.keystr(p) for p, _ in jax.tree_util.tree_leaves_with_path(holder.b)] == ["['y'][0]", "['z']"]


def test_attributes_are_replaced_and_deleted():
    holder = Holder(a=Leaf(1), b=Leaf(2))
    assert numbers(holder) == [1, 2]
    holder.a = Leaf(3)
    assert sorted(numbers(holder)) == [2, 3] and paths(holder) in (["a/weight", "b/weight"], ["b/weight", "a/weight"])
    holder.a = None
    assert numbers(holder) == [2]
    del holder.b
    assert numbers(holder) == [] and not hasattr(holder, "b")
    holder.a = 5
    holder.a = [Leaf(6)]
    assert numbers(holder) == [6]


def test_changes_deep_inside_are_noticed_from_the_top():
    inner = Holder(values=[])
    middle = Holder(inner=[inner])
    outer = Holder(middle=middle)
    assert numbers(outer) == []
    inner.values.append(Leaf(1))
    assert numbers(outer) == [1]
    inner.late = Leaf(2)
    middle.late = Variable(3.0)
    assert numbers(outer) == [3, 1, 2]


@pytest.mark.parametrize(
    "container", [collections.OrderedDict, lambda: collections.defaultdict(list)], ids=["ordered", "default"]
)
def test_other_kinds_of_dicts(container):
    leaf = Leaf(1)
    holder = Holder(values=container())
    assert numbers(holder) == []
    holder.values["a"] = leaf  # the layer is older than the last walk
    assert numbers(holder) == [1]


def test_a_set_of_layers_is_not_lost_without_a_word():
    try:
        holder = Holder(values={Leaf(1)})
    except (TypeError, ValueError) as error:
        assert "list" in str(error)
    else:
        assert numbers(holder) == [1]


def test_shared_things_are_found_once_where_they_are_first():
    leaf, variable = Leaf(1), Variable(2.0)
    holder = Holder(a=[leaf, leaf], b={"again": leaf}, v=variable, w=variable, deep=Holder(leaf=leaf, v=variable))
    assert paths(holder) == ["v", "a/0/weight"]
    assert leaf.path == f"{holder.name}/a/0"
    assert len(jax.tree.leaves(holder.params)) == 2


def test_layers_in_a_circle():
    parent, child = Holder(), Leaf(1)
    parent.child = child
    child.parent = parent
    assert numbers(parent) == [1] and paths(parent) == ["child/weight"]
    assert child.path == f"{parent.name}/child" and parent.path == parent.name
    assert child.weight.path == f"{parent.name}/child/weight"
    assert numbers(child) == [1]
    assert "child" in repr(child.weight)
    np.testing.assert_array_equal(child(jnp.ones(2)), [2, 2])
    twin = copy.deepcopy(parent)
    assert twin.child.parent is twin and twin.child is not child


def test_a_layer_that_holds_itself():
    holder = Holder(a=Leaf(1))
    holder.me = [holder]
    assert numbers(holder) == [1] and holder.path == holder.name and holder.a.path == f"{holder.name}/a"


def test_kinds_of_owners():
    holder = Holder(generator=SeedGenerator(1), leaf=Leaf(1))
    assert [(path, variable.role) for path, variable in holder._tracked_walk.entries] == [
        (("generator", "state"), "seed"),
        (("leaf", "weight"), "weight"),
    ]
    assert len(holder.weights) == 1 and len(holder.variables) == 2


def test_what_keeps_itself_apart():
    @tracking.keep_apart
    class Apart(tracking.Tracked):
        _variable_role = Role.SLOT

        def __init__(self):
            self.slot = Variable(1.0, trainable=False)

    apart = Apart()
    holder = Holder(optimizer=apart, several=[apart], leaf=Leaf(2))
    assert numbers(holder) == [2] and len(holder.variables) == 1
    assert len(apart._tracked_walk.entries) == 1


def test_nothing_is_walked_again_until_something_is_assigned():
    holder = Holder(a=[Leaf(1)], b={"k": Leaf(2)})
    walk = holder._tracked_walk
    holder(jnp.ones(2))
    holder._tracked_walk.entries[0][1].assign(5.0)
    holder.trainable = False
    holder.number, holder.text = 3, "plain values are nobody's child"
    walk = holder._tracked_walk
    holder(jnp.ones(2))
    assert holder._tracked_walk is walk
    holder.a.append(Leaf(3))
    assert holder._tracked_walk is not walk


def test_owners_are_not_kept_alive():
    leaf = Leaf(1)
    holder = Holder(a=[leaf])
    reference = weakref.ref(holder)
    del holder
    gc.collect()
    assert reference() is None
    assert leaf.path == leaf.name  # nobody's any more
    other = Holder(b=leaf)
    assert leaf.path == f"{other.name}/b"


def test_the_first_owner_names_the_path():
    leaf = Leaf(1)
    first, second = Holder(a=leaf), Holder(b=leaf)
    assert leaf.path == f"{first.name}/a" and leaf.weight.path == f"{first.name}/a/weight"
    assert paths(second) == ["b/weight"]
    second.more = [leaf]
    first.more = [leaf]
    first.more.append(Leaf(2))
    assert leaf.path == f"{first.name}/a" and leaf.weight.path == f"{first.name}/a/weight"


def test_what_was_replaced_is_not_kept_alive():
    holder = Holder()
    holder.a, holder.b, holder.c = Leaf(1), [Leaf(2)], {"k": Leaf(3)}
    references = [weakref.ref(leaf) for leaf in (holder.a, holder.b[0], holder.c["k"])]
    holder.a, holder.b[0] = Leaf(4), Leaf(5)
    holder.c.clear()
    assert numbers(holder) == [4, 5]
    gc.collect()
    assert [reference() for reference in references] == [None, None, None]


def test_long_lists_are_put_together_quickly():
    leaves, holder = [Leaf() for _ in range(300)], Holder(values=[])
    start = time.process_time()
    for leaf in leaves:
        holder.values.append(leaf)
    holder.values.extend([leaves[0]] * 300)
    assert len(holder.weights) == 300
    assert time.process_time() - start < 0.3


def test_assigning_before_super_init():
    class Hasty(Layer):
        def __init__(self, value):
            self.thing = value
            super().__init__()

    leaf = Leaf(1)
    assert Hasty(leaf).thing is leaf and numbers(Hasty(leaf)) == [1]
    layer = Hasty(Variable(1.0))
    assert [v.path for v in layer.weights] == [f"{layer.name}/thing"]
    assert Hasty(5).thing == 5
    assert numbers(Hasty([Leaf(2)])) == [2]


# The order of `weights` is Keras's: files and get_weights() depend on it.


def structures(base, leaf, shared, other, **_):
    """The same layers with either library; every leaf has one weight of a different size."""

    def make(build):
        class Made(base):
            def __init__(self):
                super().__init__()
                build(self)

        return Made

    def own_weights_last(self):
        self.a = leaf(1)
        self.frozen = self.add_weight(shape=(2,), trainable=False, initializer="zeros")
        self.w = self.add_weight(shape=(3,), initializer="zeros")
        self.b = leaf(4)

    def nested(self):
        self.d = {"z": leaf(1), "a": [leaf(2), (leaf(3), {"q": leaf(4)})]}
        self._private = leaf(5)
        self.t = ((leaf(6),), [[leaf(7)]])
        self.one = leaf(8)

    def appended_before(self):
        self.stack = []
        for i in range(3):
            self.stack.append(leaf(i + 1))
        self.head = leaf(4)

    def appended_later(self):
        self.stack = []
        self.head = leaf(1)
        for i in range(2):
            self.stack.append(leaf(i + 2))

    def appended_in_turn(self):
        self.convs, self.norms = [], []
        for i in range(3):
            self.convs.append(leaf(2 * i + 1))
            self.norms.append(leaf(2 * i + 2))

    def shared_deep_then_direct(self):
        one = shared(1)
        self.inner = make(lambda s: (setattr(s, "first", leaf(2)), setattr(s, "kept", one)))()
        self.other = leaf(3)
        self.direct = one

    def tied(self):
        self.embed = leaf(1)
        self.out = leaf(2)
        self.tied = self.embed.w

    def frozen_layers(self):
        self.a, self.b, self.c = other(1), leaf(3), other(4)
        self.a.trainable = False

    def mixed(self):
        self.inner = make(nested)()
        self.w = self.add_weight(shape=(9,), initializer="zeros")
        self.more = [make(own_weights_last)(), make(appended_before)()]

    return {
        function.__name__: make(function)
        for function in (own_weights_last, nested, appended_before, appended_later, appended_in_turn,
                         shared_deep_then_direct, tied, frozen_layers, mixed)
    }  # fmt: skip


def library(base):
    class Sized(base):
        def __init__(self, size):
            super().__init__()
            self.w = self.add_weight(shape=(size,), initializer="zeros")

    class Both(base):
        def __init__(self, size):
            super().__init__()
            self.moving = self.add_weight(shape=(size + 20,), initializer="zeros", trainable=False)
            self.w = self.add_weight(shape=(size,), initializer="zeros")

    return structures(base, Sized, Sized, Both)


OURS, THEIRS = library(Layer), library(keras.layers.Layer)


@pytest.mark.parametrize("name", OURS)
def test_the_order_of_weights_is_that_of_keras(name):
    ours, theirs = OURS[name](), THEIRS[name]()
    for attribute in ("weights", "trainable_weights", "non_trainable_weights"):
        assert [w.shape for w in getattr(ours, attribute)] == [tuple(w.shape) for w in getattr(theirs, attribute)], (
            attribute
        )


@pytest.mark.parametrize("make", [
    lambda lib: lib.layers.BatchNormalization(),
    lambda lib: lib.layers.Dense(4),
    lambda lib: lib.layers.LayerNormalization(),
    lambda lib: lib.Sequential([lib.layers.BatchNormalization(), lib.layers.Dense(4), lib.layers.BatchNormalization()]),
], ids=["batch norm", "dense", "layer norm", "sequential"])  # fmt: skip
def test_the_order_of_builtin_layers_is_that_of_keras(make):
    import jaxlayers

    ours, theirs = make(jaxlayers), make(keras)
    ours.build((None, 3)), theirs.build((None, 3))
    assert [w.name for w in ours.weights] == [w.name for w in theirs.weights]
    assert [w.shape for w in ours.weights] == [tuple(w.shape) for w in theirs.weights]
    assert [w.trainable for w in ours.weights] == [w.trainable for w in theirs.weights]


def test_the_order_stays_when_things_are_frozen_called_and_copied(x):
    made = OURS["mixed"]()
    shapes = [w.shape for w in made.weights]
    identities = [id(w) for w in made.weights]
    made.inner.trainable = False
    made.more[0].w.trainable = False
    assert [id(w) for w in made.weights] == identities
    made.trainable = True
    assert [id(w) for w in made.weights] == identities
    for twin in (copy.deepcopy(made), OURS["mixed"]()):
        assert [w.shape for w in twin.weights] == shapes


def test_built_early_or_late_the_order_is_the_same():
    def make():
        holder = Holder()
        holder.a, holder.b = layers.Dense(2), [layers.Dense(3), layers.BatchNormalization()]
        return holder

    first, second = make(), make()
    for order, holder in (((0, 1, 2), first), ((2, 0, 1), second)):
        for i in order:
            [holder.a, *holder.b][i].build((None, 4))
    assert paths(first) == paths(second)
    assert paths(first) == ["a/kernel", "a/bias", "b/0/kernel", "b/0/bias", "b/1/gamma", "b/1/beta", "b/1/moving_mean",
                            "b/1/moving_variance"]  # fmt: skip
