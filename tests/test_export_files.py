"""Exported files that are damaged or hostile: one ValueError that names the file and the member."""

import json
import zipfile

import numpy as np
import pytest

import jaxlayers as jl
from jaxlayers import layers
from jaxlayers.export import load
from jaxlayers.files.archive import ArchiveWriter
from tests.layers.table import floats


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    path = tmp_path_factory.mktemp("export") / "model.stablehlo"
    model = jl.Sequential([jl.Input((3,)), layers.Dense(2)])
    model.set_weights([floats(3, 2), floats(2)])
    model.export(path, platforms=("cpu",))
    return path


def members_of(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write(path, members, **changes):
    """Write a sealed file: an attacker can make the hashes fit."""
    manifest = {**json.loads(members["manifest.json"]), **changes}
    with ArchiveWriter(str(path)) as archive:
        for name, data in {**members, "manifest.json": json.dumps(manifest).encode()}.items():
            archive.add(name, data)
    return path


def refused(path, *words):
    with pytest.raises(ValueError) as error:
        load(path)
    message = str(error.value)
    assert str(path) in message and len(message) < 700
    assert all(word in message for word in words), message


def test_a_changed_byte_is_found_wherever_it_is(good, tmp_path):
    data, path = good.read_bytes(), tmp_path / "changed"
    places = {name: data.index(content) + len(content) // 2 for name, content in members_of(good).items()}
    assert len(places) == 4
    for name, place in places.items():
        path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        refused(path, name)
    for place in np.random.default_rng(0).integers(0, len(data), 60):
        path.write_bytes(data[:place] + bytes([data[place] ^ 8]) + data[place + 1 :])
        refused(path)
    for size in (0, 1, 100, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:size])
        refused(path)
    path.write_bytes(data + b"more")
    refused(path)
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "none")


def test_members_that_do_not_fit(good, tmp_path):
    members, path = members_of(good), tmp_path / "hostile"
    arrays = sorted(name for name in members if name.startswith("arrays"))
    program = next(name for name in members if name.startswith("programs"))
    for name in (*arrays, program):
        refused(write(path, {n: d for n, d in members.items() if n != name}), name)
    refused(write(path, {**members, arrays[0]: members[arrays[0]] + b"more"}), arrays[0], "bytes")
    for name in ("code.py", "arrays/../../evil", "/etc/passwd", "arrays/x"):
        refused(write(path, {**members, name: b"1"}), name)
    refused(write(path, {**members, program: b"no program"}), program, "no StableHLO")
    callback = members[program] + b"\0xla_ffi_python_cpu_callback\0"
    refused(write(path, {**members, program: callback}), program, "calls functions of Python")
    newer = members[program].replace(b"StableHLO_v1.", b"StableHLO_v9.", 1)
    refused(write(path, {**members, program: newer}), "StableHLO 9.", "Use a newer JAX")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("manifest.json", b"{" + b" " * 100_000_000)
    refused(path, "manifest.json")
    load(write(path, members))


@pytest.mark.parametrize(
    "change",
    [
        {"format": "other"},
        {"version": 2},
        {"version": None},
        {"platforms": None},
        {"platforms": ["tpu"]},
        {"weights": [{"name": "w", "member": "arrays/9", "shape": [1], "dtype": "float32"}]},
        {"weights": None},
        {"weights": {}},
        {"endpoints": {}},
        {"endpoints": {"serve": {}}},
        {"endpoints": [1]},
        {"collections": 3},
        {"made_with": 3},
    ],
    ids=str,
)
def test_manifests_that_are_not_what_was_written(change, good, tmp_path):
    refused(write(tmp_path / "hostile", members_of(good), **change))


def test_parts_of_a_manifest_are_checked(good, tmp_path):
    members = members_of(good)

    def changed(change):
        manifest = json.loads(members["manifest.json"])
        change(manifest, manifest["endpoints"]["serve"], manifest["endpoints"]["serve"]["variants"][0])
        return write(tmp_path / "hostile", members, **manifest)

    def deep(levels):
        node = {"kind": "none", "keys": [], "parts": [], "type": ""}
        for _ in range(levels):
            node = {"kind": "list", "keys": [0], "parts": [node], "type": ""}
        return node

    changes = [
        lambda manifest, endpoint, variant: manifest["weights"][0].update(shape=[-6]),
        lambda manifest, endpoint, variant: manifest["weights"][0].update(shape=[2**40, 2**40]),
        lambda manifest, endpoint, variant: manifest["weights"][0].update(dtype="object"),
        lambda manifest, endpoint, variant: manifest["weights"][0].update(dtype="O8"),
        lambda manifest, endpoint, variant: manifest["weights"][0].update(dtype="float64"),
        lambda manifest, endpoint, variant: manifest["weights"][1].update(name=manifest["weights"][0]["name"]),
        lambda manifest, endpoint, variant: variant.update(weights=[0]),
        lambda manifest, endpoint, variant: variant.update(weights=[0, 7]),
        lambda manifest, endpoint, variant: variant["program"].update(calling_convention=1),
        lambda manifest, endpoint, variant: variant["program"].update(calling_convention=99),
        lambda manifest, endpoint, variant: variant["program"].update(module=3),
        lambda manifest, endpoint, variant: endpoint.update(inputs=deep(300)),
        lambda manifest, endpoint, variant: (
            endpoint.update(inputs=deep(90_000)) if False else endpoint.update(inputs=3)
        ),
        lambda manifest, endpoint, variant: endpoint["inputs"]["parts"][0].update(shape=[None, 3]),
        lambda manifest, endpoint, variant: endpoint["inputs"].update(kind="class"),
    ]
    for change in changes:
        refused(changed(change))
