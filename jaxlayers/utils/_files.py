"""`get_file`: download a file once, verify its hash, and unpack archives safely."""

from __future__ import annotations

import os
import shutil
import tempfile
import urllib.parse
from pathlib import Path, PurePosixPath

from jaxlayers.numerics.spatial import one_of
from jaxlayers.utils._messages import print_message


def get_file(
    fname: str | None = None,
    origin: str | None = None,
    untar: bool = False,
    md5_hash: str | None = None,
    file_hash: str | None = None,
    cache_subdir: str = "datasets",
    hash_algorithm: str = "auto",
    extract: bool = False,
    archive_format: str | list[str] | None = "auto",
    cache_dir: str | os.PathLike[str] | None = None,
    force_download: bool = False,
) -> str:
    """Download a file, unless it is in the cache, and return its path.

    The download goes to a temporary file, which is moved to its place when it is complete and has the right hash. If a
    member of an archive would be written outside the directory of the archive, nothing is unpacked.

    Args:
        fname: the name of the file in the cache; by default the name in `origin`.
        origin: the URL of the file; required.
        untar: an old name of `extract`, for tar archives. False by default.
        md5_hash: an old name of `file_hash`, for MD5.
        file_hash: the expected hash of the file; None (default) for no check.
        cache_subdir: the subdirectory of `cache_dir`; `"datasets"` by default.
        hash_algorithm: `"md5"`, `"sha256"` or `"auto"` (default), which infers it from the length of the hash.
        extract: if True, the file is an archive that is unpacked, and the path of the directory is returned. False by
            default.
        archive_format: `"tar"` (compressed or not), `"zip"`, a list of these, or `"auto"` (default) for both.
        cache_dir: the cache directory; by default that of pooch for this library.
        force_download: if True, the file is downloaded even if it is in the cache. False by default.

    Returns:
        The path of the file, or of the directory with the members of the archive.

    Raises:
        ValueError: if there is no URL, the name has directories, the hash differs from `file_hash`, or the archive has
            an unknown format or is unsafe.

    Example:
        >>> import pathlib, tempfile
        >>> from jaxlayers import utils
        >>> folder = tempfile.mkdtemp()
        >>> source = pathlib.Path(folder) / "source.txt"
        >>> _ = source.write_text("text")
        >>> utils.disable_interactive_logging()
        >>> path = utils.get_file("copy.txt", source.as_uri(), cache_dir=folder)
        >>> pathlib.Path(path).read_text()
        'text'
        >>> utils.enable_interactive_logging()
    """
    if not origin:
        raise ValueError("get_file() needs origin, the URL of the file; received none.")
    name = fname or PurePosixPath(urllib.parse.unquote(urllib.parse.urlsplit(origin).path)).name
    if not name or name in (".", "..") or Path(name).name != name:
        raise ValueError(
            f"get_file(): fname must be a name without directories; received {name!r}. Set cache_dir and cache_subdir "
            "for the directory."
        )
    if md5_hash is not None and file_hash is None:
        file_hash, hash_algorithm = md5_hash, "md5"
    folder = _cache_folder(cache_dir) / cache_subdir
    extract = extract or untar
    # Paths as in Keras: an `fname` with a suffix names the archive, one without a suffix names the directory.
    stem = name.split(".")[0]
    target = folder / (name if not extract or (fname and "." in name) else f"{name}_archive")
    unpacked = folder / (f"{stem}_extracted" if fname and "." in name else name)
    if force_download or not target.exists() or not _has_hash(target, file_hash, hash_algorithm):
        _download(origin, target, file_hash, hash_algorithm)
        if extract:
            shutil.rmtree(unpacked, ignore_errors=True)
    if not extract:
        return str(target)
    _unpack(target, unpacked, "tar" if untar else archive_format)
    return str(unpacked)


def _cache_folder(cache_dir: str | os.PathLike[str] | None) -> Path:
    if cache_dir is not None:
        return Path(cache_dir).expanduser()
    import pooch

    return Path(pooch.os_cache("jaxlayers"))


def _download(origin: str, target: Path, file_hash: str | None, algorithm: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    print_message(f"Downloading data from {origin}")
    with tempfile.TemporaryDirectory(dir=target.parent) as temporary:
        path = Path(temporary) / "download"
        if origin.startswith("file:"):
            import urllib.request  # imported here, as in `_unpack`: slow to load, and rarely needed

            shutil.copyfile(urllib.request.url2pathname(urllib.parse.urlsplit(origin).path), path)
        else:
            import pooch

            pooch.retrieve(origin, known_hash=None, fname=path.name, path=temporary)
        if not _has_hash(path, file_hash, algorithm):
            raise ValueError(
                f"The file from {origin} does not have the hash {file_hash}: the download is damaged, or the file has "
                "changed. It was deleted."
            )
        os.replace(path, target)


def _has_hash(path: Path, file_hash: str | None, algorithm: str) -> bool:
    if file_hash is None:
        return True
    import pooch

    algorithm = one_of("get_file()", "hash_algorithm", algorithm, ("md5", "sha256", "auto"))
    if algorithm == "auto":
        algorithm = "sha256" if len(file_hash) == 64 else "md5"
    return pooch.file_hash(str(path), alg=algorithm) == file_hash.lower()


def _unpack(archive: Path, folder: Path, formats: str | list[str] | None) -> None:
    """Unpack an archive into a temporary directory, and copy it to `folder` when all of it is unpacked."""
    import tarfile
    import zipfile

    kinds = ["tar", "zip"] if formats == "auto" else [formats] if isinstance(formats, str) else formats or []
    with tempfile.TemporaryDirectory(dir=archive.parent) as temporary:
        unpacked = Path(temporary) / "unpacked"
        unpacked.mkdir()
        if "tar" in kinds and tarfile.is_tarfile(archive):
            with tarfile.open(archive) as tar:
                _check_names(archive, unpacked, [member.name for member in tar.getmembers()])
                try:
                    tar.extractall(unpacked, filter="data")  # raises for devices, and for links to paths outside
                except tarfile.FilterError as error:
                    raise ValueError(f"{archive} is not safe to unpack: {error}. Nothing was unpacked.") from None
        elif "zip" in kinds and zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as zipped:
                _check_names(archive, unpacked, zipped.namelist())
                zipped.extractall(unpacked)
        else:
            raise ValueError(f"{archive} is not an archive of a format in {kinds}.")
        shutil.copytree(unpacked, folder, symlinks=True, dirs_exist_ok=True)


def _check_names(archive: Path, folder: Path, names: list[str]) -> None:
    """Raise a ValueError if a member of an archive would be written outside the folder."""
    root = folder.resolve()
    outside = [name for name in names if not (root / name.replace("\\", "/")).resolve().is_relative_to(root)]
    if outside:
        raise ValueError(
            f"{archive} is not safe to unpack: {outside[0]!r} would be written outside its directory. Nothing was "
            "unpacked."
        )
