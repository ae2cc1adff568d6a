"""Checkpoints: committed or absent, damage of any part found, old ones deleted, errors of saving in the background."""

import hashlib
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxlayers as jl
from jaxlayers import checkpoint
from jaxlayers.checkpoint import _files

TREE = {
    "kernel": np.arange(6, dtype="float32").reshape(2, 3),
    "half": jnp.arange(3, dtype="bfloat16"),
    "nested": {"list": [1, 2.5, np.int8(3)], "tuple": (jnp.ones(2, "int4"),), "none": None, "dict": {}},
    "key": jax.random.key(3),
    "empty": np.zeros((0, 3)),
    "text": "word",
}
EXTRA = {
    "numbers": [1, 2**100, 0.1, float("inf"), True, None],
    "tuple": (np.float32(0.1), np.arange(500), jnp.ones(2), b"\x00\xff"),
    3: {"a": {}, (1, "b"): [[], ()]},
}


def equal(a, b):
    assert jax.tree.structure(a) == jax.tree.structure(b)
    for (path, x), y in zip(jax.tree_util.tree_leaves_with_path(a), jax.tree.leaves(b), strict=True):
        if isinstance(x, jax.Array) and jnp.issubdtype(x.dtype, jax.dtypes.prng_key):
            x, y = jax.random.key_data(x), jax.random.key_data(y)
        np.testing.assert_array_equal(x, y, err_msg=jax.tree_util.keystr(path))
        assert np.asarray(x).dtype == np.asarray(y).dtype


def test_trees_and_plain_data_come_back_as_they_were(tmp_path):
    path = tmp_path / "new" / "7"
    checkpoint.save(path, TREE, EXTRA)
    restored = checkpoint.restore(path, TREE)
    equal(restored, TREE)
    assert isinstance(restored["half"], jax.Array) and not restored["half"].committed
    plain = checkpoint.restore(path)
    np.testing.assert_array_equal(plain["nested"]["list"][2], 3)
    assert isinstance(plain["half"], np.ndarray) and plain["empty"].shape == (0, 3)
    extra = checkpoint.extra(path)
    np.testing.assert_equal(extra, {**EXTRA, "tuple": (*EXTRA["tuple"][:2], np.ones(2, "float32"), EXTRA["tuple"][3])})
    assert list(extra) == list(EXTRA) and isinstance(extra["tuple"][0], np.float32) and extra[3][1, "b"] == [[], ()]
    assert os.listdir(path.parent) == ["7"]


@pytest.mark.parametrize("tree", [{}, {"a": np.zeros((0, 2))}, np.arange(3), [1, None]], ids=str)
def test_trees_with_few_arrays(tree, tmp_path):
    checkpoint.save(tmp_path / "1", tree)
    np.testing.assert_equal(checkpoint.restore(tmp_path / "1"), tree)
    np.testing.assert_equal(checkpoint.restore(tmp_path / "1", tree), tree)


def test_orbax_reads_the_checkpoints(tmp_path):
    import orbax.checkpoint as ocp

    checkpoint.save(tmp_path / "5", {"a": np.arange(3)}, {"epoch": 2})
    with ocp.CheckpointManager(tmp_path) as manager:
        assert manager.latest_step() == 5
        restored = manager.restore(5, args=ocp.args.Composite(state=ocp.args.StandardRestore()))
    np.testing.assert_array_equal(restored.state["a"], [0, 1, 2])


def test_differences_are_told_by_path_before_anything_changes(tmp_path):
    model = jl.Sequential([jl.Input((4,)), jl.layers.Dense(3), jl.layers.Dense(1)])
    model.compile("adam", "mse")
    checkpoint.save(tmp_path / "1", model.train_state)
    other = jl.Sequential([jl.Input((4,)), jl.layers.Dense(2), jl.layers.Dense(1, use_bias=False)])
    other.compile("sgd", "mse")
    with pytest.raises(ValueError, match="does not fit") as caught:
        checkpoint.restore(tmp_path / "1", other.train_state)
    message = str(caught.value)
    assert r"params/dense/kernel must be float32[4, 2], but is float32[4, 3] in the checkpoint" in message
    assert (
        "params/dense_1/bias is in the checkpoint only" in message and "opt_state/optimizer/slots/velocity" in message
    )
    with pytest.raises(ValueError, match="a must be int32.*, but is int64"):
        checkpoint.save(tmp_path / "2", {"a": np.arange(3)})
        checkpoint.restore(tmp_path / "2", {"a": np.arange(3, dtype="int32")})
    with pytest.raises(TypeError, match=r"extra\['a'\]\[1\] is a set"):
        checkpoint.save(tmp_path / "3", {}, {"a": [1, {2}]})
    with pytest.raises(TypeError, match="a/1 is a set"):
        checkpoint.save(tmp_path / "3", {"a": [1, {2}]})
    assert not (tmp_path / "3").exists() and not (tmp_path / "3.partial").exists()
    with pytest.raises(FileExistsError, match="overwrite"):
        checkpoint.save(tmp_path / "1", {})
    with pytest.raises(FileNotFoundError, match="beside it: 1, 2"):
        checkpoint.restore(tmp_path / "9")
    with pytest.raises(checkpoint.DamagedError, match="directory of checkpoints: restore one of them"):
        checkpoint.restore(tmp_path)


