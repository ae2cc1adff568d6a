"""The editor of files of weights: what it lists, changes and writes, against Keras's for what both can do."""

import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest

import jaxlayers as jl
from jaxlayers.saving import KerasFileEditor

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of Keras

rng = np.random.default_rng(0)


def make(library, *widths):
    model = library.Sequential([library.Input((3,)), *(library.layers.Dense(width) for width in widths)])
    model.set_weights([rng.normal(size=w.shape) for w in model.get_weights()])
    return model


class Nested(jl.layers.Layer):
    """A layer with a variable of its own and a layer inside, which Keras's editor loses."""

    def __init__(self):
        super().__init__()
        self.scale = self.add_weight(shape=(2,), initializer="normal")
        self.inner = jl.layers.Dense(2)

    def call(self, x):
        return self.inner(x) * self.scale


def keras_editor(path):
    """Return Keras's editor for the weights of a file.

    Those of an archive are extracted first: Keras reads them from the open archive, with the wrong bytes under Python
    3.13.0 and 3.13.1, whose `zipfile` seeks from the position of another member (python/cpython#127847).
    """
    if path.endswith(".keras"):
        extracted = path.removesuffix(".keras") + ".extracted.weights.h5"
        with zipfile.ZipFile(path) as archive:
            Path(extracted).write_bytes(archive.read("model.weights.h5"))
        path = extracted
    return keras.saving.KerasFileEditor(path)


@pytest.mark.parametrize("ending", ["weights.h5", "keras"])
def test_the_same_edits_give_the_same_as_keras(ending, tmp_path, capsys):
    path, target = str(tmp_path / f"m.{ending}"), make(keras, 4, 5, 2)
    source = make(keras, 4, 2)
    source.save(path) if ending == "keras" else source.save_weights(path)
    arrays = {"0": rng.normal(size=(4, 5)), "1": rng.normal(size=7)}
    results = []
    for editor, model in ((keras_editor(path), target), (KerasFileEditor(path), make(jl, 4, 5, 2))):
        results.append([])
        results[-1].append(editor.compare(model))
        editor.rename_object("layers/dense_1", "dense_2")
        editor.add_object("layers/dense_1", dict(arrays))
        results[-1].append(editor.compare(model))
        editor.delete_weight("dense_1", "1")
        results[-1].append(editor.compare(model))
        editor.add_weights("dense_1", {"1": np.ones(5)})
        editor.delete_weight("dense_2", "0")
        editor.add_weights("dense_2", {"0": np.full((5, 2), 3.0)})
        results[-1].append(editor.compare(model))
        editor.add_object("layers/other", {"0": np.zeros(1)})
        results[-1].append(editor.compare(model))
        editor.delete_object("other")
        results[-1].append(editor.compare(model))
        editor.resave_weights(str(tmp_path / "edited.weights.h5"))
        model.load_weights(str(tmp_path / "edited.weights.h5"))
        results[-1].append([np.array(w) for w in model.get_weights()])
    # Keras counts what is inside of an object again for each object around it.
    assert [out["status"] for out in results[0][:-1]] == [out["status"] for out in results[1][:-1]]
    counts = [(3, 2), (2, 4), (2, 4), (0, 6), (1, 6), (0, 6)]
    assert [(out["error_count"], out["match_count"]) for out in results[1][:-1]] == counts
    assert all(np.array_equal(a, b) for a, b in zip(results[0][-1], results[1][-1], strict=True))
    target.load_weights(str(tmp_path / "edited.weights.h5"))  # Keras reads what this editor wrote
    assert np.all(target.layers[-1].kernel == 3)
    assert "layers/dense_1/1: shape (7,) in the file, (5,) in the model" in capsys.readouterr().out
    assert (editor.config is not None) == (ending == "keras")


@pytest.mark.parametrize("ending", ["weights.h5", "weights.json", "safetensors", "keras"])
def test_every_format_of_weights_is_kept(ending, tmp_path, capsys):
    model = jl.Sequential([jl.Input((3,)), jl.layers.Dense(2), Nested(), jl.layers.Dropout(0.5)])
    model.compile("adam", "mse")
    model.optimizer.build(model.trainable_variables)
    path = str(tmp_path / f"m.{ending}")
    if ending == "keras":
        with jl.saving.custom_object_scope({"Nested": Nested}):
            model.save(path)
    else:
        model.save_weights(path)
    editor = KerasFileEditor(path)
    assert editor.compare(model) == {
        "status": "success", "error_count": 0,
        "match_count": 6 if ending == "safetensors" else 6 + 2 + 2 * 5,
    }  # fmt: skip
    edited = path.replace(".keras", ".weights.h5")
    editor.save(edited)
    before = model.get_weights()
    model.set_weights([np.zeros_like(array) for array in before])
    model.load_weights(edited)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
    editor.summary()
    assert "scale: shape=(2,)" if ending == "safetensors" else "0: shape=(2,), dtype=float32" in capsys.readouterr().out


def test_mistakes_are_named(tmp_path):
    path = str(tmp_path / "m.weights.h5")
    with pytest.raises(ValueError, match="must end in"):
        KerasFileEditor(str(tmp_path / "m.npz"))
    inner = jl.Sequential([jl.Input((3,)), jl.layers.Dense(3), jl.Sequential([jl.Input((3,)), jl.layers.Dense(3)])])
    inner.save_weights(path)
    editor = KerasFileEditor(path)
    with pytest.raises(ValueError, match="several objects 'dense': layers/dense, layers/sequential"):
        editor.delete_object("dense")
    with pytest.raises(ValueError, match="no object 'dense_7'"):
        editor.delete_weight("dense_7", "0")
    with pytest.raises(ValueError, match=r"no array '3'; it has \['0', '1'\]"):
        editor.delete_weight("layers/dense", "3")
    with pytest.raises(ValueError, match="beside"):
        editor.rename_object("layers/dense", "sequential")
    with pytest.raises(ValueError, match="last part"):
        editor.rename_object("layers/dense", "a/b")
    with pytest.raises(ValueError, match="no object 'elsewhere'"):
        editor.add_object("elsewhere/dense", {})
    with pytest.raises(ValueError, match="must be a dict"):
        editor.add_weights("layers/dense", [1])
    with pytest.raises(ValueError, match="must end in"):
        editor.save(str(tmp_path / "m.npz"))
    editor.rename_object("layers/sequential", "model")
    assert editor.object_metadata["layers/model/layers/dense"]["name"].startswith("dense")
    assert "layers/sequential" not in editor.object_metadata
