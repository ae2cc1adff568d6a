"""No package imports a private module of another one; a package may import those of the packages around it."""

import ast
import pathlib

import pytest

import jaxlayers

ROOT = pathlib.Path(jaxlayers.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
NAMES = {path: ".".join(path.relative_to(ROOT.parent).with_suffix("").parts) for path in FILES}
MODULES = {name.removesuffix(".__init__") for name in NAMES.values()}


def imported(tree, name, modules):
    """The modules that a file imports, anywhere in it; `name` is the file's own, with `__init__`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = name.split(".")[: -node.level] if node.level else []
            base = ".".join([*package, *(node.module or "").split(".")]).strip(".")
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names if f"{base}.{alias.name}" in modules)


def violations(source, name, modules=MODULES):
    found = set()
    for target in imported(ast.parse(source), name, modules):
        parts = target.split(".")
        private = [i for i, part in enumerate(parts) if part.startswith("_") and not part.startswith("__")]
        owner = ".".join(parts[: private[0]]) if private else ""
        if parts[0] == "jaxlayers" and private and not name.startswith(f"{owner}."):
            found.add((target, owner))
    return found


@pytest.mark.parametrize("path", FILES, ids=[str(path.relative_to(ROOT)) for path in FILES])
def test_private_modules_are_imported_within_their_package(path):
    others = {target for target, _ in violations(path.read_text(), NAMES[path])}
    assert not others, f"{path.relative_to(ROOT)} imports private modules of another package: {sorted(others)}"


@pytest.mark.parametrize(
    ("source", "name", "count"),
    [
        ("from jaxlayers.ops._math import segment_sum", "jaxlayers.layers.dense", 1),
        ("from jaxlayers.ops import _math", "jaxlayers.layers.dense", 1),
        ("import jaxlayers.ops._math", "jaxlayers.random", 1),
        ("def f():\n    from ..ops import _math", "jaxlayers.layers.dense", 1),
        ("from jaxlayers.ops import _math", "jaxlayers.__init__", 1),
        ("from jaxlayers.ops._math import segment_sum", "jaxlayers.ops.core", 0),
        ("from . import _math", "jaxlayers.ops.core", 0),
        ("from jaxlayers.layers._config import describe", "jaxlayers.layers.recurrent.cells", 0),
        ("from jaxlayers.layers.recurrent import _loop", "jaxlayers.layers.dense", 1),
        ("from jaxlayers.ops import nn, __doc__", "jaxlayers.layers.dense", 0),
    ],
)
def test_the_rule_itself(source, name, count):
    assert len(violations(source, name)) == count
