"""Delimited text as columns of bytes: the strict CSV layer.

Theory of operation. A file is one buffer of bytes. `read_csv` finds every comma
and newline at once with numpy and demands that all lines have as many fields as
the header; a `Column` is then only (buffer, starts, lengths), nothing is copied
and nothing is guessed: `0700`, `NA` and `1E5` stay the text they are. Files with
quotes take a slower road through the csv module and come out in the same form.
The checks here are those of the bytes: encoding, NUL, separators, field counts,
column names, the last newline.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.data.errors import DataError, repair_hint
from sim.data.history import Int64Array

ROLES: dict[str, tuple[str, ...]] = {
    "time": ("date", "time", "timestamp", "datetime"),
    "open": ("open",),
    "high": ("high",),
    "low": ("low",),
    "close": ("close",),
    "volume": ("volume",),
    "symbol": ("symbol",),
}
REQUIRED = ("time", "open", "high", "low", "close")
FIELD_MAX = 64
COMMA, NEWLINE = 44, 10


class Known(NamedTuple):
    """What a column that came as numbers or times says, so that it need not be written out and read again.

    A number is value / 10**scale and `kind` is "number"; a time is ns since 1970, of kind "instant" (UTC) or "naive" (local).
    """

    value: Int64Array
    scale: int
    kind: str

    def text(self, index: int) -> str:
        """Return one row as text."""
        value = int(self.value[index])
        if self.kind != "number":
            text = str(np.datetime64(value, "ns")).replace("T", " ").rstrip("0").rstrip(".")
            return text + "Z" * (self.kind == "instant")
        plain = format(Decimal(value).scaleb(-self.scale), "f")
        return plain.rstrip("0").rstrip(".") if "." in plain else plain


class Column(NamedTuple):
    """One column as text: row i is buffer[start[i] : start[i] + length[i]]; or `known`, and then there is no text."""

    buffer: NDArray[np.uint8]
    start: Int64Array
    length: Int64Array
    known: Known | None = None

    def text(self, index: int) -> str:
        """Return the text of one row."""
        if self.known is not None:
            return self.known.text(index)
        first = int(self.start[index])
        return self.buffer[first : first + int(self.length[index])].tobytes().decode("utf-8", "replace")

    def take(self, rows: slice | NDArray[np.bool_] | Int64Array) -> Column:
        """Return the column of a selection of rows, sharing the buffer."""
        if self.known is not None:
            return self._replace(known=self.known._replace(value=self.known.value[rows]))
        return Column(self.buffer, self.start[rows], self.length[rows])

    def texts(self) -> list[str]:
        """Return all rows as text."""
        if self.known is not None:
            return [self.known.text(at) for at in range(len(self.known.value))]
        whole = self.buffer.tobytes()
        return [
            whole[s : s + n].decode("utf-8", "replace")
            for s, n in zip(self.start.tolist(), self.length.tolist(), strict=True)
        ]


class Table(NamedTuple):
    """Named text columns of one file; `row` is the 1-based line of each record."""

    file: str
    columns: Mapping[str, Column]  # by role: time, open, high, low, close, volume, symbol
    names: Mapping[str, str]  # role -> the name the file uses
    row: Int64Array
    unfinished: bool  # the last line has no newline

    def take(self, rows: NDArray[np.bool_] | Int64Array) -> Table:
        """Return the table of a selection of rows."""
        columns = {role: column.take(rows) for role, column in self.columns.items()}
        return self._replace(columns=columns, row=self.row[rows])


def read_csv(data: bytes, file: str, header: Sequence[str] | None = None) -> Table:
    """Split a CSV into text columns; with `header`, the file has no header line of its own.

    Raises:
        DataError: encoding, NUL, separator, field count, duplicate or missing column.
    """
    data = _check_bytes(data, file)
    unfinished = bool(data) and not data.endswith(b"\n")
    body = data + b"\n" if unfinished else data
    if not body.strip():
        raise DataError("the file is empty", file=file, fix="write a header line and at least two bars")
    if header is None:
        _check_separator(body[: body.index(b"\n")].decode("utf-8"), file)
    if b'"' in body:
        names, columns, row = _quoted(body, file, header)
    else:
        names, columns, row = _plain(body, file, header)
    roles = assign_roles(names, file)
    return Table(
        file,
        {role: columns[at] for role, at in roles.items()},
        {role: names[at] for role, at in roles.items()},
        row,
        unfinished,
    )


def assign_roles(names: Sequence[str], file: str) -> dict[str, int]:
    """Return role -> index of the column; names count without regard to case and outer blanks."""
    plain = [name.strip().lower() for name in names]
    for index, name in enumerate(plain):
        if name in plain[:index]:
            raise DataError(
                "column names must differ (without regard to case)",
                file=file,
                row=1,
                column=name,
                fix="rename or remove one of the two columns",
            )
    roles: dict[str, int] = {}
    for role, known in ROLES.items():
        found = [at for at, name in enumerate(plain) if name in known]
        if len(found) > 1:
            raise DataError(
                f"more than one column could be the {role}",
                file=file,
                row=1,
                column=", ".join(names[at] for at in found),
                fix="keep only one of them",
            )
        if found:
            roles[role] = found[0]
    missing = [role for role in REQUIRED if role not in roles]
    if missing:
        raise DataError(
            f"the column {missing[0]} is missing",
            file=file,
            row=1,
            column=missing[0],
            value=",".join(names),
            fix=f"name a column {' or '.join(ROLES[missing[0]])}; columns are found by name, not by position",
        )
    return roles


def _check_separator(line: str, file: str) -> None:
    """Refuse a header without a comma in it; where decimals have commas, the lines below would seem to be at fault."""
    other = [word for mark, word in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")) if mark in line]
    if other and "," not in line:
        raise DataError(
            f"the fields are separated by {other[0]}",
            file=file,
            row=1,
            value=line,
            fix="separate the fields with commas and write decimals with a point, 100.5",
        )


def _check_bytes(data: bytes, file: str) -> bytes:
    """Return the bytes without a UTF-8 mark and with plain newlines; refuse every other encoding."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError("the file is UTF-16, UTF-8 is expected", file=file, fix="save it as UTF-8")
    data = data.removeprefix(b"\xef\xbb\xbf")
    if b"\0" in data:
        raise DataError(
            "the file contains NUL bytes: it is damaged, binary or UTF-16",
            file=file,
            row=_line_of(data, data.index(b"\0")),
            fix="export it again as UTF-8 text",
        )
    if not data.isascii():
        try:
            data.decode("utf-8")
        except UnicodeDecodeError as error:
            raise DataError(
                "the file is not UTF-8 (Latin-1 perhaps, or binary)",
                file=file,
                row=_line_of(data, error.start),
                value=f"byte 0x{data[error.start]:02x}",
                fix="save it as UTF-8",
            ) from None
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n")
        if b"\r" in data:
            raise DataError(
                "a carriage return stands without a newline",
                file=file,
                row=_line_of(data, data.index(b"\r")),
                fix="use \\n or \\r\\n line ends",
            )
    return data


