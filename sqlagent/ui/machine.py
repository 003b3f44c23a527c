"""`--json`: the one document that a command prints, with the rows that came meanwhile."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, BinaryIO

from sqlagent.core.nouns.documents import FORMAT_VERSION, proposal_json, report_json, statement_json, threads_json
from sqlagent.ui.formats import json_value

__all__ = [
    "FORMAT_VERSION",
    "JsonRows",
    "proposal_json",
    "report_json",
    "statement_json",
    "threads_json",
    "write_document",
]
_IN_MEMORY = 1_000_000


class JsonRows:
    """A sink that keeps rows for the one document that `--json` prints at the end; past a megabyte, on disk.

    Use it in a `with`: `write_document(report_json(report), out, rows=rows)`.
    """

    def __init__(self) -> None:
        import tempfile  # 4 ms that most commands need not pay

        self._kept = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 (closed by __exit__)
        self.results = 0

    def __enter__(self) -> JsonRows:
        return self

    def __exit__(self, *_: object) -> None:
        self._kept.close()

    def write(self, columns: Sequence[str], rows: Iterator[tuple[Any, ...]]) -> int:
        """Take every row, holding a thousand at most; of a result that fails midway, none."""
        start = self._kept.tell()
        try:
            counted = self._take(columns, rows)
        except BaseException:  # the document says why, and must stay one
            self._kept.seek(start)
            self._kept.truncate()
            raise
        self.results += 1
        return counted

    def _take(self, columns: Sequence[str], rows: Iterator[tuple[Any, ...]]) -> int:
        self._put(("," if self.results else "") + f'{{"columns":{json_value(list(columns))},"rows":[')
        counted = 0
        while chunk := list(islice(rows, 1_000)):
            self._put(("," if counted else "") + ",".join(map(json_value, chunk)))
            counted += len(chunk)
        self._put("]}")
        return counted

    def _put(self, text: str) -> None:
        self._kept.write(text.encode("utf-8", "surrogatepass"))

    def copy_to(self, out: BinaryIO) -> None:
        """The results so far, as the inside of a JSON array."""
        self._kept.seek(0)
        while piece := self._kept.read(65_536):
            out.write(piece)
        self._kept.seek(0, io.SEEK_END)


def write_document(document: dict[str, Any], out: BinaryIO, *, rows: JsonRows | None = None) -> None:
    """One JSON document on one line; `rows` become its `results`."""
    text = json_value(document)
    if rows is None or not rows.results:
        out.write(f"{text}\n".encode("utf-8", "surrogatepass"))
    else:
        out.write(f'{text[:-1]},"results":['.encode("utf-8", "surrogatepass"))
        rows.copy_to(out)
        out.write(b"]}\n")
    out.flush()
