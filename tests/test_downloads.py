"""Downloads from a local server, and archives that must not be unpacked."""

import contextlib
import hashlib
import http.server
import io
import os
import shutil
import ssl
import stat
import subprocess
import tarfile
import threading
import zipfile
from pathlib import Path

import pytest

from jaxlayers import utils
from jaxlayers.datasets import _files
from jaxlayers.files import downloads, unpacking

CONTENT = b"content" * 1000
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves a file, half of it, or a redirect to `target`."""

    target, asked = "", 0

    def do_GET(self):
        type(self).asked += 1
        if self.path.startswith("/to"):
            self.send_response(302)
            self.send_header("Location", self.target)
            self.end_headers()
            return
        self.send_response(404 if "missing" in self.path else 200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(CONTENT[: len(CONTENT) // 2] if "half" in self.path else CONTENT)

    do_HEAD = do_GET  # noqa: N815

    def log_message(self, *args):
        pass


@contextlib.contextmanager
def serving(context=None):
    handler = type("Handler", (Handler,), {})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"{'http' if context is None else 'https'}://127.0.0.1:{server.server_port}/", handler
        server.shutdown()


@pytest.fixture
def plain():
    with serving() as server:
        yield server


@pytest.fixture
def encrypted(tmp_path, monkeypatch):
    """A server with a certificate of its own, which `requests` trusts during the test."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=test"
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*command.split(), *names], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    with serving(context) as server:
        yield server


def fetch(folder, url, **more):
    return utils.get_file("file", url, cache_dir=folder, cache_subdir="", **more)


def test_a_file_is_downloaded_once_and_again_when_it_is_damaged(plain, tmp_path):
    address, handler = plain
    for _ in range(2):
        path = Path(fetch(tmp_path, address + "x", file_hash=DIGEST))
        assert path.read_bytes() == CONTENT and handler.asked == 1
    path.write_bytes(b"damaged")
    assert Path(fetch(tmp_path, address + "x", file_hash=DIGEST)).read_bytes() == CONTENT and handler.asked == 2
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize(
    ("page", "more", "error", "words"),
    [
        ("x", {"file_hash": "0" * 64}, ValueError, "0000"),
        ("half", {}, OSError, "IncompleteRead"),
        ("missing", {}, OSError, "404"),
        ("x", {"file_hash": DIGEST, "hash_algorithm": "sha1"}, ValueError, "hash_algorithm"),
    ],
)
def test_a_failed_download_leaves_nothing(plain, tmp_path, page, more, error, words):
    with pytest.raises(error, match=words):
        fetch(tmp_path, plain[0] + page, **more)
    assert os.listdir(tmp_path) == []
    (tmp_path / "file").write_text("old")
    with pytest.raises(error, match=words):
        fetch(tmp_path, plain[0] + page, force_download=True, **more)
    assert (tmp_path / "file").read_text() == "old" and os.listdir(tmp_path) == ["file"]


def test_https_is_not_redirected_to_http(plain, encrypted, tmp_path):
    address, handler = encrypted
    handler.target = plain[0] + "x"
    folder = tmp_path / "cache"
    with pytest.raises(ConnectionError, match="not encrypted"):
        fetch(folder, address + "to")
    assert plain[1].asked == 0 and os.listdir(folder) == []
    with pytest.raises(ConnectionError, match="not encrypted"):
        _files.fetch({"to": DIGEST}, [address], folder)
    assert plain[1].asked == 0
    handler.target = "/x"  # to itself
    assert Path(fetch(folder, address + "to", file_hash=DIGEST)).read_bytes() == CONTENT
    plain[1].target = address + "x"  # from http to https
    assert Path(fetch(folder, plain[0] + "to", force_download=True)).read_bytes() == CONTENT


def tar_of(path, members, mode="w:gz"):
    with tarfile.open(path, mode) as file:
        for name, kind, target, data in members:
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.size = kind, target, len(data)
            file.addfile(info, io.BytesIO(data))
    return path


def zip_of(path, members):
    with zipfile.ZipFile(path, "w") as file:
        for name, mode, data in members:
            info = zipfile.ZipInfo(name)
            info.filename, info.create_system, info.external_attr = name, 3, mode << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            with pytest.warns(UserWarning, match="Duplicate") if name in file.namelist() else contextlib.nullcontext():
                file.writestr(info, data)
    return path


