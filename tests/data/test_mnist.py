"""The MNIST loader: files, cache, downloads, hashes and errors."""

import gzip
import hashlib
import io
import socket
import struct
import time

import numpy as np
import pytest

from jaxlayers.datasets import _files, digits, mnist


def npy():
    file = io.BytesIO()
    np.save(file, np.arange(3))
    return file.getvalue()


def idx(array, magic=b"\0\0\x08"):
    return magic + bytes([array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.fixture
def arrays():
    rng = np.random.default_rng(0)
    return [
        rng.integers(0, 256, (n, 28, 28), dtype=np.uint8) if images else rng.integers(0, 10, n, dtype=np.uint8)
        for n in (5, 3)
        for images in (True, False)
    ]


@pytest.fixture
def originals(tmp_path, arrays, monkeypatch):
    folder = tmp_path / "data" / "mnist"
    folder.mkdir(parents=True)
    for name, array in zip(mnist.FILES, arrays, strict=True):
        (folder / name).write_bytes(gzip.compress(idx(array)))
    monkeypatch.setenv("JAXLAYERS_DATA", str(tmp_path / "data"))
    return folder


def check(loaded, arrays):
    (x_train, y_train), (x_test, y_test) = loaded
    for got, expected in zip((x_train, y_train, x_test, y_test), arrays, strict=True):
        np.testing.assert_array_equal(got, expected)
        assert got.dtype == np.uint8 and got.flags.writeable


def test_original_files(originals, arrays):
    check(mnist.load_data(), arrays)


@pytest.mark.parametrize("place", ["data/mnist/mnist.npz", "data/mnist.npz"])
def test_archive(tmp_path, originals, arrays, place):
    for name in mnist.FILES:
        (originals / name).unlink()
    np.savez(tmp_path / place, **dict(zip(("x_train", "y_train", "x_test", "y_test"), arrays, strict=True)))
    check(mnist.load_data(), arrays)
    check(mnist.load_data(tmp_path / place), arrays)
    check(mnist.load_data(str(tmp_path / place)), arrays)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda data: data[:-9], "damaged, or not gzipped"),
        (lambda data: data[:40] + bytes([data[40] ^ 1]) + data[41:], "damaged"),
        (lambda data: b"no gzip", "not gzipped"),
        (lambda data: b"", "not an idx file of uint8: it starts with the bytes of nothing"),
        (lambda data: gzip.compress(gzip.decompress(data)[:-1]), r"has 3920 values, but the file has 3919"),
        (lambda data: gzip.compress(gzip.decompress(data) + b"x"), r"has 3920 values, but the file has 3921"),
        (lambda data: gzip.compress(b"\0\0\x0d" + gzip.decompress(data)[3:]), "starts with the bytes 00 00 0d 03"),
        (lambda data: gzip.compress(b"\0\0\x08\x03\0\0"), "not an idx file"),
        (lambda data: gzip.compress(idx(np.zeros((5, 27, 28), "uint8"))), r"expected images.* \(5, 27, 28\)"),
        (lambda data: gzip.compress(idx(np.zeros((0, 28, 28), "uint8"))), r"expected images.* \(0, 28, 28\)"),
    ],
)
def test_damaged_images_are_named(originals, damage, message):
    path = originals / "train-images-idx3-ubyte.gz"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match=message) as caught:
        mnist.load_data()
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("labels", [[1, 2], [1, 2, 10], []])
def test_labels_that_do_not_fit_are_named(originals, labels):
    path = originals / "t10k-labels-idx1-ubyte.gz"
    path.write_bytes(gzip.compress(idx(np.array(labels, "uint8"))))
    with pytest.raises(ValueError, match=r"expected labels from 0 to 9, uint8 of shape \(3,\)") as caught:
        mnist.load_data()
    assert str(path) in str(caught.value)