def _line_of(data: bytes, offset: int) -> int:
    return data.count(b"\n", 0, offset) + 1


def _plain(
    data: bytes, file: str, header: Sequence[str] | None
) -> tuple[list[str], list[Column], Int64Array]:
    """Split a file without quotes; one pass finds all separators."""
    buffer = np.frombuffer(data, dtype=np.uint8)
    end = np.flatnonzero((buffer == COMMA) | (buffer == NEWLINE))
    last_of_line = np.flatnonzero(buffer[end] == NEWLINE)
    fields = np.diff(last_of_line, prepend=-1)
    names = list(header) if header is not None else data[: data.index(b"\n")].decode("utf-8").split(",")
    lines = np.flatnonzero(fields != len(names))
    if len(lines):
        line = int(lines[0])
        first = int(end[last_of_line[line - 1]]) + 1 if line else 0
        text = data[first : int(end[last_of_line[line]])].decode("utf-8")
        _refuse_count(file, line + 1, int(fields[line]), len(names), text)
    start = np.empty_like(end)
    start[0], start[1:] = 0, end[:-1] + 1
    starts, ends = start.reshape(-1, len(names)), end.reshape(-1, len(names))
    skip = 0 if header is not None else 1
    columns = [
        Column(buffer, starts[skip:, at].copy(), ends[skip:, at] - starts[skip:, at])
        for at in range(len(names))
    ]
    return names, columns, np.arange(1 + skip, len(starts) + 1, dtype=np.int64)


