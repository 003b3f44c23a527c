"""`measure.rows` and `measure.scan_bytes`: how far a preview on a server goes, by database."""

from __future__ import annotations

import pytest
from config_folders import Folders

from sqlagent.config.kinds import SIZE
from sqlagent.core.errors import ConfigError

HEAD = "[databases.shop]\nurl = 'postgresql://ana@db/shop'\n"


@pytest.mark.parametrize(
    "text",
    [
        HEAD + "measure.rows = 5000\nmeasure.scan_bytes = '20 GB'\n",
        HEAD + "measure = { rows = 5000, scan_bytes = 20000000000 }\n",
        HEAD + "[databases.shop.measure]\nrows = 5000\nscan_bytes = '20gb'\n",
    ],
)
def test_it_is_set_however_toml_spells_it(folders: Folders, text: str) -> None:
    folders.user(text)
    shop = folders.load({"database": "shop"}).database

    assert (shop.measure_rows, shop.measure_scan_bytes) == (5000, 20_000_000_000)


def test_nobody_says_is_100_000_rows_and_2_gb(folders: Folders) -> None:
    folders.user(HEAD)
    shop = folders.load({"database": "shop"}).database

    assert (shop.measure_rows, SIZE.show(shop.measure_scan_bytes)) == (100_000, "2 GB")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("measure.rows = 0", "databases.shop.measure.rows must be a number of rows, not 0"),
        ("measure.rows = -1", "must be a number of rows"),
        ("measure.rows = true", "must be a number of rows, not True"),
        ("measure.scan_bytes = '2 parsecs'", "databases.shop.measure.scan_bytes is not a size: 2 parsecs"),
        ("measure.scan_bytes = -5", "must be a size, not -5"),
        ("measure.row = 5", "no setting named databases.shop.measure.row"),
        ("measure = 5", "no setting named databases.shop.measure"),
    ],
)
def test_what_is_no_number_is_said_with_its_place(folders: Folders, line: str, words: str) -> None:
    folders.user(f"{HEAD}{line}\n")
    with pytest.raises(ConfigError, match=words) as refused:
        folders.load({"database": "shop"})

    assert refused.value.hint


def test_a_project_may_only_lower_it(folders: Folders) -> None:
    folders.user(HEAD)
    folders.project("[databases.shop]\nmeasure.rows = 10\n")
    assert folders.load({"database": "shop"}).database.measure_rows == 10
    folders.project("[databases.shop]\nmeasure.rows = 100000000\n")
    with pytest.raises(ConfigError, match="may only be lowered by a project's file"):
        folders.load({"database": "shop"})


@pytest.mark.parametrize(
    ("size", "said"), [(2_000_000_000, "2 GB"), (1_500_000, "1.5 MB"), (1234, "1234"), (0, "0"), (10**12, "1 TB")]
)
def test_a_size_is_shown_as_a_person_writes_it_and_reads_back(size: int, said: str) -> None:
    assert SIZE.show(size) == said
    assert SIZE.read(said) == size
