"""Tables made of the rows of files, each read by a handle that we opened."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field

import duckdb

from sqlagent.databases.duckdb.connection import workbook
from sqlagent.databases.duckdb.connection.error_text import said_of_file
from sqlagent.databases.duckdb.connection.files import DataFile, LeftOut, safe
from sqlagent.databases.duckdb.connection.workbook import Sheet
from sqlagent.plain_files import NotPlain, open_plain

_ROWS_AT_ONCE = 10_000
_PLAIN = "compression = 'none', hive_partitioning = false"
_CSV = ("", ", sample_size = -1")
"""Types are told from the first 20,480 rows; where a later one is of no such type, from all of them."""
_READERS = {
    "csv": tuple(f"read_csv({{}}, {_PLAIN}{sample})" for sample in _CSV),
    "tsv": tuple(f"read_csv({{}}, delim = '\t', {_PLAIN}{sample})" for sample in _CSV),
    "parquet": ("read_parquet({}, hive_partitioning = false)",),
    "json": (f"read_json({{}}, {_PLAIN})", f"read_json({{}}, sample_size = -1, {_PLAIN})"),
    "jsonl": (f"read_json({{}}, format = 'newline_delimited', {_PLAIN})",),
}
_READERS["ndjson"] = _READERS["jsonl"]


@dataclass(frozen=True, slots=True)
class Source:
    """Where the rows of a table come from."""

    table: str
    file: str
    sheet: str = ""

    @property
    def words(self) -> str:
        """`file sales.xlsx, sheet Q1`."""
        return f"file {self.file}" + (f", sheet {self.sheet}" if self.sheet else "")


@dataclass(slots=True)
class Filling:
    """What was made of the files so far, and what could not be."""

    connection: duckdb.DuckDBPyConnection
    taken: set[str]
    """Names that tables have or will have, in small letters."""
    sources: list[Source] = field(default_factory=list)
    refused: list[LeftOut] = field(default_factory=list)

    def fill(self, files: Sequence[DataFile]) -> None:
        """A table of every file; one that cannot be read is noted, and the others are read."""
        for file in files:
            try:
                self._fill(file)
            except OSError as e:
                self.refused.append(LeftOut(file.path.name, (e.strerror or str(e)).lower()))
            except (NotPlain, workbook.Unreadable) as e:
                self.refused.append(LeftOut(file.path.name, str(e)))

    def _fill(self, file: DataFile) -> None:
        handle = open_plain(file.path)
        opened_as = f"/dev/fd/{handle}"  # a name that is no pattern, of the very file that was looked at
        try:
            if not os.fstat(handle).st_size:
                self.refused.append(LeftOut(file.path.name, "it is empty"))
            elif file.kind == "xlsx":
                self._fill_from_workbook(file, handle)
            else:
                self._fill_by_reader(file, opened_as)
        except duckdb.Error as e:
            self.refused.append(LeftOut(file.path.name, said_of_file(e, opened_as, file.path)))
        finally:
            os.close(handle)

    def _fill_by_reader(self, file: DataFile, opened_as: str) -> None:
        *first, last = (reader.format(f"'{opened_as}'") for reader in _READERS[file.kind])
        for reader in first:
            try:
                self._create(file, reader)
                return
            except (duckdb.ConversionException, duckdb.InvalidInputException):
                continue  # a type that does not hold a later row
        self._create(file, last)

    def _create(self, file: DataFile, reader: str) -> None:
        self.connection.execute(f"CREATE TABLE {quoted(file.table)} AS FROM {reader}")
        self.sources.append(Source(file.table, file.path.name))

    def _fill_from_workbook(self, file: DataFile, handle: int) -> None:
        filled = []
        for sheet in workbook.sheets(handle):
            if sheet.columns:
                filled.append(sheet)
            else:
                self.refused.append(LeftOut(f"{file.path.name}, sheet {sheet.name}", "it is empty"))
        for sheet in filled:
            table = file.table if len(filled) == 1 else self._free(f"{file.table}_{safe(sheet.name)}")
            self._fill_from_sheet(table, sheet)
            self.sources.append(Source(table, file.path.name, sheet.name))

    def _free(self, name: str) -> str:
        """The name, with a number behind it where there is such a table."""
        made, number = name, 1
        while made.lower() in self.taken:
            number += 1
            made = f"{name}_{number}"
        self.taken.add(made.lower())
        return made

    def _fill_from_sheet(self, table: str, sheet: Sheet) -> None:
        columns = ", ".join(f"{quoted(c)} {t}" for c, t in zip(sheet.columns, sheet.types, strict=True))
        self.connection.execute(f"CREATE TABLE {quoted(table)} ({columns})")
        lists = ", ".join(f"unnest(CAST(? AS {kind}[]))" for kind in sheet.types)
        for begin in range(0, len(sheet.values[0]), _ROWS_AT_ONCE):
            some = [column[begin : begin + _ROWS_AT_ONCE] for column in sheet.values]
            self.connection.execute(f"INSERT INTO {quoted(table)} SELECT {lists}", some)


def quoted(name: str) -> str:
    """The name as SQL takes it whatever it is."""
    return '"' + name.replace('"', '""') + '"'