def files_of(path):
    return sorted(file for file in path.rglob("*") if file.is_file())


def test_any_flipped_bit_and_any_missing_file_is_found(tmp_path):
    path = tmp_path / "1"
    checkpoint.save(path, TREE, EXTRA)
    generator = random.Random(0)
    names = {file.relative_to(path).parts[0] for file in files_of(path)}
    assert {"state", "extra", "extra_arrays", "hashes.json", "_CHECKPOINT_METADATA"} <= names
    for file in files_of(path):
        content = file.read_bytes()
        places = {0, len(content) - 1, *(generator.randrange(len(content)) for _ in range(20))}
        for place in places:
            flipped = bytearray(content)
            flipped[place] ^= 1 << generator.randrange(8)
            file.write_bytes(flipped)
            with pytest.raises(checkpoint.DamagedError, match=file.name):
                checkpoint.restore(path, TREE)
        file.write_bytes(content[:-1])
        with pytest.raises(checkpoint.DamagedError, match=file.name):
            checkpoint.extra(path)
        file.unlink()
        with pytest.raises(checkpoint.DamagedError, match=file.name):
            checkpoint.restore(path, TREE)
        file.write_bytes(content)
    equal(checkpoint.restore(path, TREE), TREE)


def damage(path):
    file = max(files_of(path / "state"), key=lambda file: file.stat().st_size)
    file.write_bytes(b"\x00" + file.read_bytes()[1:])


def test_the_latest_is_the_newest_that_is_whole(tmp_path):
    assert checkpoint.latest(tmp_path) is None and checkpoint.latest(tmp_path / "nowhere") is None
    for step in (8, 9, 10):
        checkpoint.save(tmp_path / str(step), {"step": step})
    (tmp_path / "notes").mkdir()
    (tmp_path / "11").mkdir()  # not committed
    damage(tmp_path / "10")
    with pytest.warns(UserWarning) as caught:
        assert checkpoint.latest(tmp_path) == tmp_path / "9"
    first, second = (str(warning.message) for warning in caught)
    assert "11" in first and "hashes.json" in first and "10" in second and "state/" in second and "changed" in second
    assert all(warning.filename == __file__ for warning in caught)


def test_the_last_whole_checkpoint_is_never_deleted(tmp_path):
    with checkpoint.Manager(tmp_path, max_to_keep=2) as manager:
        for step in range(4):
            manager.save(step, {"step": step})
        assert manager.steps() == [2, 3]
        damage(tmp_path / "3")
        checkpoint.save(tmp_path / "4", {"step": 4})
        damage(tmp_path / "4")
        checkpoint._files.prune(tmp_path, 2)  # both newer ones are damaged
        assert manager.steps() == [2, 3, 4]
        manager.save(3, {"step": 33})  # replaces a damaged one
        with pytest.warns(UserWarning, match="4"):
            assert manager.latest() == tmp_path / "3"
        assert checkpoint.restore(tmp_path / "3") == {"step": 33}
        assert manager.steps() == [3, 4]
        manager.delete_all()
    assert not tmp_path.exists()


def test_a_checkpoint_that_was_being_replaced_comes_back(tmp_path):
    def interrupt():  # as if the process had been killed between two renames
        (tmp_path / "1.partial").mkdir()
        (tmp_path / "1").rename(tmp_path / "1.partial" / "old")

    checkpoint.save(tmp_path / "1", {"step": 1})
    (tmp_path / "2.partial" / "new").mkdir(parents=True)  # of a process that may be saving now
    (tmp_path / "model.partial").mkdir()  # of somebody else
    (tmp_path / "file.partial").touch()
    found = {
        "restore": lambda: checkpoint.restore(tmp_path / "1"),
        "latest": lambda: checkpoint.latest(tmp_path),
        "Manager": lambda: checkpoint.Manager(tmp_path).latest(),
        "save": lambda: checkpoint.save(tmp_path / "1", {"step": 2}, overwrite=True),
    }
    for name, find in found.items():
        interrupt()
        find()
        assert checkpoint.restore(tmp_path / "1")["step"] == 1 + (name == "save"), name
        shutil.rmtree(tmp_path / "1.partial", ignore_errors=True)
    assert sorted(os.listdir(tmp_path)) == ["1", "2.partial", "file.partial", "model.partial"]
    with checkpoint.Manager(tmp_path) as manager:
        manager.save(3, {"step": 3})
    assert sorted(os.listdir(tmp_path)) == ["3", "file.partial", "model.partial"]