FILE, LINK, HARD, FIFO, FOLDER = tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE
UNSAFE_TARS = {
    "climbing": [("a/../../x", FILE, "", b"1")],
    "absolute": [("/tmp/x", FILE, "", b"1")],
    "drive": [("C:/x", FILE, "", b"1")],
    "backslashes": [("..\\x", FILE, "", b"1")],
    "link outside": [("a", LINK, "../x", b"")],
    "absolute link": [("a", LINK, "/etc/passwd", b"")],
    "hard link outside": [("d/a", HARD, "../x", b"")],
    "through a link": [("d", FOLDER, "", b""), ("a", LINK, "d", b""), ("a/x", FILE, "", b"1")],
    "chain of links": [("b", LINK, ".", b""), ("c", FOLDER, "", b""), ("a", LINK, "b/c/../..", b"")],
    "device": [("a", FIFO, "", b"")],
    "twice": [("a", FILE, "", b"1"), ("./a", FILE, "", b"2")],
    "through a file": [("a", FILE, "", b"1"), ("a/b", FILE, "", b"2")],
}
UNSAFE_ZIPS = {
    "climbing": [("../x", 0, b"1")],
    "absolute": [("/x", 0, b"1")],
    "drive": [("C:\\x", 0, b"1")],
    "backslashes": [("a\\..\\..\\x", 0, b"1")],
    "link": [("a", stat.S_IFLNK | 0o777, b"/etc/passwd")],
    "device": [("a", stat.S_IFCHR, b"")],
    "twice": [("a", 0, b"1"), ("a", 0, b"2")],
}


@pytest.mark.parametrize("kind", [*(f"tar {name}" for name in UNSAFE_TARS), *(f"zip {name}" for name in UNSAFE_ZIPS)])
def test_archives_that_are_not_safe(kind, tmp_path):
    form, name = kind.split(" ", 1)
    archive = tar_of(tmp_path / "t", UNSAFE_TARS[name]) if form == "tar" else zip_of(tmp_path / "t", UNSAFE_ZIPS[name])
    with pytest.raises(ValueError, match="not safe to unpack.*Nothing was unpacked"):
        unpacking.unpack(archive, tmp_path / "folder", ["tar", "zip"])
    assert os.listdir(tmp_path) == ["t"]


def test_sizes_out_of_proportion(tmp_path, monkeypatch):
    monkeypatch.setattr(unpacking, "_FREE_SIZE", 1 << 16)
    zeros = bytes(1 << 20)
    for archive in (
        tar_of(tmp_path / "t", [("a", FILE, "", zeros)], "w:xz"),
        zip_of(tmp_path / "z", [("a", 0, zeros)]),
    ):
        with pytest.raises(ValueError, match=r"'a' and those before it have 1048576 bytes"):
            unpacking.unpack(archive, tmp_path / "folder", ["tar", "zip"])
    data = bytearray(zip_of(tmp_path / "z", [("a", 0, b"x" * 5000)]).read_bytes())
    directory = data.index(b"PK\x01\x02")
    data[directory + 24 : directory + 28] = (100).to_bytes(4, "little")  # declares less than there is
    (tmp_path / "z").write_bytes(data)
    with pytest.raises(ValueError, match="damaged"):
        unpacking.unpack(tmp_path / "z", tmp_path / "folder", ["zip"])
    assert sorted(os.listdir(tmp_path)) == ["t", "z"]


def test_damaged_archives(tmp_path):
    data = os.urandom(100_000)
    for archive in (tar_of(tmp_path / "t", [("a", FILE, "", data)]), zip_of(tmp_path / "z", [("a", 0, data)])):
        content = bytearray(archive.read_bytes())
        content[50_000] ^= 1
        archive.write_bytes(content if archive.name == "z" else content[:60_000])
        with pytest.raises(ValueError, match="is damaged"):
            unpacking.unpack(archive, tmp_path / "folder", ["tar", "zip"])
    assert sorted(os.listdir(tmp_path)) == ["t", "z"]


def test_links_inside_are_kept_and_old_folders_replaced(tmp_path):
    members = [("d", FOLDER, "", b""), ("d/x", FILE, "", b"1"), ("a", LINK, "d/x", b""), ("d/b", LINK, "../d/x", b"")]
    archive = tar_of(tmp_path / "t", [*members, ("h", HARD, "d/x", b"")])
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "old").touch()
    unpacking.unpack(archive, tmp_path / "folder", ["tar"])
    assert sorted(os.listdir(tmp_path / "folder")) == ["a", "d", "h"]
    assert all((tmp_path / "folder" / name).read_text() == "1" for name in ("a", "h", "d/x", "d/b"))


def test_a_new_archive_takes_the_place_of_what_the_old_one_held(tmp_path):
    folder = tmp_path / "cache"
    for content in (b"old", b"new"):
        origin = tar_of(tmp_path / "t", [("x", FILE, "", content)])
        digest = hashlib.sha256(origin.read_bytes()).hexdigest()
        for _ in range(2):
            unpacked = utils.get_file("mine", origin.as_uri(), file_hash=digest, extract=True, cache_dir=folder)
            assert (Path(unpacked) / "x").read_bytes() == content
    assert sorted(os.listdir(Path(unpacked).parent)) == ["mine", "mine_archive"]
    assert downloads.has_hash(f"{unpacked}_archive", digest.upper())
