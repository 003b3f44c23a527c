"""What a preview on PostgreSQL cannot tell, and the words in which it says so; what it counts where it may not read."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest
from postgres_server import Pg
from postgres_writes import Target, dump

from sqlagent.core.nouns.effect import Undoable
from sqlagent.core.nouns.verbs import Basis, Verb
from sqlagent.databases.base import EffectDiffers, MeasureBudget
from sqlagent.databases.open import open_database
from sqlagent.databases.postgres.run.binding import Binding

SHOP = """
CREATE TABLE customers (id int PRIMARY KEY, name text);
CREATE TABLE orders (id int PRIMARY KEY, customer int REFERENCES customers ON DELETE CASCADE, total int);
CREATE TABLE secret (what text, id int);
CREATE TABLE other (id int PRIMARY KEY);
CREATE FUNCTION tell() RETURNS trigger SECURITY DEFINER LANGUAGE plpgsql AS
  $$ BEGIN INSERT INTO secret VALUES (TG_OP, OLD.id); RETURN NULL; END $$;
CREATE TRIGGER told AFTER UPDATE OR DELETE ON orders FOR EACH ROW EXECUTE FUNCTION tell();
CREATE FUNCTION sync_crm() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN PERFORM dblink_exec('host=crm', 'DELETE FROM x'); RETURN NULL; END $$;
CREATE TRIGGER synced AFTER UPDATE ON other FOR EACH ROW EXECUTE FUNCTION sync_crm();
INSERT INTO customers SELECT g, 'c' || g FROM generate_series(1, 9) g;
INSERT INTO orders SELECT g, 1 + g % 9, g FROM generate_series(1, 90) g;
INSERT INTO other SELECT generate_series(1, 5);
CREATE SEQUENCE s;
"""


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("VACUUM orders", "it cannot be in a transaction, so it can be neither measured nor taken back"),
        ("CREATE INDEX CONCURRENTLY i ON orders (total)", "it cannot be in a transaction"),
        ("UPDATE other SET id = id + 10", "a trigger of other calls sync_crm(), which may reach outside the database"),
        ("SELECT setval('s', 5)", "setval is not taken back by a rollback"),
        ("SELECT pg_advisory_lock(1)", "pg_advisory_lock is not taken back by a rollback"),
        ("SELECT lo_create(0)", "it changes large objects, which is not measured"),
        ("CREATE TEMP TABLE x (a int)", "it changes the temporary table x, which is not measured"),
        ("CREATE ROLE somebody_new", "it changes what is kept in pg_authid, which is not measured"),
        ("UPDATE orders SET nothing = 1", 'it would fail: column "nothing" of relation "orders" does not exist'),
        ("DELETE FROM orders WHERE id = (SELECT id FROM orders ORDER BY random() LIMIT 1)",
         "which rows it changes depends on chance"),
        ("ROLLBACK", "it would fail: it would end the transaction"),
        ("COPY orders FROM STDIN", "it would fail: COPY from or to the client is no statement of a script"),
    ],
)  # fmt: skip
def test_what_cannot_be_measured_says_why_and_leaves_no_trace(pg_of: Callable[[str], Pg], sql: str, why: str) -> None:
    target = Target(pg_of(SHOP).url)
    with target.plain() as db:
        before = dump(db)
        measured = target.measure([sql])
        assert dump(db) == before

    assert measured.how.startswith(why)
    assert not measured.is_exact
    assert measured.effects[0].basis is Basis.UNKNOWN


def test_budgets_are_said_with_their_bounds(pg_of: Callable[[str], Pg]) -> None:
    target, sql = Target(pg_of(SHOP).url), ["UPDATE customers SET name = 'x'"]
    with target.plain() as db:
        db.execute("ANALYZE")

    def how(budget: MeasureBudget) -> str:
        return target.measure(sql, budget).how

    assert how(MeasureBudget(rows=5)) == "it would change about 9 rows (estimated; measure.rows 5)"
    assert how(MeasureBudget(changes_bytes=10)) == "past 1e-05 MB of changes"
    slow = target.measure(["UPDATE customers SET name = pg_sleep(30)::text"], MeasureBudget(seconds=0.5))
    assert slow.how == "past 0.5 s"


def test_a_table_too_large_to_scan_is_counted_and_binds_by_its_number(pg_of: Callable[[str], Pg]) -> None:
    target, sql = Target(pg_of(SHOP).url), ["UPDATE customers SET name = 'x' WHERE id <= 3"]
    measured = target.measure(sql, MeasureBudget(seconds=30, lock_seconds=5, scan_bytes=100))

    assert measured.effects[0].basis is Basis.COUNTED
    assert "measure.scan_bytes" in measured.effects[0].why
    assert [(t.table, t.verb, t.rows) for t in measured.effects[0].touched] == [("customers", Verb.UPDATE, 3)]
    assert measured.undo is Undoable.NONE


@pytest.fixture
def as_app(pg_of: Callable[[str], Pg]) -> Target:
    """A role that may write what it needs, and not read what a trigger writes."""
    pg = pg_of(SHOP)
    role = f"app_{pg.name}"
    pg.run(f"CREATE ROLE {role} LOGIN; GRANT ALL ON orders, customers TO {role}")
    return Target(pg.as_role(role))


def test_rows_that_the_role_may_not_read_are_counted_and_bind(as_app: Target) -> None:
    sql = ["UPDATE orders SET total = 0 WHERE customer = 2"]
    measured = as_app.measure(sql)

    shown = {(t.table, t.verb): t.rows for t in measured.effects[0].touched}
    assert shown == {("orders", Verb.UPDATE): 10, ("secret", Verb.INSERT): 10}
    assert measured.effects[0].why == (
        "secret was counted, and is not shown: this role may not read every row of public.secret"
    )
    assert (measured.undo, "secret" in measured.undo_why) == (Undoable.NONE, True)
    as_app.apply(sql, measured)
    with pytest.raises(EffectDiffers):
        as_app.apply(["UPDATE orders SET total = 0 WHERE customer IN (2, 3)"], measured)


def test_a_trigger_that_the_role_cannot_turn_off_is_known_to_forbid_an_undo(pg_of: Callable[[str], Pg]) -> None:
    pg = pg_of(SHOP)
    role = f"app_{pg.name}"
    pg.run(f"CREATE ROLE {role} LOGIN; GRANT ALL ON orders, customers, secret TO {role}")
    sql = ["UPDATE orders SET total = 0 WHERE id = 2"]
    theirs, owner = Target(pg.as_role(role)).measure(sql), Target(pg.url).measure(sql)

    assert (theirs.undo, theirs.undo_why) == (
        Undoable.NONE, "taking it back would change more: a trigger or a foreign key writes secret"
    )  # fmt: skip
    assert (owner.undo, owner.undo_why) == (Undoable.EXACT, "")


def test_a_trigger_that_writes_nothing_forbids_no_undo(pg_of: Callable[[str], Pg]) -> None:
    """It fires while the rows are put back, and finds its tables by the role's own search_path."""
    pg = pg_of(SHOP)
    role = f"app_{pg.name}"
    pg.run(f"""CREATE FUNCTION check_it() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN IF NEW.id NOT IN (SELECT id FROM customers) THEN RAISE 'gone'; END IF; RETURN NEW; END $$;
      CREATE TRIGGER checked BEFORE UPDATE ON customers FOR EACH ROW EXECUTE FUNCTION check_it();
      CREATE ROLE {role} LOGIN; GRANT ALL ON customers TO {role}""")
    target, sql = Target(pg.as_role(role)), ["UPDATE customers SET name = 'x' WHERE id = 2"]
    measured = target.measure(sql)
    assert (measured.undo, measured.undo_why) == (Undoable.EXACT, "")
    target.apply(sql, measured)
    target.undo(target.kept)

    assert pg.rows("SELECT name FROM customers WHERE id = 2") == [("c2",)]