def _refuse_count(file: str, row: int, have: int, want: int, text: str) -> None:
    if not text.strip():
        raise DataError("an empty line stands in the file", file=file, row=row, fix="remove the line")
    word = "too many" if have > want else "too few"
    raise DataError(
        f"{word} fields: {have} where the header has {want}",
        file=file,
        row=row,
        value=text,
        fix="correct the line; a number with a comma in it must stand in quotes",
    )


def _quoted(
    data: bytes, file: str, header: Sequence[str] | None
) -> tuple[list[str], list[Column], Int64Array]:
    """Split a file with quotes by the csv module; a quoted newline would make line numbers lie."""
    reader = csv.reader(io.StringIO(data.decode("utf-8"), newline=""), strict=True)
    records: list[list[str]] = []
    try:
        for record in reader:
            records.append(record)
            if reader.line_num != len(records):
                raise DataError(
                    "a quoted field runs over a line end",
                    file=file,
                    row=len(records),
                    fix="close the quote or remove the newline",
                )
            want = len(header) if header is not None else len(records[0])
            if len(record) != want:
                _refuse_count(file, len(records), len(record), want, ",".join(record))
    except csv.Error as error:
        raise DataError(
            f"the quotes of the line do not close ({error})",
            file=file,
            row=len(records) + 1,
            fix="correct the quotes",
        ) from None
    names = list(header) if header is not None else records[0]
    skip = 0 if header is not None else 1
    columns = [column_of([record[at] for record in records[skip:]]) for at in range(len(names))]
    return names, columns, np.arange(1 + skip, len(records) + 1, dtype=np.int64)


def column_of(texts: Sequence[str]) -> Column:
    """Return the Column that holds these texts."""
    fields = [text.encode("utf-8") for text in texts]
    length = np.fromiter(map(len, fields), dtype=np.int64, count=len(fields))
    start = np.cumsum(length) - length
    return Column(np.frombuffer(b"".join(fields) + b"\n", dtype=np.uint8), start, length)


def check_width(column: Column, row: Int64Array, file: str, name: str) -> int:
    """Return the longest field, 0 where there is no text; refuse one that no price, volume or time can be."""
    if column.known is not None or not len(column.length):
        return 0
    width = int(column.length.max())
    if width > FIELD_MAX:
        at = int(column.length.argmax())
        raise DataError(
            f"the field is longer than {FIELD_MAX} characters",
            file=file,
            row=int(row[at]),
            column=name,
            value=column.text(at),
            fix="correct the field",
        )
    return width


def check_last_line(table: Table, allow: Callable[[str, int, int, str], bool]) -> None:
    """Refuse a file that stops in the middle of a line; `allow` counts the opt-in repair."""
    rule = "the last line has no newline: the file may be truncated"
    if table.unfinished and not allow("allow-unfinished-last-line", 1, int(table.row[-1]), rule):
        raise DataError(
            rule,
            file=table.file,
            row=int(table.row[-1]),
            fix=repair_hint("allow-unfinished-last-line", "copy the file again"),
        )
