"""Files from the network: downloaded once, checked, and unpacked without leaving their folder."""

from __future__ import annotations

import os
import shutil
import tarfile
import tempfile
import urllib.parse
import urllib.request
import zipfile
from pathlib import Path, PurePosixPath

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
    """The path of a file from the network, after downloading it, unless that was done before.

    A download is written beside its place and moved there when it is complete and has the right hash. An archive is
    refused whole when anything in it would lie outside of the folder that it is unpacked to.

    Args:
        fname: what to call it; by default the name in `origin`.
        origin: its address.
        untar: an old name of `extract`, for tar archives.
        md5_hash: an old name of `file_hash`, for MD5.
        file_hash: the hash that it must have; without one, whatever comes is taken.
        cache_subdir: a folder inside `cache_dir`.
        hash_algorithm: `"md5"`, `"sha256"` or `"auto"`, which tells by the length.
        extract: whether it is an archive to be unpacked; the folder with what was in it is what is returned.
        archive_format: `"tar"` (compressed or not), `"zip"`, or `"auto"` for either.
        cache_dir: where files are kept; by default pooch's folder for this library.
        force_download: whether to download in any case.

    Raises:
        ValueError: without an address; for another hash than `file_hash`; for an archive that is none, or not safe.

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
        raise ValueError("get_file() needs origin=: the address of the file.")
    name = fname or PurePosixPath(urllib.parse.unquote(urllib.parse.urlsplit(origin).path)).name
    if not name or name in (".", "..") or Path(name).name != name:
        raise ValueError(f"fname must be a name without folders; received {name!r}. Use cache_dir for the folder.")
    if md5_hash is not None and file_hash is None:
        file_hash, hash_algorithm = md5_hash, "md5"
    folder = _cache(cache_dir) / cache_subdir
    extract = extract or untar
    # Keras's places: a name with an ending is the archive's, one without is the folder's.
    stem = name.split(".")[0]
    target = folder / (name if not extract or (fname and "." in name) else f"{name}_archive")
    unpacked = folder / (f"{stem}_extracted" if fname and "." in name else name)
    if force_download or not target.exists() or not _has_hash(target, file_hash, hash_algorithm):
        _download(origin, target, file_hash, hash_algorithm)
        shutil.rmtree(unpacked, ignore_errors=True) if extract else None
    if not extract:
        return str(target)
    _unpack(target, unpacked, "tar" if untar else archive_format)
    return str(unpacked)


def _cache(cache_dir: str | os.PathLike[str] | None) -> Path:
    if cache_dir is not None:
        return Path(cache_dir).expanduser()
    import pooch

    return Path(pooch.os_cache("jaxlayers"))


def _download(origin: str, target: Path, file_hash: str | None, algorithm: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    print_message(f"Downloading data from {origin}")
    with tempfile.TemporaryDirectory(dir=target.parent) as beside:
        path = Path(beside) / "download"
        if origin.startswith("file:"):
            shutil.copyfile(urllib.request.url2pathname(urllib.parse.urlsplit(origin).path), path)
        else:
            import pooch

            pooch.retrieve(origin, known_hash=None, fname=path.name, path=beside)
        if not _has_hash(path, file_hash, algorithm):
            raise ValueError(
                f"What came from {origin} does not have the hash {file_hash}: the download is damaged, or the file is "
                "another one now. Nothing was kept."
            )
        os.replace(path, target)


def _has_hash(path: Path, file_hash: str | None, algorithm: str) -> bool:
    if file_hash is None:
        return True
    import pooch

    if algorithm == "auto":
        algorithm = "sha256" if len(file_hash) == 64 else "md5"
    if algorithm not in ("md5", "sha256"):
        raise ValueError(f"hash_algorithm must be 'md5', 'sha256' or 'auto'; received {algorithm!r}.")
    return pooch.file_hash(str(path), alg=algorithm) == file_hash.lower()


def _unpack(archive: Path, folder: Path, formats: str | list[str] | None) -> None:
    """Unpack an archive into a folder that is there when all of it is."""
    kinds = ["tar", "zip"] if formats == "auto" else [formats] if isinstance(formats, str) else formats or []
    with tempfile.TemporaryDirectory(dir=archive.parent) as beside:
        inside = Path(beside) / "unpacked"
        inside.mkdir()
        if "tar" in kinds and tarfile.is_tarfile(archive):
            with tarfile.open(archive) as tar:
                _check_names(archive, inside, [member.name for member in tar.getmembers()])
                try:
                    tar.extractall(inside, filter="data")  # refuses links and devices that lead outside
                except tarfile.FilterError as error:
                    raise ValueError(f"{archive} is not safe to unpack: {error}. Nothing was kept.") from None
        elif "zip" in kinds and zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as zipped:
                _check_names(archive, inside, zipped.namelist())
                zipped.extractall(inside)
        else:
            raise ValueError(f"{archive} is no archive of the formats {kinds}.")
        shutil.copytree(inside, folder, symlinks=True, dirs_exist_ok=True)


def _check_names(archive: Path, folder: Path, names: list[str]) -> None:
    root = folder.resolve()
    outside = [name for name in names if not (root / name.replace("\\", "/")).resolve().is_relative_to(root)]
    if outside:
        raise ValueError(f"{archive} is not safe to unpack: {outside[0]!r} would lie outside. Nothing was kept.")
