"""`jaxlayers.tree` against Keras."""

import collections

import keras
import pytest

import jaxlayers as jl
from jaxlayers import tree

Point = collections.namedtuple("Point", ["x", "y"])


class Subclassed(dict):
    """No structure, as in Keras."""


STRUCTURES = [
    1, "s", [], {}, (), [[]], [1, (2, None)], {"b": [1, 2], "a": {"c": None}}, {"b": [1, 3], "a": {"c": 4}},
    Point(1, [2]),
    collections.OrderedDict(z=1, a=2), {"a": 1, "z": 2}, collections.defaultdict(list, {"x": [1]}),
    (1, (2, 3)), [1, [2, 3]], collections.deque([1, [2, 3]], maxlen=4),
    {"b": 1, 2: [3], "a": 4}, collections.defaultdict(list, {"z": 1, "a": 2}), Subclassed(a=1),
    {"a": collections.deque([None, 2]), "b": 3},
]  # fmt: skip


def outcome(function, library):
    try:
        return repr(function(library))
    except (ValueError, TypeError) as error:
        return type(error)


def seen(library, structure, top_down):
    visited = []
    return library.traverse(visited.append, structure, top_down=top_down), visited


@pytest.mark.parametrize("structure", [*STRUCTURES, None], ids=str)
def test_one_structure(structure):
    for function in (
        lambda lib: lib.is_nested(structure),
        lambda lib: lib.flatten(structure),
        lambda lib: lib.flatten_with_path(structure),
        lambda lib: lib.lists_to_tuples(structure),
        lambda lib: lib.map_structure(lambda x: (x, 1), structure),
        lambda lib: lib.map_structure(lambda x: (x, 1), structure, none_is_leaf=False),
        lambda lib: seen(lib, structure, True),
        lambda lib: seen(lib, structure, False),
        lambda lib: lib.pack_sequence_as(structure, range(len(lib.flatten(structure)))),
        lambda lib: lib.pack_sequence_as(structure, range(7)),
        lambda lib: lib.traverse(lambda x: lib.MAP_TO_NONE if isinstance(x, list) else None, structure),
        lambda lib: lib.traverse(lambda x: "T" if x == 2 else None, structure, top_down=False),
    ):
        assert outcome(function, tree) == outcome(function, keras.tree)


@pytest.mark.parametrize("a", STRUCTURES, ids=str)
def test_two_structures(a):
    for b in STRUCTURES:
        for function in (
            lambda lib: lib.assert_same_structure(a, b),  # noqa: B023, called at once
            lambda lib: lib.assert_same_paths(a, b),  # noqa: B023
            lambda lib: lib.map_structure(lambda x, y: (x, y), a, b),  # noqa: B023
        ):
            assert outcome(function, tree) == outcome(function, keras.tree), b
        if None not in tree.flatten(a):  # Keras refuses a None in the shallow structure that its own example has
            function = lambda lib: lib.map_structure_up_to(a, str, b)  # noqa: B023
            assert outcome(function, tree) == outcome(function, keras.tree), b


def test_shapes_and_none_in_shallow_structures():
    shapes = {"a": (None, 2), "b": [[1, 2], (3, None)], "c": (), "d": collections.deque([(1, 2), None])}
    assert tree.map_shape_structure(str, shapes) == keras.tree.map_shape_structure(str, shapes)
    assert tree.map_structure_up_to([None, {"a": None}], len, [[1, 1], {"a": [2]}]) == [2, {"a": 1}]


def test_what_jax_knows_is_known():
    layer = jl.Layer()
    layer.held = [1, {"a": 2}]
    assert tree.flatten(layer.held) == [1, 2] and tree.map_structure(lambda x: -x, layer.held) == [-1, {"a": -2}]


@pytest.mark.parametrize("mistake", [
    lambda: tree.map_structure(3, [1]), lambda: tree.map_structure(str), lambda: tree.traverse(None, [1]),
    lambda: tree.map_structure_up_to([1], str), lambda: tree.pack_sequence_as([1], 3),
])  # fmt: skip
def test_mistakes(mistake):
    with pytest.raises(TypeError):
        mistake()


def test_messages_say_where():
    with pytest.raises(ValueError, match=r"\['a'\]\[1\].*list.*dict"):
        tree.assert_same_structure({"a": [1, [2]]}, {"a": [1, {"b": 2}]})
    with pytest.raises(ValueError, match=r"\(1,\).*\('b',\)|first"):
        tree.assert_same_paths([0, 1], {"b": 2})
    with pytest.warns(DeprecationWarning, match="no effect"):
        tree.assert_same_structure([1], [2], check_types=True)
