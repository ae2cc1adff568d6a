"""`get_file`: download a file once, verify its hash, and unpack archives safely."""

from __future__ import annotations

import functools
import os
import urllib.parse
from pathlib import Path, PurePosixPath

from jaxlayers.files import downloads
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

    The download goes to a temporary file, which is renamed when it is complete and has the right hash. A file in the
    cache with another hash is downloaded again. An `https` address may not redirect to `http`.

    An archive is unpacked into a temporary directory, which is renamed when all of it is there. If a member would be
    written outside of it, is a link to the outside or a device, or has a name that is there twice, nothing is unpacked.
    A directory that was unpacked before is returned as it is (Keras unpacks it again), unless the archive was
    downloaded again.

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
            an unknown format, is damaged or is unsafe.
        OSError: if the download fails.

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
    from jaxlayers.files import unpacking  # imported here: slow to load, and rarely needed

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
    one_of("get_file()", "hash_algorithm", hash_algorithm, ("md5", "sha256", "auto"))
    extract = extract or untar
    # Paths as in Keras: an `fname` with a suffix names the archive, one without a suffix names the directory.
    stem = name.split(".")[0]
    target = folder / (name if not extract or (fname and "." in name) else f"{name}_archive")
    unpacked = folder / (f"{stem}_extracted" if fname and "." in name else name)
    if force_download or not target.exists() or not downloads.has_hash(target, file_hash, hash_algorithm):
        target.parent.mkdir(parents=True, exist_ok=True)
        print_message(f"Downloading data from {origin}")
        discard = functools.partial(unpacking.discard, unpacked) if extract else None
        downloads.download(origin, target, file_hash, hash_algorithm, discard)
    if not extract:
        return str(target)
    if not unpacked.is_dir():  # it gets this name once all of it is there
        formats = ["tar"] if untar else ["tar", "zip"] if archive_format == "auto" else archive_format or []
        unpacking.unpack(target, unpacked, [formats] if isinstance(formats, str) else formats)
    return str(unpacked)


def _cache_folder(cache_dir: str | os.PathLike[str] | None) -> Path:
    if cache_dir is not None:
        return Path(cache_dir).expanduser()
    import pooch

    return Path(pooch.os_cache("jaxlayers"))
