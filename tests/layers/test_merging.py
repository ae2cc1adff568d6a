"""Merging layers beyond the table of layers: masks, functions, symbolic tensors, mistakes."""

import functools

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

import jaxlayers as jl
from jaxlayers import layers
from jaxlayers.common.masks import get_mask, set_mask
from tests.layers.table import floats

FORMS = ["add", "subtract", "multiply", "average", "maximum", "minimum", "concatenate", "dot"]
KERAS_MASK = "_keras_mask"


def masked(array, mask):
    """The array for us and for Keras, each with the mask travelling along."""
    ours, theirs = jnp.asarray(array), jnp.array(array)
    if mask is not None:
        set_mask(ours, jnp.asarray(mask))
        keras.src.backend.set_keras_mask(theirs, jnp.asarray(mask))
    return ours, theirs


def some(*shape, seed=0):
    return np.random.default_rng((seed, *shape)).random(shape) < 0.6


@pytest.mark.parametrize("name", ["Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate", "Dot"])
@pytest.mark.parametrize("given", [(1, 1), (1, 0), (0, 1), (0, 0)])
def test_values_and_masks_are_those_of_keras(name, given):
    arrays = [floats(4, 5, 3), floats(4, 5, 3)[::-1] * 2]
    pairs = [
        masked(x, some(4, 5, seed=i) if has else None) for i, (x, has) in enumerate(zip(arrays, given, strict=True))
    ]
    arguments = {"axes": 2} if name == "Dot" else {}
    ours = getattr(layers, name)(**arguments)([pair[0] for pair in pairs])
    theirs = getattr(keras.layers, name)(**arguments)([pair[1] for pair in pairs])
    mask, expected = get_mask(ours), getattr(theirs, KERAS_MASK, None)
    assert (mask is None) == (expected is None)
    kept = np.ones(ours.shape, bool)
    if mask is not None:
        np.testing.assert_array_equal(mask, expected)
        kept = np.broadcast_to(np.asarray(mask)[..., None], ours.shape)  # what stands in padding is nobody's business
    np.testing.assert_allclose(np.asarray(ours)[kept], np.asarray(theirs)[kept], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", ["Multiply", "Maximum", "Minimum"])
def test_padding_takes_no_part(name):
    """With three inputs: each step is made of the inputs that count there, and zero where none does."""
    arrays, counts = [floats(4, 5, 3) * (i + 1) - i for i in range(3)], [some(4, 5, seed=i) for i in range(3)]
    reduce = {"Multiply": np.prod, "Maximum": np.max, "Minimum": np.min}[name]
    expected = np.zeros((4, 5, 3), "float32")
    for place in np.ndindex(4, 5):
        inside = [x[place] for x, m in zip(arrays, counts, strict=True) if m[place]]
        if inside:
            expected[place] = reduce(inside, axis=0)
    spoilt = [np.where(m[..., None], x, np.nan) for x, m in zip(arrays, counts, strict=True)]

    def run(*arrays):
        for x, m in zip(arrays, counts, strict=True):
            set_mask(x, jnp.asarray(m))
        outputs = getattr(layers, name)()(list(arrays))
        return outputs, get_mask(outputs)

    for call in (run, jl.jit(run)):
        outputs, mask = call(*map(jnp.asarray, spoilt))
        np.testing.assert_allclose(outputs, expected, rtol=1e-6)
        np.testing.assert_array_equal(mask, np.any(counts, axis=0))
    gradient = jax.grad(lambda x: run(x, *map(jnp.asarray, spoilt[1:]))[0].sum())(jnp.asarray(spoilt[0]))
    assert np.isfinite(gradient).all()


def test_masks_of_inputs_with_fewer_axes_are_lined_up():
    """`[batch, features]` is merged with `[batch, time, features]` as one step that is everywhere."""
    few, many, count = jnp.asarray(floats(4, 3)), jnp.asarray(floats(4, 5, 3)), some(4, 5)
    set_mask(many, jnp.asarray(count))
    outputs = layers.Maximum()([few, many])
    expected = np.where(count[..., None], np.maximum(few[:, None], many), np.broadcast_to(few[:, None], many.shape))
    np.testing.assert_array_equal(outputs, expected)


@pytest.mark.parametrize(("axis", "shapes"), [(1, [(4, 5, 3), (4, 2, 3)]), (-1, [(4, 5, 3), (4, 5, 2)])])
@pytest.mark.parametrize("given", [(1, 1), (1, 0), (0, 1)])
def test_masks_are_concatenated(axis, shapes, given):
    pairs = [masked(floats(*s), some(*s[:2]) if has else None) for s, has in zip(shapes, given, strict=True)]
    ours = layers.Concatenate(axis)([pair[0] for pair in pairs])
    theirs = keras.layers.Concatenate(axis)([pair[1] for pair in pairs])
    np.testing.assert_array_equal(get_mask(ours), getattr(theirs, KERAS_MASK))


def test_masks_are_concatenated_in_images_over_time():
    array, mask = jnp.asarray(floats(2, 3, 4, 5)), jnp.asarray(some(2, 3))
    set_mask(array, mask)
    found = get_mask(layers.Concatenate()([array, array]))
    np.testing.assert_array_equal(found, mask)


@pytest.mark.parametrize("name", FORMS)
def test_functions_are_their_layers(name):
    arrays = [floats(4, 3), floats(4, 3)[::-1] * 2]
    more = {"normalize": True} if name == "dot" else {"name": "it"}
    cls = getattr(layers, name.capitalize())
    outputs = getattr(layers, name)(arrays, **more)
    np.testing.assert_array_equal(outputs, cls(**({"axes": -1} if name == "dot" else {}), **more)(arrays))
    np.testing.assert_allclose(outputs, getattr(keras.layers, name)(arrays, **more), rtol=1e-6)
    symbolic = getattr(layers, name)([jl.Input((3,)), jl.Input((3,))], **more)
    assert symbolic.shape == (None, *outputs.shape[1:])


WRONG = [
    (lambda: layers.Add(name="it")(floats(2, 3)), ["it", "list", "an array"]),
    (lambda: layers.Add(name="it")([]), ["it", "list"]),
    (lambda: layers.Add(name="it")([floats(2, 3), floats(2, 4)]), ["it", "(2, 3)", "(2, 4)"]),
    (lambda: layers.Multiply(name="it")([floats(2, 3), floats(3, 3)]), ["it", "batch", "(3, 3)"]),
    (lambda: layers.Subtract(name="it")([floats(2, 3)] * 3), ["it", "2", "3"]),
    (lambda: layers.Concatenate(axis="last"), ["Concatenate", "axis", "last"]),
    (lambda: layers.Concatenate(axis=2, name="it")([floats(2, 3)]), ["it", "axis=2", "(2, 3)"]),
    (lambda: layers.Concatenate(axis=1, name="it")([floats(2, 3), floats(3, 3)]), ["it", "axis 1", "(3, 3)"]),
    (lambda: layers.Dot("last"), ["Dot", "axes", "last"]),
    (lambda: layers.Dot((1, 2, 3)), ["Dot", "axes", "(1, 2, 3)"]),
    (lambda: layers.Dot(0, name="it")([floats(2, 3)] * 2), ["it", "batch", "(2, 3)"]),
    (lambda: layers.Dot(2, name="it")([floats(2, 3)] * 2), ["it", "axes=2", "(2, 3)"]),
    (lambda: layers.Dot(1, name="it")([floats(2, 3), floats(2, 4)]), ["it", "(2, 3)", "(2, 4)"]),
    (lambda: layers.Dot(1, name="it")([floats(2, 3)]), ["it", "2", "1"]),
]


@pytest.mark.parametrize(("mistake", "words"), WRONG)
def test_mistakes_are_told_with_the_layer(mistake, words):
    with pytest.raises((ValueError, TypeError)) as caught:
        mistake()
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_integers_are_merged_as_integers():
    arrays = [np.array([[1, 5]]), np.array([[4, 2]])]
    for name, function in (("Add", np.add), ("Multiply", np.multiply), ("Maximum", np.maximum)):
        outputs = getattr(layers, name)()(arrays)
        assert outputs.dtype == jnp.int32
        np.testing.assert_array_equal(outputs, functools.reduce(function, arrays))
    np.testing.assert_array_equal(layers.Average()(arrays), [[2.5, 3.5]])
    for name, value in (("Maximum", 4), ("Minimum", 4)):  # a step that is left out is not looked at
        first, second = map(jnp.asarray, arrays)
        set_mask(first, jnp.array([[False, True]]))
        assert int(getattr(layers, name)()([first, second])[0, 0]) == value


def test_a_batch_of_one_is_broadcast():
    a, b = jl.Input((4,)), jl.Input((4,))
    model = jl.Model([a, b], layers.Subtract()([a, b]))
    x, y = floats(16, 4), floats(1, 4)
    np.testing.assert_allclose(model([x, y]), x - y)
    assert model.output_shape == (None, 4)
    assert layers.Add()([jl.Input((4,), batch_size=1), jl.Input((4,))]).shape == (None, 4)
    with pytest.raises(ValueError, match="batch of one"):
        layers.Add()([x, floats(2, 4)])


@pytest.mark.parametrize("name", ["Add", "Maximum", "Concatenate"])
def test_masks_must_be_a_list_like_the_inputs(name):
    layer, x, mask = getattr(layers, name)(), jnp.ones((2, 3, 4)), jnp.ones((2, 3), bool)
    assert layer.compute_mask([x, x], None) is None and layer.compute_mask([x, x], [None, None]) is None
    for inputs, masks in (([x, x], mask), (x, [mask, mask]), ([x, x], [mask])):
        with pytest.raises(ValueError, match="expects"):
            layer.compute_mask(inputs, masks)