def test_causes_are_named(pg_of: Callable[[str], Pg]) -> None:
    measured = Target(pg_of(SHOP).url).measure(["DELETE FROM customers WHERE id = 2"])

    assert [(t.table, t.rows, t.of, t.via) for t in measured.effects[0].touched] == [
        ("customers", 1, 9, ""), ("orders", 10, 90, "foreign key of customers"), ("secret", 10, 0, "trigger told"),
    ]  # fmt: skip


def test_without_the_servers_counts_the_locks_tell_what_was_written(pg_of: Callable[[str], Pg]) -> None:
    pg = pg_of(SHOP)
    pg.run(f"ALTER DATABASE {pg.name} SET track_counts = off")
    measured = Target(pg.url).measure(["DELETE FROM customers WHERE id = 2"])

    assert measured.changes == 21


def test_changes_are_tried_on_a_clone_where_one_is_named(pg_of: Callable[[str], Pg]) -> None:
    shop, clone = pg_of(SHOP), pg_of(SHOP)
    database = open_database(shop.url, name="shop", measure_url=clone.url)
    sql = ["UPDATE customers SET name = 'x' WHERE id <= 3"]
    with psycopg.connect(shop.url) as holding:
        holding.execute("LOCK TABLE customers")  # nobody can preview on the database itself
        measured = database.measure(sql, budget=MeasureBudget(), heard=None)
    database.close()

    assert measured.is_exact
    Target(shop.url).apply(sql, measured)
    assert shop.rows("SELECT count(*) FROM customers WHERE name = 'x'") == [(3,)]
    assert clone.rows("SELECT count(*) FROM customers WHERE name = 'x'") == [(0,)]
    assert Binding(measured, None).is_read_out
