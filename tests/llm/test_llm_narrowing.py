"""Large schemas: the right tables stay, with what joins them, and the prompt is short."""

from __future__ import annotations

import pytest

from sqlagent.core.errors import UsageError
from sqlagent.core.nouns.draft import Column, Schema, Table
from sqlagent.llm.narrowing import Room, narrowed, only
from sqlagent.llm.prompt import messages, schema_text

AREAS = "sales stock staff fleet legal media clinic school bank press lab farm port rail club".split()
THINGS = (
    "order invoice ticket visit order_line customer supplier product warehouse employee payment contract vehicle "
    "driver shift course student grade patient doctor"
).split()
ROOM = Room(17_000, 3_600)


def wide(name: str, *references: str, comment: str = "") -> Table:
    """Twelve columns, as tables have them."""
    keys = tuple(Column(f"{r.split('_')[-1]}_id", "INTEGER", references=f"{r}.id") for r in references)
    plain = "status amount note created_by created_at region kind code label score".split()
    filler = tuple(Column(each, "TEXT") for each in plain[: 11 - len(keys)])
    return Table(name, (Column("id", "INTEGER", primary_key=True), *keys, *filler), comment=comment)


def large(count: int = 300) -> Schema:
    names = [f"{area}_{thing}" for area in AREAS for thing in THINGS]
    tables = {name: wide(name) for name in (names * (count // len(names) + 1))[:count]}
    tables |= {f"{name}_{number}": wide(f"{name}_{number}") for number in range(2, 2 + count // 300)
               for name in names if len(tables) < count}  # fmt: skip
    for area in AREAS:
        for child, parents in {"order": ("customer",), "order_line": ("order", "product"), "shift": ("employee",),
                               "grade": ("student", "course"), "visit": ("patient", "doctor")}.items():  # fmt: skip
            tables[f"{area}_{child}"] = wide(f"{area}_{child}", *(f"{area}_{p}" for p in parents))
    return Schema("sqlite", "", tuple(tables.values()))


def names(schema: Schema) -> set[str]:
    return {table.name for table in schema.tables}


@pytest.mark.parametrize(
    ("question", "wanted"),
    [
        ("how many sales orders are there per sales customer", {"sales_order", "sales_customer"}),
        ("shifts of the fleet employees", {"fleet_shift", "fleet_employee"}),
        ("the average grade of school students", {"school_grade", "school_student"}),
        ("unpaid press invoices", {"press_invoice"}),
        ("which rail vehicle has the highest score", {"rail_vehicle"}),
    ],
)
def test_the_right_table_is_among_the_few_that_stay(question: str, wanted: set[str]) -> None:
    schema = large()
    assert len(schema.tables) == 300
    kept = narrowed(schema, question, ROOM)
    assert wanted <= names(kept)
    assert len(kept.tables) < 30
    assert len(schema_text(kept)) < 1.3 * ROOM.part


def test_what_joins_the_chosen_tables_stays_with_them() -> None:
    kept = names(narrowed(large(), "which sales product did each sales customer buy", ROOM))
    assert {"sales_product", "sales_customer"} <= kept
    assert "sales_order_line" in kept
    assert "sales_order" in kept


def test_a_comment_leads_to_its_table() -> None:
    schema = large()
    told = Schema("sqlite", "", (*schema.tables, wide("zx81", comment="kennels of the dogs in our care")))
    assert "zx81" in names(narrowed(told, "how many kennels are free", ROOM))


def test_what_was_approved_for_a_question_like_it_leads_to_its_tables() -> None:
    sql = 'SELECT count(*) FROM "port_contract"'
    assert "port_contract" not in names(narrowed(large(), "how much is open", ROOM))
    assert "port_contract" in names(narrowed(large(), "how much is open", ROOM, sql=[sql]))


def test_the_tables_of_this_conversation_stay() -> None:
    kept = narrowed(large(), "and the lab students", ROOM, kept=["SELECT * FROM farm_driver", "not SQL"])
    assert {"farm_driver", "lab_student"} <= names(kept)


def test_a_schema_that_fits_is_left_alone() -> None:
    schema = Schema("sqlite", "", large().tables[:20])
    assert narrowed(schema, "orders", ROOM) is schema


def test_no_word_that_leads_anywhere_leaves_the_tables_that_most_refer_to() -> None:
    kept = narrowed(large(), "zzz", ROOM)
    assert 1 <= len(kept.tables) < 30


def test_one_table_larger_than_the_room_is_still_there() -> None:
    huge = Table("measurements", tuple(Column(f"channel_{n}", "REAL") for n in range(900)))
    kept = narrowed(Schema("sqlite", "", (*large().tables, huge)), "measurements of today", ROOM)
    assert "measurements" in names(kept)


def test_named_tables_are_the_only_ones_and_a_wrong_name_gets_the_right_one() -> None:
    assert names(only(large(), ["Sales_Order", "bank_grade"])) == {"sales_order", "bank_grade"}
    with pytest.raises(UsageError, match="no table sales_oder") as caught:
        only(large(), ["sales_oder"])
    assert "sales_order" in caught.value.hint


def test_three_thousand_tables_are_a_prompt_of_the_same_size() -> None:
    schema = large(3000)
    assert len(schema.tables) >= 3000
    (_, system), *_ = messages("unpaid press invoices", schema, budget=ROOM)
    assert "press_invoice" in system
    assert len(system) < 7_000
