"""The Tiny Shakespeare loader: files, cache, downloads and hashes."""

import hashlib
import time

import pytest

from jaxlayers.datasets import _files, tiny_shakespeare

TEXT = "First Citizen:\nBefore we proceed any further, hear me speak.\r\n\n\xc9t tu?\n"


@pytest.mark.parametrize(
    "place", ["tinyshakespeare.txt", "tiny_shakespeare.txt", "tinyshakespeare/input.txt", "tiny_shakespeare/input.txt"]
)
def test_a_file_in_the_data_folder(no_network, tmp_path, monkeypatch, place):
    path = tmp_path / place
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(TEXT.encode())
    monkeypatch.setenv("JAXLAYERS_DATA", str(tmp_path))
    assert tiny_shakespeare.load_data() == TEXT
    assert tiny_shakespeare.find() == path


def test_a_file_by_its_path(no_network, tmp_path):
    path = tmp_path / "other.txt"
    path.write_bytes(TEXT.encode())
    assert tiny_shakespeare.load_data(path) == tiny_shakespeare.load_data(str(path)) == TEXT
    with pytest.raises(FileNotFoundError, match="There is no"):
        tiny_shakespeare.load_data(tmp_path / "none.txt")


@pytest.mark.parametrize(("data", "message"), [(b"", "the file is empty"), (b"\xff\xfe\x00", "expected UTF-8")])
def test_a_damaged_file_is_named(tmp_path, data, message):
    path = tmp_path / "text.txt"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=message) as caught:
        tiny_shakespeare.load_data(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("folder", [True, False])
def test_with_no_network_it_is_said_at_once_what_to_do(no_network, tmp_path, monkeypatch, folder):
    if folder:
        monkeypatch.setenv("JAXLAYERS_DATA", str(tmp_path))
    start = time.perf_counter()
    with pytest.raises(ConnectionError) as caught:
        tiny_shakespeare.load_data()
    assert time.perf_counter() - start < 3
    message = str(caught.value)
    assert (f"JAXLAYERS_DATA={tmp_path} does not" if folder else "JAXLAYERS_DATA is not set") in message
    assert "'tinyshakespeare.txt'" in message and all(source in message for source in tiny_shakespeare.SOURCES)


def test_download_into_the_cache_and_from_there(no_network, server, monkeypatch):
    address, folder = server
    (folder / "input.txt").write_bytes(TEXT.encode())
    monkeypatch.setattr(tiny_shakespeare, "SOURCES", ("http://127.0.0.1:1/", address))
    monkeypatch.setattr(tiny_shakespeare, "FILES", {"input.txt": hashlib.sha256(TEXT.encode()).hexdigest()})
    assert tiny_shakespeare.load_data() == TEXT
    (folder / "input.txt").unlink()
    assert tiny_shakespeare.load_data() == TEXT
    assert tiny_shakespeare.find() == _files.cache_folder("tinyshakespeare") / "input.txt"
