"""The pages in docs: every file that they name exists, and the architecture page names every part of the kernel."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = sorted((ROOT / "docs").glob("*.md"))
FILE = re.compile(r"`((?:jaxlayers|tests|docs|benchmarks|demo|notebooks)/[\w/.-]+)`")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_are_named_exist(page):
    missing = [name for name in FILE.findall(page.read_text()) if not (ROOT / name).exists()]
    assert not missing, f"{page.name} names files that do not exist: {missing}"


@pytest.mark.parametrize("package", ["core", "transforms"])
def test_the_architecture_names_the_files_of_the_kernel(package):
    text = (ROOT / "docs" / "architecture.md").read_text()
    files = [path.name for path in (ROOT / "jaxlayers" / package).glob("*.py") if path.name != "__init__.py"]
    unnamed = [name for name in files if f"jaxlayers/{package}/{name}`" not in text]
    helpers = {"facades.py", "gradients.py", "jit_options.py", "remat.py", "vmap.py"}
    assert files and set(unnamed) <= helpers


def test_the_architecture_names_every_constructor_of_scopes():
    from jaxlayers.core.scope import Scope

    constructors = {name for name, value in vars(Scope).items() if isinstance(value, classmethod) and name[0] != "_"}
    named = set(re.findall(r"^\| `Scope\.(\w+)`", (ROOT / "docs" / "architecture.md").read_text(), re.MULTILINE))
    assert named == constructors
