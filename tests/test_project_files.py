"""The workflow, hooks and pages agree with pyproject.toml, and the targets and files they name exist."""

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
WORKFLOW = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
HOOKS = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]


def test_the_workflow_covers_every_python_and_the_oldest_and_newest_jax():
    (job,) = WORKFLOW["jobs"].values()
    matrix = job["strategy"]["matrix"]
    prefix = "Programming Language :: Python :: "
    pythons = [line.removeprefix(prefix) for line in PROJECT["classifiers"] if line.startswith(f"{prefix}3.")]
    assert matrix["python"] == pythons and PROJECT["requires-python"] == f">={pythons[0]}"
    (bound,) = (line for line in PROJECT["dependencies"] if re.match(r"jax\b", line))
    assert matrix["jax"] == [f"{bound.removeprefix('jax>=')}.0", ""]


def test_the_workflow_may_only_read_and_runs_what_everybody_runs():
    (job,) = WORKFLOW["jobs"].values()
    assert WORKFLOW["permissions"] == {"contents": "read"} and "permissions" not in job
    *_, last = job["steps"]
    assert last["run"] == "bash .ci/run" and set(last["env"]) == {"PYTHON", "JAX_VERSION"}
    makefile = (ROOT / "Makefile").read_text()
    assert all(f"\n{name} ?=" in makefile for name in last["env"])
    targets = re.findall(r"^make (\S+)", (ROOT / ".ci/run").read_text(), re.MULTILINE)
    assert targets == ["lint", "test", "test-default-xla"]
    assert all(f"\n{target}:" in makefile for target in targets)


def test_the_variables_choose_the_interpreter_and_jax(tmp_path):
    if not shutil.which("make"):
        pytest.skip("needs make")
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    environment = {**os.environ, "PYTHON": "python9", "JAX_VERSION": "0.10.0", "MAKEFLAGS": ""}
    run = lambda env: (
        subprocess.run(
            ["make", "-n", "test-default-xla"], cwd=tmp_path, env=env, capture_output=True, text=True, check=True
        ).stdout
    )
    commands = run(environment)
    assert "python9 -m venv .venv" in commands and "--editable '.[dev]' 'jax==0.10.0'\n" in commands
    assert "JAXLAYERS_TESTS_XLA=default" in commands and "-m default_xla" in commands
    del environment["PYTHON"], environment["JAX_VERSION"]
    commands = run(environment)
    assert "python3 -m venv .venv" in commands and "--editable '.[dev]' \n" in commands


def test_hooks_are_tools_of_the_project():
    hooks = [hook for repository in HOOKS for hook in repository["hooks"]]
    assert [repository["repo"] for repository in HOOKS] == ["local"] and len(hooks) == 4
    lint = (ROOT / "Makefile").read_text().partition("\nlint:")[2].partition("\n\n")[0]
    for hook in hooks:
        assert hook["language"] == "system"
        command = re.sub(" --force-exclude", "", hook["entry"])
        assert f"\t{command}\n" in f"{lint}\n"


def test_editors_are_told_the_line_length_of_the_linter():
    line_length = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["line-length"]
    assert f"max_line_length = {line_length}\n" in (ROOT / ".editorconfig").read_text()


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "docs/release.md"])
def test_pages_name_targets_and_files_that_exist(page):
    text = (ROOT / page).read_text()
    makefile = (ROOT / "Makefile").read_text()
    targets = set(
        re.findall(r"\bmake (?:[A-Z]+=\S+ )*([a-z-]+)", " ".join(re.findall(r"`[^`]+`|^    .*$", text, re.M)))
    )
    assert targets and all(f"\n{target}:" in makefile for target in targets)
    files = set(re.findall(r"`([\w./-]+\.(?:py|md|toml|yml|yaml))`", text))
    assert files and [file for file in files if not (ROOT / file).exists()] == []
