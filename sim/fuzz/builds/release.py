"""Finding another release of onebook: a folder, a wheel or source archive, or what git knows by a tag, branch or commit.

Theory of operation. A folder is used where it is, and nothing is written to it. An archive, and a tree that
git gives out, is unpacked into a private folder that goes with the process; only its Python files and schemas are
taken. A release is named by the hash of those files, so the same code is the same release however it was found.
"""

from __future__ import annotations

import atexit
import hashlib
import io
import shutil
import subprocess
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from ledger.kernel import ROOT

PACKAGES = ("ledger", "strategies", "sim", "live")
"""What is taken of a release."""
SUFFIXES = (".py", ".sql")
ARCHIVES = (".whl", ".zip", ".tar.gz", ".tgz", ".tar")
HEART = Path("ledger") / "core.py"
"""A folder that has this file is a release of onebook."""


class ReleaseError(ValueError):
    """What was named is no release of onebook."""


class Release(NamedTuple):
    """One release on the disk: its folder, how a person called it, and 8 hex digits of its code."""

    root: Path
    said: str
    digest: str


@cache
def release(said: str) -> Release:
    """Find a release.

    Args:
        said: a folder, a .whl, .zip, .tar.gz, .tgz or .tar file, or a tag, branch or commit of the git repository of the
            current folder (or of the running onebook's).
    Raises:
        ReleaseError: saying what was expected.
    """
    place = Path(said).expanduser()
    if place.is_dir():
        root = _root(place.resolve(), said)
    elif place.is_file():
        root = _root(_unpacked(place), said)
    else:
        root = _root(_from_git(said), said)
    return Release(root, said, digest_of(root))


def digest_of(root: Path) -> str:
    """Return 8 hex digits over every file that is taken of a release."""
    whole = hashlib.sha256()
    for path in _files(root):
        text = path.read_bytes()
        whole.update(f"{path.relative_to(root).as_posix()}\0{len(text)}\0".encode() + text)
    return whole.hexdigest()[:8]


def _files(root: Path) -> Iterator[Path]:
    for package in PACKAGES:
        yield from sorted(path for path in (root / package).rglob("*") if path.suffix in SUFFIXES)


def _root(place: Path, said: str) -> Path:
    """Return the folder that has the ledger: the one named, or the only one in it (a source archive has such a folder)."""
    for root in (place, *sorted(path for path in place.iterdir() if path.is_dir())):
        if (root / HEART).is_file():
            return root
    raise ReleaseError(f"{said!r} is no release of onebook: it has no {HEART.as_posix()}")


def _is_taken(name: str) -> bool:
    path = PurePosixPath(name)
    return path.suffix in SUFFIXES and bool(set(path.parts[:2]) & set(PACKAGES)) and ".." not in path.parts and not path.is_absolute()


def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="onebook-release-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _unpacked(archive: Path) -> Path:
    folder = _folder()
    try:
        if archive.suffix in (".whl", ".zip"):
            with zipfile.ZipFile(archive) as packed:
                packed.extractall(folder, [name for name in packed.namelist() if _is_taken(name)])
        else:
            with tarfile.open(archive) as packed_tar:
                _extract(packed_tar, folder)
    except (zipfile.BadZipFile, tarfile.TarError) as error:
        raise ReleaseError(f"{archive} is no archive that can be read ({error}); a release is a folder, {', '.join(ARCHIVES)}") from error
    return folder


def _extract(packed: tarfile.TarFile, folder: Path) -> None:
    members = [member for member in packed if member.isfile() and _is_taken(member.name)]
    packed.extractall(folder, members, filter="data")


def _from_git(said: str) -> Path:
    """Unpack what git calls `said`, in the repository of the current folder, else in the running onebook's."""
    for home in dict.fromkeys((Path.cwd(), ROOT)):
        commit = _git(home, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{said}^{{commit}}").decode().strip()
        if commit:
            folder = _folder()
            with tarfile.open(fileobj=io.BytesIO(_git(home, "archive", "--format=tar", commit))) as packed:
                _extract(packed, folder)
            if any(folder.iterdir()):
                return folder
    raise ReleaseError(
        f"no release {said!r}: it is no folder, no file, and git knows no such tag, branch or commit here; name a folder, "
        f"an archive ({', '.join(ARCHIVES)}) or a commit, as in --old v0.1.0"
    )


def _git(home: Path, *words: str) -> bytes:
    """Return what git prints, nothing when it fails or is not installed."""
    try:
        return subprocess.run(["git", "-C", str(home), *words], capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return b""
