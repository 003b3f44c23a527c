# ruff: noqa: E501 - a statement reads best on one line
"""Schemas of PostgreSQL with all that fires behind a write, and scripts made at random for each from a seed."""

from __future__ import annotations

import random
from collections.abc import Sequence

_FILL = "INSERT INTO a SELECT g, g % 4, 'v' || g FROM generate_series(1, 12) g;"
_PLAIN = (
    "UPDATE a SET x = {i} WHERE {w}",
    "UPDATE a SET x = x + 1, y = y || 'z' WHERE {w}",
    "DELETE FROM a WHERE {w}",
    "INSERT INTO a SELECT g + 100, {i}, {t} FROM generate_series(1, {i}) g",
    "INSERT INTO a VALUES (200, {i}, {t}), (201, NULL, NULL) RETURNING id",
    "WITH d AS (DELETE FROM a WHERE {w} RETURNING *) INSERT INTO a SELECT id + 1000, x, y FROM d",
    "WITH u AS (UPDATE a SET x = 0 WHERE {w} RETURNING id) SELECT count(*) FROM u",
    "MERGE INTO a USING (SELECT g id FROM generate_series(8, 8 + {i}) g) s ON a.id = s.id"
    " WHEN MATCHED AND a.x = 1 THEN DELETE WHEN MATCHED THEN UPDATE SET y = 'm'"
    " WHEN NOT MATCHED THEN INSERT VALUES (s.id, 9, 'new')",
    "UPDATE a SET y = b.y FROM a b WHERE b.id = a.id + 1 AND a.id < {i}",
    "UPDATE a SET x = x WHERE {w}",
)
_CONFLICT = (
    "INSERT INTO a VALUES ({i}, 5, {t}) ON CONFLICT DO NOTHING",
    "INSERT INTO a SELECT g, 6, 'c' FROM generate_series(10, 14) g ON CONFLICT (id) DO UPDATE SET y = excluded.y || a.y",
)
_KEY = ("UPDATE a SET id = id + 500 WHERE {w}",)

