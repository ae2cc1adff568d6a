"""Every changed byte in a file of jaxlayers is found; damaged files of Keras give an error that names the file."""

import os
import random
import shutil
import zipfile

import numpy as np
import pytest

import jaxlayers as jl


def make_model():
    model = jl.Sequential([jl.Input((3,)), jl.layers.Dense(4), jl.layers.Dense(2)], name="m")
    model.compile("adam", "mse")
    return model


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    model = make_model()
    model.save(folder / "model.keras")
    model.save_weights(folder / "model.weights.h5")
    model.save(folder / "model", zipped=False)
    return folder, model


def loader(path, model):
    """Return a function that loads a file; it stops after the checks, so that it is quick, if the file is good."""
    if str(path).endswith(".h5"):
        return lambda: model.load_weights(path)
    return lambda: jl.models.load_model(path)


def positions(size, count, seed=0):
    """Return the first and the last positions, and a sample of the others."""
    ends = {*range(min(200, size)), *range(max(0, size - 200), size)}
    return sorted(ends | set(random.Random(seed).sample(range(size), min(count, size))))


def check_refused(path, load):
    with pytest.raises(ValueError, match=os.path.basename(path)):
        load()


@pytest.mark.parametrize("name", ["model.keras", "model.weights.h5"])
def test_every_changed_byte_is_found(files, name, tmp_path):
    folder, model = files
    data = (folder / name).read_bytes()
    path = tmp_path / name
    load = loader(path, model)
    before = model.get_weights()
    path.write_bytes(data)
    load()
    with open(path, "r+b", buffering=0) as file:
        for position in positions(len(data), 600):
            os.pwrite(file.fileno(), bytes([data[position] ^ (1 << position % 8)]), position)
            check_refused(path, load)
            os.pwrite(file.fileno(), data[position : position + 1], position)
    for array, same in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(array, same)


@pytest.mark.parametrize("name", ["model.keras", "model.weights.h5"])
def test_a_file_of_another_length_is_refused(files, name, tmp_path):
    folder, model = files
    data = (folder / name).read_bytes()
    path = tmp_path / name
    load = loader(path, model)
    for length in positions(len(data), 100)[::3]:
        path.write_bytes(data[:length])
        check_refused(path, load)
    for more in (b"\0", data[-81:], data, b"jaxlayers sha256 " + b"0" * 64):
        path.write_bytes(data + more)
        check_refused(path, load)
        path.write_bytes(more + data)
        check_refused(path, load)


@pytest.mark.parametrize("member", ["config.json", "metadata.json", "model.weights.h5"])
def test_every_changed_byte_in_a_directory_is_found(files, member, tmp_path):
    folder, _ = files
    path = tmp_path / "copy"
    shutil.copytree(folder / "model", path)
    jl.models.load_model(path)
    data = (path / member).read_bytes()
    for position in positions(len(data), 60)[:: 1 if member == "metadata.json" else 6]:
        (path / member).write_bytes(
            data[:position] + bytes([data[position] ^ (1 << position % 8)]) + data[position + 1 :]
        )
        with pytest.raises(ValueError, match="copy"):
            jl.models.load_model(path)


def without_seal(folder, model, path):
    """Write a file as Keras does: without a seal. Return its bytes."""
    if str(path).endswith(".h5"):
        import h5py

        with h5py.File(folder / "model.weights.h5") as source, h5py.File(path, "w") as target:
            for name in source:
                source.copy(name, target)
    else:
        with zipfile.ZipFile(folder / "model.keras") as source, zipfile.ZipFile(path, "w") as target:
            for name in source.namelist():
                target.writestr(name, b'{"keras_version": "3.15.0"}' if name == "metadata.json" else source.read(name))
    return path.read_bytes()


@pytest.mark.parametrize("name", ["model.weights.h5", "model.keras"])
def test_damaged_files_without_hashes_give_one_kind_of_error(files, name, tmp_path):
    folder, model = files
    path = tmp_path / name
    data = without_seal(folder, model, path)
    load = loader(path, model)
    before = model.get_weights()
    generator = random.Random(1)
    places = generator.sample(range(len(data)), 400)
    refused = 0
    for position in places:
        changed = bytearray(data)
        for at in range(position, min(position + generator.choice((1, 1, 4, 8)), len(data))):
            changed[at] = generator.randrange(256)
        path.write_bytes(changed)
        try:
            load()
        except ValueError as error:
            refused += 1
            assert name in str(error), position
            for array, same in zip(model.get_weights(), before, strict=True):
                np.testing.assert_array_equal(array, same)
        else:
            model.set_weights(before)
    assert refused > (300 if name == "model.keras" else 20)
