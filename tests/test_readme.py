"""The programs in README.md and in the pages of docs run."""

import re
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```", README.read_text(), re.MULTILINE | re.DOTALL)


def test_readme_has_code():
    assert len(BLOCKS) >= 4


PAGES = sorted(page for page in (README.parent / "docs").glob("*.md") if "```python" in page.read_text())


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_page_runs_from_top_to_bottom(page, restored_settings):
    blocks = re.findall(r"^```python\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    exec(compile("\n".join(blocks), page.name, "exec"), {"__name__": page.stem})


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_code_block_runs(number):
    exec(compile(BLOCKS[number], f"README.md, block {number}", "exec"), {"__name__": f"readme_{number}"})