def test_a_checkpoint_is_replaced_while_others_put_it_back(tmp_path):
    """A reader between the two renames takes the remains of a killed process for what it finds."""
    path = tmp_path / "1"
    checkpoint.save(path, {"step": 0})
    stop = threading.Event()

    def read():
        while not stop.is_set():
            _files.recover(path)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for number in range(20):
            new = tmp_path / "1.partial" / "new"
            new.mkdir(parents=True)
            (new / "number").write_text(str(number))
            _files._exchange(path, new, tmp_path / "1.partial" / "old")
            assert (path / "number").read_text() == str(number)
            shutil.rmtree(tmp_path / "1.partial")
    finally:
        stop.set()
        reader.join()


@pytest.fixture
def small_disk():
    """Files of this process cannot grow over 20 kB: writing fails as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, ignored)


def test_a_full_disk_leaves_nothing_and_is_told_at_the_next_save(small_disk, tmp_path):
    large = {"a": np.random.default_rng(0).normal(size=100_000)}
    with pytest.raises(Exception, match="(?i)too large|limit|error"):
        checkpoint.save(tmp_path / "1", large)
    assert not os.listdir(tmp_path)
    manager = checkpoint.Manager(tmp_path, max_to_keep=1)
    manager.save(1, {"step": 1})
    manager.save(2, large)  # returns at once
    with pytest.raises(Exception, match="(?i)too large|limit|error"):
        manager.save(3, {"step": 3})
    assert manager.steps() == [1]
    manager.save(4, large)
    with pytest.raises(Exception, match="(?i)too large|limit|error"):
        manager.close()
    manager.close()  # an error is raised once
    assert os.listdir(tmp_path) == ["1"] and checkpoint.restore(tmp_path / "1") == {"step": 1}


def test_arrays_are_copied_before_the_background_writes_them(tmp_path):
    array, on_device = np.ones(1000), jnp.ones(1000)
    with checkpoint.Manager(tmp_path, max_to_keep=None) as manager:
        manager.save(1, {"array": array, "on_device": on_device})
        array[:] = 2
        jax.jit(lambda x: x + 1, donate_argnums=0)(on_device).block_until_ready()
    restored = checkpoint.restore(tmp_path / "1")
    assert restored["array"].sum() == restored["on_device"].sum() == 1000


# The parent has imported everything and has no threads, so that its copies begin at once.
SAVER = """
import os, random, signal, sys, time
from pathlib import Path
import numpy as np
import orbax.checkpoint
from jaxlayers import checkpoint
from jaxlayers.checkpoint import _files

folder = Path(sys.argv[1])
random.seed(0)
if os.fork() == 0:  # a first copy tells how long a save takes on this machine
    with checkpoint.Manager(folder.parent / "timed", max_to_keep=1, in_background=False) as manager:
        start = time.monotonic()
        for step in range(3):
            manager.save(step, {"a": np.zeros(64), "b": [step]}, {"step": step})
    (folder.parent / "seconds").write_text(str((time.monotonic() - start) / 3))
    os._exit(0)
os.wait()
seconds = float((folder.parent / "seconds").read_text())
for number in range(50):
    child = os.fork()
    if child == 0:
        with checkpoint.Manager(folder, max_to_keep=1) as manager:
            path = manager.latest()
            step = 0 if path is None else checkpoint.extra(path)["step"]
            assert path is None or checkpoint.restore(path)["a"].tolist() == [float(step)] * 64
            (folder.parent / "ready").touch()
            while True:
                step += 1
                manager.save(step, {"a": np.full(64, float(step)), "b": [step]}, {"step": step})
    end = time.monotonic() + 60
    while not (folder.parent / "ready").exists():
        assert time.monotonic() < end and os.waitpid(child, os.WNOHANG) == (0, 0), "the child has failed"
        time.sleep(0.002)
    time.sleep(random.uniform(0, 3 * seconds))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    (folder.parent / "ready").unlink()
    names = sorted(path.name for path in folder.glob("*"))
    whole = [path.name for path in _files.steps(folder) if not _files.find_damage(path)]
    print(*whole, "of", *names, flush=True)
