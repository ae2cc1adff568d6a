"""A kill, a full disk or an exception leaves the old file byte for byte."""

import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import jaxlayers as jl
from jaxlayers.files.atomic import recover_directory, replacing, replacing_directory

_ROOT = Path(__file__).parents[1]
_SAVER = """
import os, sys, zlib
sys.modules["jaxlayers"] = type(sys)("jaxlayers")
sys.modules["jaxlayers"].__path__ = [sys.argv[3] + "/jaxlayers"]  # the package without its imports: quick to start
from jaxlayers.files.archive import ArchiveWriter
from jaxlayers.files.atomic import replacing, replacing_directory
kind, path = sys.argv[1], sys.argv[2]
print("ready", flush=True)
number = 0
while True:
    number += 1
    data = bytes([number % 256]) * 300_000
    if kind == "archive":
        with replacing(path) as temporary, ArchiveWriter(temporary) as archive:
            archive.add("a", data)
            archive.add("b", data)
    else:
        with replacing_directory(path) as temporary:
            for name in "ab":
                with open(os.path.join(temporary, name), "wb") as file:
                    file.write(data)
"""


def start_saver(kind, path):
    command = [sys.executable, "-c", _SAVER, kind, str(path), str(_ROOT)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    return process


def kill(process):
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()


def test_a_killed_process_leaves_a_whole_archive(tmp_path):
    from jaxlayers.files.archive import Archive

    path = tmp_path / "file"
    generator = np.random.default_rng(0)
    for _ in range(12):
        process = start_saver("archive", path)
        time.sleep(generator.uniform(0.02, 0.1))
        kill(process)
        if path.exists():
            with Archive(path, lambda name: True) as archive:
                archive.check_seal()
                assert archive.read("a", 1 << 20) == archive.read("b", 1 << 20)
    with replacing(path) as temporary:
        Path(temporary).write_bytes(b"new")
    assert os.listdir(tmp_path) == ["file"]  # the next save removes what killed ones have left


def test_a_killed_process_leaves_a_whole_directory(tmp_path):
    path = tmp_path / "folder"
    generator = np.random.default_rng(0)
    exists = False
    for _ in range(12):
        process = start_saver("directory", path)
        time.sleep(generator.uniform(0.02, 0.1))
        kill(process)
        recover_directory(path)
        assert _is_whole(path) or not (exists or path.exists())
        exists = path.exists()
    with replacing_directory(path) as temporary:
        (Path(temporary) / "a").touch()
    assert os.listdir(tmp_path) == ["folder"]


# Do what `replacing_directory` does, and be killed when a rename is about to be called.
_KILLED = """
import os, signal, sys
from jaxlayers.files import atomic

def hear(event, arguments):
    global count
    if event == "os.rename":
        count -= 1
        if count == 0:
            os.kill(os.getpid(), signal.SIGKILL)

for count in (1, 2, 3):
    path = sys.argv[1] + f"/{count}"
    child = os.fork()
    if child == 0:
        sys.addaudithook(hear)
        with atomic.replacing_directory(path) as temporary:
            open(temporary + "/new", "w").close()
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_a_kill_between_two_renames_is_made_good_by_the_next_load_or_save(tmp_path):
    model = jl.Sequential([jl.Input((3,)), jl.layers.Dense(2)])
    for count in (1, 2, 3):
        model.save(tmp_path / str(count), zipped=False)
    command = [sys.executable, "-c", _KILLED, str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True, cwd=_ROOT)
    assert result.stdout.split() == ["-9", "-9", "0"], result.stderr
    assert not (tmp_path / "2").exists()
    other = tmp_path / "other"
    shutil.copytree(tmp_path, other)  # the temporary names are the same in another folder
    loaded = jl.models.load_model(tmp_path / "2")
    assert np.all(loaded.get_weights()[0] == model.get_weights()[0])
    model.layers[0].kernel.assign(np.ones((3, 2)))
    for folder in (tmp_path, other):
        for name in "12":
            model.save(folder / name, zipped=False)
            assert np.all(jl.models.load_model(folder / name).get_weights()[0] == 1)
    assert sorted(os.listdir(other)) == ["1", "2", "3"]
    with pytest.raises(RuntimeError, match="no"), replacing_directory(other / "2") as temporary:
        raise RuntimeError("no")
    assert sorted(os.listdir(other)) == ["1", "2", "3"] and not os.path.exists(temporary)


def test_names_may_be_as_long_as_the_system_allows(tmp_path):
    for name in ("ä" * 127, "x" * 255, "\U0001f600" * 60):
        with replacing(tmp_path / name) as temporary:
            Path(temporary).write_text("new")
        assert (tmp_path / name).read_text() == "new"
        with replacing_directory(tmp_path / name[:-1]):
            pass
    assert len(os.listdir(tmp_path)) == 6


def _is_whole(folder):
    data = [(folder / name).read_bytes() for name in "ab" if (folder / name).exists()]
    return len(data) == 2 and data[0] == data[1] and len(data[0]) == 300_000


class Failing(jl.layers.Dense):
    """A layer whose weights cannot be saved."""

    fails = False

    def save_own_variables(self, store):
        super().save_own_variables(store)
        if self.fails:
            raise RuntimeError("no")


def save(model, path):
    if path.name.endswith(".h5"):
        model.save_weights(path)
    else:
        model.save(path, zipped=path.suffix == ".keras")


def contents(path):
    return {str(file.relative_to(path.parent)): file.read_bytes() for file in path.parent.rglob("*") if file.is_file()}


@pytest.mark.parametrize("name", ["model.keras", "model.weights.h5", "folder"])
def test_an_exception_or_a_full_disk_leaves_the_old_file(name, tmp_path):
    model = jl.Sequential([jl.Input((30,)), Failing(100), jl.layers.Dense(200)])
    path = tmp_path / name
    save(model, path)
    old = contents(path)
    model.layers[0].fails = True
    with pytest.raises(RuntimeError, match="no"):
        save(model, path)
    assert contents(path) == old
    model.layers[0].fails = False
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        for size in (100, 20_000, 90_000):
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
            with pytest.raises(OSError, match=r"."):
                save(model, path)
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
            assert contents(path) == old
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)


def test_links_are_followed_and_permissions_kept(tmp_path):
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_bytes(b"old")
    target.chmod(0o640)
    link.symlink_to(target)
    with replacing(link) as temporary:
        Path(temporary).write_bytes(b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"
    assert target.stat().st_mode & 0o777 == 0o640
    with pytest.raises(FileNotFoundError, match="does not exist"), replacing(tmp_path / "none" / "file"):
        pass
    with pytest.raises(IsADirectoryError, match="directory"), replacing(tmp_path):
        pass
    with pytest.raises(NotADirectoryError, match="a file of that name"), replacing_directory(target):
        pass


def test_two_savers_of_one_name_leave_one_whole_file(tmp_path):
    path = tmp_path / "file"
    with replacing(path) as first, replacing(path) as second:
        Path(first).write_bytes(b"first")
        Path(second).write_bytes(b"second")
    assert path.read_bytes() == b"first"
    assert os.listdir(tmp_path) == ["file"]
