"""One check for every operation: it equals Keras's, eagerly and compiled, on variables and lists, and symbolically."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxlayers.common.settings import standardize_dtype
from jaxlayers.core import SymbolicTensor, Variable

TOLERANCE = {"float32": 1e-5, "bfloat16": 2e-2, "float16": 2e-3, "complex64": 1e-5}


def is_array(value):
    return isinstance(value, np.ndarray | jax.Array)


def replace(tree, change):
    """The arrays in arguments replaced; numbers, strings and None stay."""
    return jax.tree.map(lambda leaf: change(leaf) if is_array(leaf) else leaf, tree)


def leaves(tree):
    return jax.tree.leaves(tree, is_leaf=lambda leaf: leaf is None)


def assert_same(got, want, where):
    got, want = leaves(got), leaves(want)
    assert len(got) == len(want), where
    for a, b in zip(got, want, strict=True):
        assert isinstance(a, jax.Array) == isinstance(b, jax.Array), (where, type(a), type(b))
        if not isinstance(b, jax.Array):
            assert a == b, where
            continue
        assert a.shape == b.shape, (where, a.shape, b.shape)
        assert a.dtype == b.dtype, (where, a.dtype, b.dtype)
        tolerance = TOLERANCE.get(str(b.dtype), 0)
        wide = np.complex128 if b.dtype == "complex64" else np.float64
        np.testing.assert_allclose(
            np.asarray(a).astype(wide), np.asarray(b).astype(wide), tolerance, tolerance, err_msg=str(where)
        )


def assert_symbolic(function, args, kwargs, real, unknown):
    """Shapes and dtypes of symbolic results are those of real ones; an unknown first size may stay unknown."""
    for known in (True, False):

        def symbol(array, known=known):
            shape = array.shape if known or not array.shape else (None, *array.shape[1:])
            return SymbolicTensor(shape, str(array.dtype))

        # With an unknown size all other sizes must still fit, which they do where only one array comes in.
        arrays = [leaf for leaf in leaves((args, kwargs)) if is_array(leaf)]
        if not arrays or (not known and (not unknown or len(arrays) != 1 or not arrays[0].shape)):
            return
        found = leaves(function(*replace(args, symbol), **replace(kwargs, symbol)))
        expected = leaves(real)
        if known:
            assert len(found) == len(expected)
        for a, b in zip(found, expected, strict=known):
            assert type(a) is SymbolicTensor
            assert a.dtype == standardize_dtype(jnp.asarray(b).dtype)
            assert len(a.shape) == np.ndim(b)
            if known:
                assert a.shape == np.shape(b)
            else:
                assert all(m is None or m == n for m, n in zip(a.shape, np.shape(b), strict=True)), (a, np.shape(b))


def run_compiled(functions, arrays):
    """Return the results of all functions with the same arguments, from one compiled program."""
    flat, tree = jax.tree.flatten(arrays)
    where = [i for i, leaf in enumerate(flat) if is_array(leaf)]

    @jax.jit
    def run(values):
        filled = dict(zip(where, values, strict=True))
        args, kwargs = jax.tree.unflatten(tree, [filled.get(i, leaf) for i, leaf in enumerate(flat)])
        return [function(*args, **kwargs) for function in functions]

    return run([flat[i] for i in where])


@pytest.fixture(scope="session")
def agree():
    def check(
        ours,
        theirs,
        args,
        kwargs=None,
        *,
        traced=True,
        symbolic=True,
        unknown=True,
        lists=True,
        gradient=None,
        composed=False,
    ):
        """Compare.

        `unknown`: whether the arguments make sense when the first size is another one. `gradient`: whether to compare
        that of the first argument; by default when it is float32. `composed`: whether Keras's operation consists of
        many of JAX's, each of which would be compiled for itself if it ran eagerly; then it runs compiled.
        """
        kwargs = kwargs or {}
        name = ours.__name__
        arrays = replace((args, kwargs), jax.device_put)  # jnp.asarray would compile a program for each shape
        want, *compiled = run_compiled([theirs, ours], arrays) if composed else [theirs(*arrays[0], **arrays[1])]
        got = ours(*arrays[0], **arrays[1])
        assert_same(got, want, name)
        assert_same(ours(*replace(args, np.asarray), **replace(kwargs, np.asarray)), got, f"{name} of NumPy arrays")
        variables = replace((args, kwargs), Variable)
        assert_same(ours(*variables[0], **variables[1]), got, f"{name} of variables")
        if lists and all(leaf.dtype in ("float32", "int32", "bool") for leaf in leaves(arrays) if is_array(leaf)):
            listed = replace((args, kwargs), lambda leaf: leaf.tolist())
            assert_same(ours(*listed[0], **listed[1]), got, f"{name} of lists")
        if traced:
            (outputs,) = compiled or run_compiled([ours], arrays)
            assert_same(jax.tree.map(jnp.asarray, outputs), jax.tree.map(jnp.asarray, got), f"{name} under jit")
            if symbolic:
                assert_symbolic(ours, args, kwargs, got, unknown)
        first = arrays[0][0] if arrays[0] else None
        if gradient is None:
            gradient = traced and isinstance(first, jax.Array) and first.dtype == "float32"
        if gradient:
            both = jax.jit(lambda x: [jax.grad(functools.partial(_scalar, f, arrays))(x) for f in (ours, theirs)])
            assert_same(*both(first), f"gradient of {name}")

    return check


def _scalar(function, arrays, x):
    """A number that depends on every element of the float results, on each differently."""
    total = 0.0
    for result in leaves(function(x, *arrays[0][1:], **arrays[1])):
        if isinstance(result, jax.Array) and jnp.issubdtype(result.dtype, jnp.inexact):
            real = jnp.real(result) + jnp.imag(result) if jnp.iscomplexobj(result) else result
            total += jnp.sum(real * jnp.cos(jnp.arange(result.size, dtype="float32")).reshape(result.shape))
    return total


@pytest.fixture(scope="session")
def same():
    return assert_same


@pytest.fixture(scope="session")
def same_dtypes():
    """Whether two functions return the same shapes and dtypes, told without computing anything."""

    def check(ours, theirs, args, where):
        where_arrays = [i for i, arg in enumerate(args) if is_array(arg)]

        def outputs(function):
            def run(arrays):
                filled = dict(zip(where_arrays, arrays, strict=True))
                return function(*(filled.get(i, arg) for i, arg in enumerate(args)))

            found = jax.eval_shape(run, [args[i] for i in where_arrays])
            return [(leaf.shape, str(leaf.dtype)) for leaf in jax.tree.leaves(found)]

        try:
            want = outputs(theirs)
        except (TypeError, ValueError):
            return  # Keras takes no such dtype
        assert outputs(ours) == want, where

    return check
