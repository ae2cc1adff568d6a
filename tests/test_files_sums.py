"""The sums of files that are being written, against those of the whole file afterwards."""

import hashlib
import os
import random
import zipfile
import zlib

import h5py
import numpy as np

from jaxlayers.files import seals, sums
from jaxlayers.files.archive import Archive, ArchiveWriter, Window


def test_hash_and_crc_follow_writes_in_any_order(tmp_path, monkeypatch):
    monkeypatch.setattr(sums, "PART", 100)
    monkeypatch.setattr(sums, "_SHORT", 50)
    monkeypatch.setattr(seals, "PART", 100)
    random.seed(0)
    for trial in range(20):
        start = random.choice([0, 30, 100, 250])
        with open(tmp_path / str(trial), "w+b", buffering=0) as file, sums.Sums(file.fileno(), start) as ours:
            for _ in range(random.randint(1, 30)):
                size = os.fstat(file.fileno()).st_size
                position = random.choice([size, size, random.randint(0, 900)])
                data = random.randbytes(random.randint(1, 300))
                with ours.writing(position, memoryview(data)):
                    os.pwrite(file.fileno(), data, position)
            content = os.pread(file.fileno(), 20000, 0)
            stop = random.randint(1, len(content))
            parts = [zlib.crc32(content[:stop][i : i + 100]).to_bytes(4, "little") for i in range(0, stop, 100)]
            assert ours.hash(stop) == hashlib.sha256(b"".join(parts)).hexdigest().encode()
            assert seals.hash_range(file, stop) == ours.hash(stop)
            assert ours.crc(stop) == zlib.crc32(content[start:stop])
            beginning = random.randbytes(random.randint(0, stop))
            with open(tmp_path / "other", "w+b", buffering=0) as other:
                other.write(beginning + content[len(beginning) :])
                assert seals.hash_range(other, stop) == seals.hash_range(file, stop, beginning)


def test_an_archive_with_an_hdf5_member_over_several_parts_is_one_that_zipfile_reads(tmp_path, monkeypatch):
    monkeypatch.setattr(sums, "PART", 5000)
    monkeypatch.setattr(seals, "PART", 5000)
    path, rng = str(tmp_path / "a.zip"), np.random.default_rng(0)
    arrays = [rng.normal(size=random.Random(i).randint(1, 3000)) for i in range(30)]
    with ArchiveWriter(path) as archive:
        archive.add("first.json", b"{}")
        with archive.writing("middle.h5") as window, h5py.File(window, "w") as file:
            for number, array in enumerate(arrays):
                file.create_group(f"g{number}")["x"] = array
        archive.add("last.json", b"[]")
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["first.json", "middle.h5", "last.json"]
        with h5py.File(archive.open("middle.h5")) as file:
            assert all(np.array_equal(file[f"g{n}/x"], array) for n, array in enumerate(arrays))
    with Archive(path, lambda name: True) as archive:
        archive.check_seal()
        archive.check_sums()
        with archive.window("middle.h5") as window:
            assert isinstance(window, Window)
