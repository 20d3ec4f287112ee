"""Bytes from disk: existence, kind, size, gzip, zip and Parquet.

Theory of operation. Every byte that becomes a price is read here, once, and is
hashed as it was on disk. A compressed file may not grow past BYTES_MAX. Parquet
columns are turned into text and take the same road as CSV, so that one parser and
one set of rules judges both; pyarrow is imported only then.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sim.data.errors import DataError, near
from sim.data.text import typed
from sim.data.text.table import Column, Table, assign_roles

if TYPE_CHECKING:
    import pyarrow

BYTES_MAX = 2**31
SUFFIXES = (".csv", ".csv.gz", ".parquet")


def read_bytes(path: Path, bytes_max: int = BYTES_MAX) -> bytes:
    """Return the bytes of a file; DataError when it is absent, a folder, unreadable or too large."""
    if path.is_dir():
        raise DataError("this is a folder, a file is expected", file=path.name, fix="name the file")
    try:
        if path.stat().st_size > bytes_max:
            raise DataError(f"the file is larger than {bytes_max} bytes", file=path.name, fix="split it")
        return path.read_bytes()
    except FileNotFoundError:
        raise DataError("this file does not exist", file=path.name, fix=_near_files(path)) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a path"
        raise DataError(
            f"the file cannot be read ({reason})", file=path.name, fix="check its permissions"
        ) from None


def _near_files(path: Path) -> str:
    try:
        names = [entry.name for entry in path.parent.iterdir()][:10_000]
    except OSError:
        return f"check the path: the folder '{path.parent.name}' does not exist"
    hint = near(path.name, names)
    return f"check the path; near names there: {', '.join(hint)}" if hint else "check the path"


def text_of(data: bytes, path: Path, bytes_max: int = BYTES_MAX) -> bytes:
    """Return the CSV text of a .csv or .csv.gz file."""
    if not path.name.lower().endswith(".gz"):
        if data[:2] == b"\x1f\x8b" or data[:4] in (b"PK\x03\x04", b"PAR1"):
            raise DataError(
                "the file is not text: its name says CSV, its bytes are gzip, zip or Parquet",
                file=path.name,
                fix="give it the right ending (.csv.gz, .parquet) or unpack it",
            )
        return data
    try:
        with gzip.open(io.BytesIO(data)) as stream:
            text = stream.read(bytes_max + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"the gzip file is damaged ({error})", file=path.name, fix="copy it again") from None
    if len(text) > bytes_max:
        raise DataError(f"the unpacked file is larger than {bytes_max} bytes", file=path.name, fix="split it")
    return text


def unzip_one(data: bytes, file: str, bytes_max: int = BYTES_MAX) -> bytes:
    """Return the only member of a zip; nothing is written to disk, so its names cannot lead anywhere."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
            if len(members) != 1:
                raise DataError(
                    f"the zip holds {len(members)} files, one is expected", file=file, fix="pack one CSV"
                )
            if members[0].file_size > bytes_max:
                raise DataError(
                    f"the unpacked file is larger than {bytes_max} bytes", file=file, fix="split it"
                )
            return archive.read(members[0])
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError, OSError) as error:
        raise DataError(f"the zip is unreadable ({error})", file=file, fix="copy it again") from None


def sha256_of(parts: list[bytes]) -> str:
    """Return the hash over the bytes of the files, each with its length."""
    digest = hashlib.sha256()
    for part in parts:
        if len(parts) > 1:
            digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.hexdigest()


def read_parquet(data: bytes, file: str) -> Table:
    """Return a Parquet file as columns of numbers, times or text; row n is the n-th record."""
    import pyarrow
    import pyarrow.parquet

    if not data:
        raise DataError("the file is empty", file=file, fix="write it again")
    try:
        stored = pyarrow.parquet.ParquetFile(io.BytesIO(data))
        names = [str(name) for name in stored.schema_arrow.names]
        roles = assign_roles(names, file)
        whole = stored.read(columns=[names[at] for at in roles.values()])
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise DataError(
            "the file is not readable as Parquet",
            file=file,
            value=str(error).split("\n")[0],
            fix="write it again, or pass the CSV",
        ) from None
    columns = {role: _column(role, whole.column(names[at]), file, names[at]) for role, at in roles.items()}
    return Table(
        file,
        columns,
        {role: names[at] for role, at in roles.items()},
        np.arange(1, whole.num_rows + 1, dtype=np.int64),
        False,
    )


def _column(role: str, values: pyarrow.ChunkedArray, file: str, name: str) -> Column:
    """Return a column as what it says, or as text where it is text or where numbers and text could say different things."""
    known = typed.known(role, values)
    if known is None:
        return _text_column(values, file, name)
    nothing = np.zeros(0, np.int64)
    return Column(np.zeros(0, np.uint8), nothing, nothing, known)


def _text_column(values: pyarrow.ChunkedArray, file: str, name: str) -> Column:
    """Return a Parquet column as text: floats in their shortest form, times as ISO, null as empty."""
    import pyarrow
    import pyarrow.compute

    kind = values.type
    if pyarrow.types.is_timestamp(kind) and kind.tz is not None:
        values = values.cast(pyarrow.timestamp(kind.unit, "UTC"))
    try:
        texts = pyarrow.compute.fill_null(values.cast(pyarrow.large_string()), "").combine_chunks()
    except (pyarrow.ArrowException, NotImplementedError):
        raise DataError(
            f"the column has the type {kind}",
            file=file,
            column=name,
            fix="store prices as decimal, float or text, times as timestamp, date or text",
        ) from None
    if isinstance(texts, pyarrow.ChunkedArray):
        texts = (
            pyarrow.concat_arrays(texts.chunks)
            if texts.num_chunks
            else pyarrow.array([], pyarrow.large_string())
        )
    offsets = np.frombuffer(texts.buffers()[1] or b"\0" * 8, dtype=np.int64)[
        texts.offset : texts.offset + len(texts) + 1
    ]
    content = texts.buffers()[2]
    buffer = np.frombuffer(content if content is not None and content.size else b"\n", dtype=np.uint8)
    return Column(buffer, offsets[:-1].copy(), np.diff(offsets))