"""


def test_fifty_kills_at_random_moments_lose_nothing(tmp_path):
    command = [sys.executable, "-W", "ignore", "-c", SAVER, tmp_path / "checkpoints"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr
    newest, interrupted = 0, 0
    for line in run.stdout.splitlines():
        whole, _, names = line.partition("of")
        steps = [int(name) for name in whole.split()]
        assert sorted(map(str, steps)) == [name for name in names.split() if name.isdigit()]  # none is damaged
        assert (max(steps, default=0)) >= newest
        newest = max(steps, default=0)
        interrupted += ".partial" in names
    assert len(run.stdout.splitlines()) == 50 and newest > 5
    assert interrupted > 10  # of the kills were in the middle of saving
    assert checkpoint.extra(tmp_path / "checkpoints" / str(newest)) == {"step": newest}


def _rehash(path):
    """Write the hashes of the files of a checkpoint as they are now."""
    (path / _files.HASHES).unlink(missing_ok=True)
    _files._write_hashes(path)


def test_files_that_do_not_belong_to_a_checkpoint_are_found(tmp_path):
    good, path = tmp_path / "good", tmp_path / "1"
    checkpoint.save(good, {"a": np.arange(3.0)}, extra={"array": np.arange(1000.0)})
    (tmp_path / "outside").write_text("secret")
    hashes = (good / "hashes.json").read_bytes()

    def listing(content):
        text = content if isinstance(content, bytes) else json.dumps(content).encode()
        return text + b"\n" + hashlib.sha256(text).hexdigest().encode()

    files = json.loads(hashes.partition(b"\n")[0])["files"]
    edits = {
        "extra/x not part": lambda: (path / "extra" / "x").write_text("x"),
        "linked not part": lambda: (path / "linked").symlink_to(tmp_path),
        "extra/metadata changed": lambda: [
            (path / "extra" / "metadata").unlink(),
            (path / "extra" / "metadata").symlink_to(good / "extra" / "metadata"),  # the content is the same
        ],
        "pipe not part": lambda: os.mkfifo(path / "pipe"),
        "../outside, /dev/zero missing": lambda: (path / "hashes.json").write_bytes(
            listing({"files": files | {"../outside": "0", "/dev/zero": "0"}})
        ),
    }
    contents = (b"[" * 100_000, b"", [], {"files": [1]}, {"files": None}, {"other": {}}, b"\xff")
    for number, content in enumerate(contents):
        edits[f"hashes.json is no list of hashes{' ' * number}"] = lambda content=content: (
            path / "hashes.json"
        ).write_bytes(listing(content))
    edits["hashes.json has changed"] = lambda: (path / "hashes.json").write_bytes(hashes[:-9])
    edits["hashes.json cannot be read"] = lambda: [(path / "hashes.json").unlink(), (path / "hashes.json").mkdir()]
    for words, edit in edits.items():
        shutil.copytree(good, path)
        edit()
        with pytest.raises(checkpoint.DamagedError, match=f"{path}.*{words.strip()}"):
            checkpoint.restore(path)
        with pytest.warns(UserWarning, match=words.strip()):
            assert checkpoint.latest(tmp_path) is None
        shutil.rmtree(path)
    assert checkpoint.latest(tmp_path) is None  # names that are no numbers, and numbers that Python does not read
    for name in ("9" * 200, "1e3", "-4", "\u0664", "0x9", " 7", "good.partial"):
        (tmp_path / name).mkdir()
    assert checkpoint.latest(tmp_path) is None


def test_content_that_orbax_cannot_read_names_the_checkpoint(tmp_path):
    """The hashes fit here: whoever changed the files has changed them as well."""
    good, path = tmp_path / "good", tmp_path / "1"
    checkpoint.save(good, {"a": np.arange(3.0)}, extra={"array": np.arange(1000.0)})
    generator = random.Random(0)
    names = sorted(file.relative_to(good) for file in good.rglob("*") if file.is_file() and file.name != "hashes.json")
    for name in names:
        shutil.copytree(good, path)
        data = bytearray((path / name).read_bytes())
        for _ in range(3):
            if data:
                data[generator.randrange(len(data))] ^= 255
        (path / name).write_bytes(data[: generator.choice((len(data), len(data) // 2))])
        _rehash(path)
        for read in (checkpoint.restore, checkpoint.extra):
            try:
                read(path)
            except checkpoint.DamagedError as error:
                assert str(path) in str(error)  # some changes have no effect
        shutil.rmtree(path)
