"""Each notebook runs at its smallest size and holds the same cells as the script beside it."""

import json
from pathlib import Path

import jupytext
import matplotlib
import numpy as np
import pytest

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
PICTURES = {"character_transformer": 4, "gradient_tape": 1, "mnist_convnet": 6, "two_faces": 0, "vae": 8}

by_name = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def run(path):
    """The names that the cells leave behind, and how many pictures each of them draws."""
    from matplotlib import pyplot

    names, pictures = {"__name__": path.stem}, []
    for number, cell in enumerate(json.loads(path.read_text())["cells"]):
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), f"{path.name}, cell {number}", "exec"), names)
            for figure in map(pyplot.figure, pyplot.get_fignums()):
                figure.canvas.draw()
                pictures.append(number)
            pyplot.close("all")
    return names, pictures


def test_there_are_notebooks():
    assert {path.stem for path in NOTEBOOKS} == set(PICTURES)


@by_name
def test_the_cells_run_in_order(path, monkeypatch, capsys, restored_settings):
    monkeypatch.setenv("JAXLAYERS_NOTEBOOK_SIZE", "tiny")
    matplotlib.use("Agg")
    names, pictures = run(path)
    printed = capsys.readouterr().out
    assert len(pictures) >= PICTURES[path.stem] and len(set(pictures)) == len(pictures)
    check = {
        "character_transformer": check_transformer,
        "gradient_tape": check_loops,
        "mnist_convnet": check_classifier,
        "two_faces": check_sine,
        "vae": check_autoencoder,
    }[path.stem]
    check(names, printed)


def check_sine(names, printed):
    assert float(abs(names["prediction"] - names["y"]).mean()) < 0.1


def check_classifier(names, printed):
    assert names["losses"][-1] < 0.7 * names["losses"][0]
    assert names["figures"]["accuracy"] > 0.3  # one in ten by chance
    assert int(names["state"].step) == int(names["model"].optimizer.iterations.value)


def check_loops(names, printed):
    figures = names["figures"]
    assert len(figures) == 6 and all(len(found) in (1, 2) for _, *found in figures.values())
    for experiment in ("linear layer", "added losses", "compiled step"):
        first, last = figures[experiment][1:]
        assert last < 0.95 * first
    assert 0.3 < figures["running accuracy"][1] < figures["running accuracy"][2]
    for losses, ratio in ((names["vae_losses"], 0.5), (names["hyper_losses"], 0.8)):
        assert np.mean(losses[-10:]) < ratio * losses[0]
    assert names["history"]["loss"][-1] < names["history"]["loss"][0]
    np.testing.assert_allclose(names["curvature"], [0.128, 0.064], rtol=1e-5)
    assert names["main"].weights == []  # its layers use the arrays that were assigned to them


def check_transformer(names, printed):
    assert names["losses"][-1] < 0.9 * names["losses"][0]
    assert names["after"] < names["before"] < len(names["alphabet"])
    assert names["gap"] < 1e-4
    assert printed.count("temperature 0.8:\n    And ") == 2


def check_autoencoder(names, printed):
    assert names["losses"][-1] < 0.8 * names["losses"][0]
    assert names["codes"].std() > 0.3  # the digits are spread over the plane


@by_name
def test_notebook_and_script_hold_the_same_cells(path):
    pair = [jupytext.read(path), jupytext.read(path.with_suffix(".py"))]
    notebook, script = ([(cell.cell_type, cell.source) for cell in which.cells] for which in pair)
    assert notebook == script
    assert [which.metadata["jupytext"]["formats"] for which in pair] == ["ipynb,py:percent"] * 2


@by_name
def test_the_outputs_are_its_own_and_nothing_else(path):
    code = [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"]
    outputs = [output for cell in code for output in cell["outputs"]]
    assert not any(cell["metadata"] or cell["execution_count"] for cell in code)
    assert not any(output["output_type"] == "error" or output.get("name") == "stderr" for output in outputs)
    assert sum("image/png" in output.get("data", ()) for output in outputs) >= PICTURES[path.stem]
    texts = ["".join(output.get("text") or output["data"]["text/plain"]) for output in outputs]
    forbidden = ("/home/", "/root/", "/tmp/", "/Users/", " at 0x")  # where it was run
    assert texts and not [text for text in texts if any(place in text for place in forbidden)]
