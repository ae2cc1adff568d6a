"""Files of other kinds, directories, missing files and names that cannot be written: each error shows the way out."""

import os
import pickle
import re
import shutil
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

import jaxlayers as jl
from jaxlayers.files import kinds
from jaxlayers.saving import KerasFileEditor


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a file of each kind, under names that do not show it."""
    folder = tmp_path_factory.mktemp("kinds")
    model = jl.Sequential([jl.Input((3,)), jl.layers.Dense(2)])
    for name in ("model.keras", "model.weights.h5", "model.safetensors"):
        (model.save if name.endswith(".keras") else model.save_weights)(folder / name)
        (folder / name).rename(folder / name.replace("model.", "").replace("weights.", ""))
    np.savez(folder / "npz.npz", a=np.ones(3))
    (folder / "npz.npz").rename(folder / "npz")
    (folder / "pickle").write_bytes(pickle.dumps({"a": 1}))
    (folder / "empty").touch()
    (folder / "gzip").write_bytes(b"\x1f\x8b" + bytes(50))
    for name, member in (("pytorch", "archive/data.pkl"), ("export", "arrays/0"), ("pictures", "a.png")):
        with zipfile.ZipFile(folder / name, "w") as archive:
            archive.writestr(member, b"x" * 100)
    os.mkfifo(folder / "pipe")
    for name, member in (("saved", "saved_model.pb"), ("checkpoint", "hashes.json"), ("directory", "a")):
        (folder / name).mkdir()
        (folder / name / member).touch()
    return folder


WORDS = {
    "keras": "load_model",
    "h5": "HDF5.*weights.h5",
    "safetensors": "load_weights",
    "npz": "numpy.load",
    "pickle": "run any code",
    "empty": "is empty.*copy",
    "gzip": "Unpack",
    "pytorch": "set_weights",
    "export": "export.load",
    "pictures": "'a.png'.*not allowed|HDF5|header",
    "pipe": "pipe or a device",
    "saved": "TensorFlow",
    "checkpoint": "checkpoint.restore|no 'config.json'",
    "directory": "is a directory|no 'config.json'|no 'model.weights.h5'",
    "missing": "There is no file",
}
READERS = {
    ".keras": [jl.models.load_model, KerasFileEditor],
    ".h5": [jl.models.load_model],
    ".weights.h5": ["load_weights", KerasFileEditor],
    ".safetensors": ["load_weights", KerasFileEditor],
    ".stablehlo": [jl.export.load],
}
OWN = {".keras": "keras", ".h5": "h5", ".weights.h5": "h5", ".safetensors": "safetensors", ".stablehlo": "export"}


@pytest.mark.parametrize("ending", READERS)
def test_files_of_other_kinds(ending, folder, tmp_path):
    model = jl.Sequential([jl.Input((3,)), jl.layers.Dense(2)])
    for kind, words in WORDS.items():
        path = str(tmp_path / f"file_{kind}{ending}")
        if kind != "missing":
            os.symlink(folder / kind, path)
        for reader in READERS[ending] if kind != OWN[ending] else ():
            with pytest.raises((ValueError, OSError), match=f"(?s){words}") as caught:
                (model.load_weights if reader == "load_weights" else reader)(path)
            assert re.escape(path) in re.escape(str(caught.value)), kind
            assert isinstance(caught.value, FileNotFoundError) == (kind == "missing")


def test_names_with_foreign_endings_tell_what_the_file_is(folder):
    model = jl.Sequential([jl.Input((3,)), jl.layers.Dense(2)])
    for kind in ("npz", "pickle", "pytorch", "export", "safetensors"):
        for read in (jl.models.load_model, model.load_weights):
            with pytest.raises(ValueError, match=f"must end in.*This one.*{WORDS[kind]}"):
                read(folder / kind)
    for kind in ("keras", "npz"):
        with pytest.raises(FileNotFoundError, match=f"no directory. This one.*{WORDS[kind]}"):
            jl.checkpoint.restore(folder / kind)
    with pytest.raises(ValueError, match=r"hashes.json cannot be read.*TensorFlow"):
        jl.checkpoint.restore(folder / "saved")


def test_names_that_cannot_be_written(folder, tmp_path, monkeypatch):
    model = jl.Sequential([jl.Input((3,)), jl.layers.Dense(2)])
    (tmp_path / "file").touch()
    writers = {
        ".keras": model.save,
        ".weights.h5": model.save_weights,
        ".stablehlo": model.export,
        "": lambda path: jl.checkpoint.save(path, {"a": 1}),
    }
    for ending, write in writers.items():
        with pytest.raises(FileNotFoundError, match=f"Cannot write '/proc/x{ending}'.*Choose another directory"):
            write(f"/proc/x{ending}")
        path = str(tmp_path / "file" / f"x{ending}")
        with pytest.raises(NotADirectoryError, match=f"Cannot write '{path}'"):
            write(path)
    for write in (model.save, writers[""]):
        with pytest.raises(ValueError, match="must not be empty"):
            write("")
    monkeypatch.chdir(tmp_path)
    model.save("x.keras")  # a name without a folder
    jl.models.load_model("x.keras")
    other = tmp_path / "other"
    shutil.copytree(folder / "directory", other)
    with pytest.raises(FileExistsError, match="other files than a checkpoint"):
        jl.checkpoint.save(other, {"a": 1}, overwrite=True)
    assert (other / "a").exists()
    (other / "a").unlink()
    jl.checkpoint.save(other, {"a": 1}, overwrite=True)
    assert jl.checkpoint.restore(other) == {"a": 1}


@pytest.mark.skipif(os.geteuid() == 0, reason="everything is allowed to the superuser")
def test_directories_without_permission(tmp_path):
    model = jl.Sequential([jl.Input((3,)), jl.layers.Dense(2)])
    closed = Path(tmp_path / "closed")
    closed.mkdir(mode=0o500)
    with pytest.raises(PermissionError, match="Cannot write.*Choose another directory"):
        model.save(closed / "x.keras")


@pytest.mark.parametrize("length", [0x0280, 0x0380, 0x0480, 0x0580])
def test_headers_of_any_length_are_those_of_safetensors(length, tmp_path):
    """The length of the header comes first, and some lengths begin as a pickle does."""
    model = jl.Sequential([jl.Input((2,)), jl.layers.Dense(3)])
    arrays = {"layers/dense/kernel": np.ones((2, 3), "float32"), "layers/dense/bias": np.ones(3, "float32")}
    content = safetensors.numpy.save(arrays)
    (held,) = struct.unpack_from("<Q", content)
    header = content[8 : 8 + held].ljust(length)
    (tmp_path / "m.safetensors").write_bytes(struct.pack("<Q", length) + header + content[8 + held :])
    assert held < length and kinds.kind_of(tmp_path / "m.safetensors") == "safetensors"
    model.load_weights(tmp_path / "m.safetensors")
    assert model.get_weights()[0].sum() == 6
