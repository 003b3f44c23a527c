"""How fast `check` judges a folder of migrations, with the database's opinion and without: statements a second."""

from __future__ import annotations

import time

import pytest

from sqlagent.service.checks import Script, an_empty_database, checked

pytestmark = pytest.mark.benchmark
_TABLE = """
CREATE TABLE {t} (id INTEGER PRIMARY KEY, name TEXT NOT NULL, total NUMERIC, parent INTEGER REFERENCES {p} (id));
CREATE INDEX {t}_name ON {t} (name);
ALTER TABLE {t} ADD COLUMN extra TEXT;
INSERT INTO {t} (id, name) VALUES (1, 'a');
UPDATE {t} SET extra = name WHERE id = 1;
CREATE TRIGGER {t}_gone AFTER DELETE ON {t} BEGIN DELETE FROM {t} WHERE parent = OLD.id; END;
DELETE FROM {t} WHERE name = 'x';
SELECT count(*) FROM {t} WHERE total > 5;
CREATE VIEW {t}_short AS SELECT id, name FROM {t};
UPDATE {t} SET total = 1 WHERE parent IN (SELECT id FROM {t}_short);
"""


def migrations(files: int) -> list[Script]:
    """Ten statements a file, half of them change the schema, and each builds on the file before."""
    return [Script(f"V{n:04}__table.sql", _TABLE.format(t=f"t{n}", p=f"t{max(n - 1, 0)}")) for n in range(files)]


@pytest.mark.parametrize("files", [20, 200])
def test_statements_a_second(files: int) -> None:
    scripts = migrations(files)
    with an_empty_database() as database:
        list(checked(scripts[:1], database.dialect, database, together=True))
        rates = []
        for engine in (database, None):
            begun = time.process_time()
            count = sum(1 for _ in checked(scripts, "sqlite", engine, together=engine is not None))
            rates.append(count / (time.process_time() - begun))
    print(f"\n{files} files: {rates[0]:,.0f} a second on a copy of the schema, {rates[1]:,.0f} by the text alone")
    assert rates[0] > rates[1] / 4, "what the database is asked costs as a large schema does, and not as its square"