SCHEMAS: dict[str, tuple[str, Sequence[str]]] = {
    "int key": (f"CREATE TABLE a (id int PRIMARY KEY, x int, y text); {_FILL}", _PLAIN + _CONFLICT + _KEY),
    "no key": (f"CREATE TABLE a (id int, x int, y text); {_FILL} INSERT INTO a VALUES (1, 1, 'v1'), (1, 1, 'v1');", _PLAIN + _KEY),
    "unique, no key": (f"CREATE TABLE a (id int UNIQUE, x int, y text); {_FILL}", _PLAIN + _CONFLICT + _KEY),
    "two columns, reversed": (
        f"CREATE TABLE a (id int, x int, y text, PRIMARY KEY (y, id)); {_FILL}",
        ("UPDATE a SET x = {i} WHERE {w}", "DELETE FROM a WHERE {w}", "UPDATE a SET y = y || 'k' WHERE {w}",
         "INSERT INTO a VALUES (1, 1, {t}) ON CONFLICT DO NOTHING"),
    ),
    "deferrable key": (f"CREATE TABLE a (id int PRIMARY KEY DEFERRABLE INITIALLY DEFERRED, x int, y text); {_FILL}",
                       (*_PLAIN, "UPDATE a SET id = id + 1")),
    "text key": (
        "CREATE TABLE a (id text PRIMARY KEY, x int, y text); INSERT INTO a SELECT 'k' || g, g % 4, 'v' FROM generate_series(1, 12) g;",
        ("UPDATE a SET x = {i} WHERE x = {i} % 4", "DELETE FROM a WHERE x < {i} % 3",
         "INSERT INTO a VALUES ({t}, {i}, E'tab\\tnew\\nline\\\\ ''quote'' \\\\N é 日本') ON CONFLICT (id) DO UPDATE SET x = 7",
         "UPDATE a SET y = '' WHERE x = 1", "UPDATE a SET y = NULL WHERE x = 1", "UPDATE a SET id = upper(id) WHERE x = 2"),
    ),
    "uuid key": (
        "CREATE TABLE a (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), x int, y text);"
        " INSERT INTO a (x, y) SELECT g % 4, 'v' || g FROM generate_series(1, 12) g;",
        ("INSERT INTO a (x, y) SELECT g, {t} FROM generate_series(1, {i}) g", "UPDATE a SET x = {i} WHERE x = {i} % 4",
         "DELETE FROM a WHERE x = {i} % 4", "UPDATE a SET y = y || 'q' WHERE x > 1"),
    ),
    "float and time keys": (
        "CREATE TABLE a (f float8, at timestamptz, d date, PRIMARY KEY (f, at)); INSERT INTO a SELECT g / 3.0,"
        " '2024-01-01'::timestamptz + g * interval '1 day 1 hour', '2024-02-28'::date + g FROM generate_series(1, 12) g;",
        ("UPDATE a SET d = d + {i} WHERE f < {i}", "DELETE FROM a WHERE f > {i}", "UPDATE a SET at = at + interval '1 us'",
         "INSERT INTO a VALUES ('NaN', 'infinity', '0044-03-15 BC'), ('-Infinity', now(), current_date)"),
    ),
    "cascade": (
        f"""CREATE TABLE a (id int PRIMARY KEY, x int, y text); {_FILL}
        CREATE TABLE b (id int PRIMARY KEY, a_id int REFERENCES a ON DELETE CASCADE ON UPDATE CASCADE, z text);
        INSERT INTO b SELECT g, 1 + g % 12, 'z' FROM generate_series(1, 30) g;""",
        (*_PLAIN, *_KEY, "DELETE FROM b WHERE id % 3 = 1", "UPDATE b SET a_id = {i} WHERE id % 4 = 0"),
    ),
    "cascade twice, set null": (
        f"""CREATE TABLE a (id int PRIMARY KEY, x int, y text); {_FILL}
        CREATE TABLE b (id int PRIMARY KEY, a_id int REFERENCES a ON DELETE CASCADE);
        CREATE TABLE c (b_id int REFERENCES b ON DELETE CASCADE, a_id int REFERENCES a ON DELETE SET NULL ON UPDATE SET NULL);
        INSERT INTO b SELECT g, 1 + g % 12 FROM generate_series(1, 24) g;
        INSERT INTO c SELECT 1 + g % 24, 1 + g % 12 FROM generate_series(1, 40) g;""",
        (*_PLAIN[:3], "DELETE FROM a WHERE id = {i}", "DELETE FROM b WHERE id < {i}"),
    ),
    "set default": (
        f"""CREATE TABLE a (id int PRIMARY KEY, x int, y text); {_FILL}
        CREATE TABLE b (id serial PRIMARY KEY, a_id int DEFAULT 12 REFERENCES a ON DELETE SET DEFAULT ON UPDATE SET DEFAULT);
        INSERT INTO b (a_id) SELECT 1 + g % 12 FROM generate_series(1, 20) g;""",
        ("DELETE FROM a WHERE id = {i} AND id < 12", "UPDATE a SET id = id + 50 WHERE id = {i} AND id < 12",
         "INSERT INTO b DEFAULT VALUES", "INSERT INTO b (a_id) VALUES ({i}) RETURNING id"),
    ),
    "tree": (
        """CREATE TABLE a (id int PRIMARY KEY, x int REFERENCES a ON DELETE CASCADE, y text);
        INSERT INTO a SELECT g, nullif(g / 2, 0), 'n' FROM generate_series(1, 15) g;""",
        ("DELETE FROM a WHERE id = {i}", "UPDATE a SET x = NULL WHERE id = {i}", "INSERT INTO a VALUES (100, {i}, {t}), (101, 100, 'b')",
         "UPDATE a SET y = {t} WHERE {w}"),
    ),
    "circle, deferred": (
        """CREATE TABLE a (id int PRIMARY KEY, x int, y text); CREATE TABLE b (id int PRIMARY KEY, a_id int);
        INSERT INTO a SELECT g, g, 'a' FROM generate_series(1, 9) g; INSERT INTO b SELECT g, g FROM generate_series(1, 9) g;
        ALTER TABLE a ADD FOREIGN KEY (x) REFERENCES b DEFERRABLE INITIALLY DEFERRED;
        ALTER TABLE b ADD FOREIGN KEY (a_id) REFERENCES a ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED;""",
        ("WITH d AS (DELETE FROM b WHERE id = {i}) DELETE FROM a WHERE id = {i}", "UPDATE a SET x = 3 WHERE {w} AND id < 9",
         "WITH n AS (INSERT INTO a VALUES (50, 60, 'n')) INSERT INTO b VALUES (60, 50)"),
    ),
    "audit": (
        f"""CREATE TABLE a (id int PRIMARY KEY, x int, y text); CREATE TABLE log (at timestamptz DEFAULT clock_timestamp(), what text, old jsonb, new jsonb);
        CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
          INSERT INTO log (what, old, new) VALUES (TG_OP, to_jsonb(OLD), to_jsonb(NEW)); RETURN NULL; END $$;
        {_FILL} CREATE TRIGGER audited AFTER INSERT OR UPDATE OR DELETE ON a FOR EACH ROW EXECUTE FUNCTION audit();""",
        _PLAIN + _CONFLICT,
    ),
    "counter, statement trigger": (
        f"""CREATE TABLE a (id int PRIMARY KEY, x int, y text); CREATE TABLE n (k text PRIMARY KEY, rows int); INSERT INTO n VALUES ('a', 12);
        {_FILL} CREATE FUNCTION count_a() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
          UPDATE n SET rows = (SELECT count(*) FROM a); RETURN NULL; END $$;
        CREATE TRIGGER counted AFTER INSERT OR DELETE ON a EXECUTE FUNCTION count_a();""",
        _PLAIN + _CONFLICT,
    ),
    "touch before, swallowed errors": (
        """CREATE TABLE a (id int PRIMARY KEY, x int, y text, edits int DEFAULT 0, at timestamptz DEFAULT now());
        INSERT INTO a SELECT g, g % 4, 'v' || g FROM generate_series(1, 12) g;
        CREATE TABLE once (k int PRIMARY KEY);
        CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
          NEW.edits := OLD.edits + 1; NEW.at := clock_timestamp();
          BEGIN INSERT INTO once VALUES (NEW.x); EXCEPTION WHEN unique_violation THEN NULL; END;
          IF NEW.id = 3 THEN RETURN NULL; END IF; RETURN NEW; END $$;
        CREATE TRIGGER touched BEFORE UPDATE ON a FOR EACH ROW EXECUTE FUNCTION touch();""",
        ("UPDATE a SET x = {i} WHERE {w}", "UPDATE a SET y = {t} WHERE {w}", "DELETE FROM a WHERE {w}",
         "INSERT INTO a (id, x, y) VALUES (100 + {i}, 1, {t})"),
    ),
    "deferred constraint trigger": (
        f"""CREATE TABLE a (id int PRIMARY KEY, x int, y text); CREATE TABLE late (id int, sum bigint); {_FILL}
        CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
          INSERT INTO late SELECT NEW.id, sum(x) FROM a; RETURN NULL; END $$;
        CREATE CONSTRAINT TRIGGER later AFTER UPDATE ON a DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION late();""",
        _PLAIN,
    ),
    "rule also, rule instead": (
        f"""CREATE TABLE a (id int PRIMARY KEY, x int, y text); CREATE TABLE gone (id int, y text); {_FILL}
        CREATE RULE also AS ON DELETE TO a DO ALSO INSERT INTO gone VALUES (OLD.id, OLD.y);
        CREATE VIEW v AS SELECT id, x FROM a WHERE x < 3;
        CREATE RULE instead AS ON UPDATE TO v DO INSTEAD UPDATE a SET x = NEW.x, y = 'by rule' WHERE id = OLD.id;""",
        ("DELETE FROM a WHERE {w}", "UPDATE v SET x = {i} % 3 WHERE {w}", "UPDATE a SET x = {i} WHERE {w}", "INSERT INTO a VALUES (300, 1, {t})"),
    ),
    "view": (
        f"""CREATE TABLE a (id int PRIMARY KEY, x int, y text); {_FILL} CREATE VIEW v AS SELECT id, x FROM a WHERE x < 3;
        CREATE VIEW w AS SELECT id, y FROM a; CREATE FUNCTION w() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
          UPDATE a SET y = 'via w' WHERE id = OLD.id; RETURN OLD; END $$;
        CREATE TRIGGER instead INSTEAD OF DELETE ON w FOR EACH ROW EXECUTE FUNCTION w();""",
        ("UPDATE v SET x = 0 WHERE {w}", "DELETE FROM v WHERE {w}", "INSERT INTO v VALUES (400 + {i}, {i})", "DELETE FROM w WHERE {w}"),
    ),
    "partitions": (
        """CREATE TABLE a (id int, x int, y text, PRIMARY KEY (id, x)) PARTITION BY RANGE (x);
        CREATE TABLE a0 PARTITION OF a FOR VALUES FROM (MINVALUE) TO (2); CREATE TABLE a1 PARTITION OF a FOR VALUES FROM (2) TO (4);
        CREATE TABLE a2 (y text, id int NOT NULL, x int NOT NULL); ALTER TABLE a ATTACH PARTITION a2 DEFAULT;
        INSERT INTO a SELECT g, g % 6, 'v' || g FROM generate_series(1, 24) g;""",
        ("UPDATE a SET x = {i} % 6 WHERE {w}", "DELETE FROM a WHERE {w}", "UPDATE a SET y = {t} WHERE {w}", "INSERT INTO a VALUES (90, {i}, {t})",
         "INSERT INTO a VALUES (1, 1, {t}) ON CONFLICT (id, x) DO UPDATE SET y = 'c'", "UPDATE a1 SET y = 'leaf' WHERE {w}"),
    ),
    "partitions without a key": (
        """CREATE TABLE a (id int, x int, y text) PARTITION BY LIST (x);
        CREATE TABLE a0 PARTITION OF a FOR VALUES IN (0, 1) PARTITION BY HASH (id);
        CREATE TABLE a00 PARTITION OF a0 FOR VALUES WITH (MODULUS 2, REMAINDER 0); CREATE TABLE a01 PARTITION OF a0 FOR VALUES WITH (MODULUS 2, REMAINDER 1);
        CREATE TABLE a1 PARTITION OF a DEFAULT; INSERT INTO a SELECT g % 8, g % 4, 'v' FROM generate_series(1, 24) g;""",
        ("UPDATE a SET x = {i} % 5 WHERE {w}", "DELETE FROM a WHERE {w}", "UPDATE a SET id = id + 1 WHERE {w}", "INSERT INTO a VALUES (1, {i}, {t})"),
    ),
    "inheritance": (
        f"""CREATE TABLE a (id int PRIMARY KEY, x int, y text); CREATE TABLE b (more int DEFAULT 7, PRIMARY KEY (id)) INHERITS (a); {_FILL}
        INSERT INTO b SELECT g, g % 4, 'child', g FROM generate_series(5, 16) g;""",
        ("UPDATE a SET x = {i} WHERE {w}", "DELETE FROM a WHERE {w}", "UPDATE ONLY a SET y = {t} WHERE {w}", "INSERT INTO b (id, x) VALUES (77, 1)",
         "DELETE FROM b WHERE more > {i}"),
    ),
    "domains, arrays, json, ranges, enums": (
        """CREATE DOMAIN cents AS bigint CHECK (VALUE >= 0); CREATE TYPE mood AS ENUM ('sad', 'so so', 'glad'); CREATE TYPE pair AS (l int, r text);
        CREATE TABLE a (id int PRIMARY KEY, price cents DEFAULT 5, tags text[], doc jsonb, raw json, span int4range, spans datemultirange,
          m mood DEFAULT 'so so', moods mood[], p pair, bits bit varying(8), net inet, b bytea, money numeric(12,3), took interval, t tsvector);
        INSERT INTO a (id, price, tags, doc, span, m, p) SELECT g, g, ARRAY['a', NULL, 'c,d "q"'], jsonb_build_object('k', g), int4range(g, g + 5), 'sad', ROW(g, 'r')::pair
          FROM generate_series(1, 12) g;""",
        ("UPDATE a SET price = price + {i}, tags = tags || {t} WHERE {w}", "UPDATE a SET doc = doc || '{{\"n\": [1, {{\"z\": null}}]}}', m = 'glad' WHERE {w}",
         "UPDATE a SET span = '[1,{i}]', spans = '{{[2024-01-01,2024-02-01)}}', moods = '{{sad,\"so so\"}}' WHERE {w}",
         "UPDATE a SET p = ROW({i}, NULL), bits = B'101', net = '10.0.0.0/8', b = '\\x00ff', money = 1.5, took = '1 mon 2 days 03:04:05.678' WHERE {w}",
         "INSERT INTO a (id, raw, t) VALUES (60, '{{\"a\" : 1}}', 'fat cats'::tsvector) ON CONFLICT DO NOTHING", "DELETE FROM a WHERE m = 'sad' AND {w}"),
    ),
    "identity always, generated": (
        """CREATE TABLE a (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, x int, twice int GENERATED ALWAYS AS (x * 2) STORED, y text);
        INSERT INTO a (x, y) SELECT g % 4, 'v' || g FROM generate_series(1, 12) g;""",
        ("INSERT INTO a (x, y) SELECT {i}, {t} FROM generate_series(1, {i})", "UPDATE a SET x = {i} WHERE {w}", "DELETE FROM a WHERE {w}",
         "INSERT INTO a (id, x) OVERRIDING SYSTEM VALUE VALUES (900, {i})", "UPDATE a SET y = DEFAULT WHERE {w}"),
    ),
    "always, not the key": (
        """CREATE TABLE a (id int PRIMARY KEY, n int GENERATED ALWAYS AS IDENTITY, y text);
        INSERT INTO a (id, y) SELECT g, 'v' || g FROM generate_series(1, 12) g;""",
        ("UPDATE a SET n = DEFAULT WHERE {w}", "INSERT INTO a (id, y) VALUES (50, {t})", "UPDATE a SET y = {t} WHERE {w}", "DELETE FROM a WHERE {w}"),
    ),
    "odd names, exclusion": (
        """CREATE SCHEMA "My Schema"; CREATE TABLE "My Schema"."a%b" ("select" int PRIMARY KEY, "x""y" text, "100%" int,
          EXCLUDE USING btree ("100%" WITH =)); INSERT INTO "My Schema"."a%b" SELECT g, 'v', g FROM generate_series(1, 12) g;""",
        ("""UPDATE "My Schema"."a%b" SET "x""y" = {t} WHERE "select" < {i}""", """DELETE FROM "My Schema"."a%b" WHERE "100%" % 3 = 1""",
         """UPDATE "My Schema"."a%b" SET "100%" = "100%" + 100""", """INSERT INTO "My Schema"."a%b" VALUES (50 + {i}, 'n', 500)"""),
    ),
    "clocks, sequences, chance": (
        """CREATE SEQUENCE s; CREATE TABLE a (id bigint PRIMARY KEY DEFAULT nextval('s'), x int, y text, at timestamptz DEFAULT now(), r float8 DEFAULT random());
        CREATE TABLE b (a_id bigint REFERENCES a, at timestamptz DEFAULT clock_timestamp());
        INSERT INTO a (x, y) SELECT g % 4, 'v' || g FROM generate_series(1, 12) g;""",
        ("INSERT INTO a (x, y) SELECT g, {t} FROM generate_series(1, {i}) g", "UPDATE a SET r = random(), at = clock_timestamp() WHERE {w}",
         "WITH n AS (INSERT INTO a (x) VALUES (1), (2) RETURNING id) INSERT INTO b (a_id) SELECT id FROM n", "UPDATE a SET x = x + 1, y = now()::text WHERE {w}"),
    ),
    "large values": (
        """CREATE TABLE a (id int PRIMARY KEY, x int, y text); INSERT INTO a SELECT g, g % 4, (SELECT string_agg(md5((g * 1000 + i)::text), '')
          FROM generate_series(1, 400) i) FROM generate_series(1, 12) g;""",
        ("UPDATE a SET y = y || 'z' WHERE {w}", "UPDATE a SET x = {i} WHERE {w}", "DELETE FROM a WHERE {w}"),
    ),
    "unlogged": (f"CREATE UNLOGGED TABLE a (id int PRIMARY KEY, x int, y text); {_FILL}", _PLAIN + _CONFLICT),
}  # fmt: skip


def a_script(rng: random.Random, templates: Sequence[str]) -> list[str]:
    """One to three statements."""
    return [_filled(rng, rng.choice(templates)) for _ in range(rng.choice((1, 1, 1, 2, 3)))]


def _filled(rng: random.Random, template: str) -> str:
    number = rng.randint(1, 12)
    where = rng.choice((f"id = {number}", f"id < {number}", f"id % 3 = {number % 3}", "true", f"id IN ({number}, 3)"))
    text = rng.choice(("'t'", "'it''s'", "NULL", "''", "'longer text'"))
    return template.format(i=number, w=where, t=text)