def test_a_missing_file_among_the_four_is_named(originals):
    (originals / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(FileNotFoundError, match=r"Add t10k-labels-idx1-ubyte\.gz, or") as caught:
        mnist.load_data()
    assert "train-images" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 cut off", npy()])
def test_a_damaged_archive_is_named(tmp_path, content):
    path = tmp_path / "mnist.npz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="damaged, or no NumPy archive") as caught:
        mnist.load_data(path)
    assert str(path) in str(caught.value)


def test_an_archive_without_an_array_or_with_pickles_is_refused(tmp_path, arrays):
    path = tmp_path / "mnist.npz"
    np.savez(path, x_train=arrays[0])
    with pytest.raises(ValueError, match="y_train is not a file in the archive"):
        mnist.load_data(path)
    np.savez(path, **dict.fromkeys(("x_train", "y_train", "x_test", "y_test"), np.array([object()])))
    with pytest.raises(ValueError, match="allow_pickle"):
        mnist.load_data(path)


def test_a_path_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="There is no"):
        mnist.load_data(tmp_path / "other.npz")


def test_with_no_network_it_is_said_at_once_what_to_do(no_network):
    start = time.perf_counter()
    with pytest.raises(ConnectionError) as caught:
        mnist.load_data()
    assert time.perf_counter() - start < 3
    message = str(caught.value)
    assert "JAXLAYERS_DATA is not set" in message and "datasets.digits" in message
    assert all(source in message for source in mnist.SOURCES)


def test_a_folder_without_it_is_named(no_network, tmp_path, monkeypatch):
    monkeypatch.setenv("JAXLAYERS_DATA", str(tmp_path))
    with pytest.raises(ConnectionError) as caught:
        mnist.load_data()
    assert f"JAXLAYERS_DATA={tmp_path} has no MNIST" in str(caught.value)


def test_a_network_that_swallows_everything_costs_the_timeout_alone(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        sources = [f"http://127.0.0.1:{silent.getsockname()[1]}/{i}/" for i in range(3)]
        start = time.perf_counter()
        with pytest.raises(ConnectionError, match=r"no answer within 0\.3 s"):
            _files.fetch({"a": "0" * 64}, sources, tmp_path, timeout=0.3)
        assert time.perf_counter() - start < 2


def test_download_into_the_cache_and_from_there(no_network, server, arrays, monkeypatch):
    address, folder = server
    hashes = {}
    for name, array in zip(mnist.FILES, arrays, strict=True):
        data = gzip.compress(idx(array))
        (folder / name).write_bytes(data)
        hashes[name] = hashlib.sha256(data).hexdigest()
    monkeypatch.setattr(mnist, "SOURCES", ("http://127.0.0.1:1/", address + "elsewhere/", address))
    monkeypatch.setattr(mnist, "FILES", hashes)
    check(mnist.load_data(), arrays)
    for path in folder.iterdir():
        path.unlink()
    check(mnist.load_data(), arrays)
    cached = _files.cache_folder("mnist") / "train-labels-idx1-ubyte.gz"
    cached.write_bytes(b"damaged")
    with pytest.raises(ConnectionError, match="with another SHA-256 hash") as caught:
        mnist.load_data()
    assert str(cached) in str(caught.value) and "train-images" not in str(caught.value)


def test_a_download_with_another_hash_is_refused_and_not_kept(server, tmp_path):
    address, folder = server
    (folder / "a").write_bytes(b"other")
    with pytest.raises(ConnectionError, match="does not match the known hash"):
        _files.fetch({"a": hashlib.sha256(b"wanted").hexdigest()}, [address], tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []
    with pytest.raises(ConnectionError, match="the server has no b"):
        _files.fetch({"b": "0" * 64}, [address], tmp_path / "cache")


def test_digits_look_like_mnist():
    (x_train, y_train), (x_test, y_test) = digits.load_data()
    assert x_train.shape == (1500, 28, 28) and x_test.shape == (297, 28, 28)
    assert x_train.dtype == y_train.dtype == np.uint8 and x_train.max() == 255
    assert set(y_train) == set(y_test) == set(range(10)) and len(y_test) == 297
    assert not x_train[:, :2].any() and not x_train[:, :, -2:].any()

    from sklearn.datasets import load_digits

    small = load_digits().images
    centres = x_train[:, 2:-2, 2:-2][:, 1::3, 1::3]  # the middle of each enlarged pixel is that pixel
    np.testing.assert_allclose(centres, small[:1500] * 255 / 16, atol=0.51)
