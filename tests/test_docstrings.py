"""The examples in docstrings run, and every public name has a docstring."""

import doctest
import importlib
import inspect
import pkgutil
import types

import jax
import pytest

import jaxlayers

MODULES = ["jaxlayers", *(found.name for found in pkgutil.walk_packages(jaxlayers.__path__, "jaxlayers."))]
NAMESPACES = {"jaxlayers": jaxlayers} | {
    found.__name__: found
    for name, found in vars(jaxlayers).items()
    if isinstance(found, types.ModuleType) and found.__name__.startswith("jaxlayers.") and not name.startswith("_")
}


class Finder(doctest.DocTestFinder):
    """Finds the examples of decorated functions too: those say where they are from by `__module__` alone."""

    def _from_module(self, module, found):
        if inspect.isfunction(found):
            return found.__module__ == module.__name__
        return super()._from_module(module, found)


def examples_in(name):
    return Finder(exclude_empty=True).find(importlib.import_module(name), name)


@pytest.fixture(autouse=True, scope="module")
def compiled_as_users_do():
    """Compile with XLA's optimizations: the last digits that examples show depend on them."""
    before = jax.config.values["jax_disable_most_optimizations"]
    jax.config.update("jax_disable_most_optimizations", False)
    yield
    jax.config.update("jax_disable_most_optimizations", before)


@pytest.mark.parametrize("name", [name for name in MODULES if examples_in(name)])
def test_examples_run(name, restored_settings):
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    report = []
    for examples in examples_in(name):
        runner.run(examples, out=report.append)
    assert not runner.failures, "".join(report)


def test_examples_of_decorated_functions_are_found():
    @jaxlayers.core.operation("x")
    def twice(x):
        """Double it.

        >>> 1
        1
        """
        return 2 * x

    module = types.ModuleType(__name__)
    module.twice = twice
    assert [found.name for found in Finder().find(module, "m") if found.examples] == ["m.twice"]


@pytest.mark.parametrize("name", NAMESPACES)
def test_public_names_say_what_they_are(name):
    silent = [] if NAMESPACES[name].__doc__ else [name]
    for owner, value in vars(NAMESPACES[name]).items():
        if owner.startswith("_") or not getattr(value, "__module__", "").startswith("jaxlayers"):
            continue
        silent += [] if inspect.getdoc(value) else [owner]
        for member, inside in vars(value).items() if inspect.isclass(value) else []:
            said = inspect.getdoc(getattr(value, member))
            if not member.startswith("_") and isinstance(inside, types.FunctionType | property) and not said:
                silent.append(f"{owner}.{member}")
    assert not silent, f"without a docstring: {', '.join(silent)}"
