"""Files of rows for the tests of the adapter that opens them."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import openpyxl

SHOP = {
    "customers.csv": "id,name,country,email\n1,Ana,Germany,ana@example.com\n2,Ben,France,\n3,Eva,Germany,\n",
    "orders.tsv": "id\tcustomer_id\tstate\ttotal\n1\t1\tnew\t10\n2\t1\tpaid\t20\n3\t2\tnew\t5\n",
    "audit.jsonl": '{"what": "x", "order_id": 1}\n',
    "german.json": '[{"id": 1, "name": "Ana"}, {"id": 3, "name": "Eva"}]',
}


def fill(folder: Path, files: dict[str, str] = SHOP) -> Path:
    """The folder with these files in it."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text, "utf-8")
    return folder


def workbook(path: Path, sheets: dict[str, list[list[object]]]) -> Path:
    """An Excel file with these rows in its sheets."""
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


SALES: dict[str, list[list[object]]] = {
    "Q1 2024": [["region", "amount", "day", "code"], ["north", 10, date(2024, 1, 1), "007"], ["", 2.5, None, 8]],
    "Q2": [["region"], ["east"]],
    "Empty": [],
}
