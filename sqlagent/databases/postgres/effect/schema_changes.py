"""What a script does to the schema: every object that gives SQL its meaning, before and after."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from sqlagent.core.nouns.effect import ObjectChange
from sqlagent.core.nouns.verbs import Verb
from sqlagent.databases.postgres.connection.rows import Session, raw


@dataclass(frozen=True, slots=True)
class Object:
    """One object of a schema."""

    kind: str
    """`table`, `column`, `view`, `index`, `trigger`, ..."""
    name: str
    """With its schema, and that of a part with its table: it can stand in SQL after the kind."""
    part: str
    """Of a column, constraint, trigger, rule or policy its own name, quoted; else empty."""
    text: str
    """Its definition."""
    oid: int
    """Of the object, of a part that of its table; a renamed one keeps it."""
    number: int = 0
    """Of a column."""
    extra: str = ""
    """What else counts, as `facets` has it: owner, privileges, settings, place among the columns."""
    comment: str = ""

    @property
    def facets(self) -> dict[str, str]:
        """What else counts, by name: `owner`, `acl`, `options`, ..."""
        return dict(each.split("=", 1) for each in self.extra.split("\x1f") if each)

    @property
    def wherever(self) -> Object:
        """The same without its place: a column that is made again stands behind all others."""
        kept = (each for each in self.extra.split("\x1f") if not each.startswith("place="))
        return replace(self, extra="\x1f".join(kept))

    @property
    def is_inherited(self) -> bool:
        """It comes and goes with a part of another table: of the whole that its own is a partition or a child of."""
        return self.facets.get("inherited") == "t"


Key = tuple[str, str, str]
Objects = dict[Key, Object]


_HERE = "NOT IN ('pg_catalog'::regnamespace, 'pg_toast'::regnamespace, 'information_schema'::regnamespace)"


def _facets(**sql: str) -> str:
    """SQL that writes what else counts of an object, each by its name; what is NULL is left out."""
    return "concat_ws(E'\\x1f', " + ", ".join(f"'{name}=' || ({value})::text" for name, value in sql.items()) + ")"


def _privileges(acl: str, default: str = "") -> str:
    """SQL that writes who may do what, the owner's own rights too, in one order."""
    given = f"coalesce({acl}, {default})" if default else acl
    return _PRIVILEGES.replace("GIVEN", given)


_PRIVILEGES = r"""
SELECT string_agg(concat_ws(E'\x1d', CASE WHEN x.grantee = 0 THEN 'PUBLIC' ELSE x.grantee::regrole::text END,
  x.privilege_type, x.is_grantable::text, x.grantor::regrole::text), E'\x1e'
  ORDER BY x.grantee, x.privilege_type, x.grantor) FROM aclexplode(GIVEN) x"""
_OF_RELATION = _facets(
    persistence="c.relpersistence", security="c.relrowsecurity", forced="c.relforcerowsecurity",
    identity="c.relreplident", options="array_to_string(c.reloptions, E'\\x1e')", owner="c.relowner::regrole",
    toast="(SELECT array_to_string(x.reloptions, E'\\x1e') FROM pg_class x WHERE x.oid = c.reltoastrelid)",
    clustered="(SELECT 't' FROM pg_index i WHERE i.indexrelid = c.oid AND i.indisclustered)",
    owned="(SELECT d.refobjid::regclass || '.' || quote_ident(b.attname) FROM pg_depend d JOIN pg_attribute b"
    " ON (b.attrelid, b.attnum) = (d.refobjid, d.refobjsubid) WHERE c.relkind = 'S' AND d.objid = c.oid"
    " AND d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.deptype = 'a')",
    inherited="CASE WHEN c.relkind IN ('i', 'I') AND c.relispartition THEN 't' END",
    acl=_privileges("c.relacl", "acldefault(CASE c.relkind WHEN 'S' THEN 's'::\"char\" ELSE 'r' END, c.relowner)"),
)  # fmt: skip
_OF_COLUMN = _facets(
    place="(SELECT count(*) FROM pg_attribute b WHERE b.attrelid = a.attrelid AND b.attnum BETWEEN 1 AND a.attnum"
    " AND NOT b.attisdropped)",
    options="array_to_string(a.attoptions, E'\\x1e')", storage="a.attstorage", statistics="a.attstattarget",
    compression="nullif(a.attcompression, '')",
    inherited="CASE WHEN a.attinhcount > 0 AND NOT a.attislocal THEN 't' END", acl=_privileges("a.attacl"),
)  # fmt: skip
_OF_FUNCTION = _facets(owner="p.proowner::regrole", acl=_privileges("p.proacl", "acldefault('f', p.proowner)"))
_OF_TYPE = _facets(owner="t.typowner::regrole", acl=_privileges("t.typacl", "acldefault('T', t.typowner)"))
_OF_SCHEMA = _facets(owner="n.nspowner::regrole", acl=_privileges("n.nspacl", "acldefault('n', n.nspowner)"))
_OBJECTS = f"""
SELECT CASE c.relkind WHEN 'r' THEN 'table' WHEN 'p' THEN 'table' WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view'
    WHEN 'i' THEN 'index' WHEN 'I' THEN 'index' WHEN 'S' THEN 'sequence' WHEN 'f' THEN 'foreign table' ELSE 'type' END,
  c.oid::regclass::text, '',
  CASE WHEN c.relkind IN ('v', 'm') THEN pg_get_viewdef(c.oid) WHEN c.relkind IN ('i', 'I')
    THEN pg_get_indexdef(c.oid) WHEN c.relkind = 'S' THEN (SELECT concat_ws(' ', format_type(q.seqtypid, NULL),
      q.seqstart, q.seqincrement, q.seqmax, q.seqmin, q.seqcycle) FROM pg_sequence q WHERE q.seqrelid = c.oid)
    ELSE concat_ws(E'\x1f', c.relkind, 'PARTITION BY ' || pg_get_partkeydef(c.oid),
      (SELECT CASE WHEN c.relispartition THEN 'PARTITION OF ' ELSE 'INHERITS ' END
        || string_agg(h.inhparent::regclass::text, ', ' ORDER BY h.inhseqno) FROM pg_inherits h
       WHERE h.inhrelid = c.oid), pg_get_expr(c.relpartbound, c.oid)) END,
  c.oid, 0, {_OF_RELATION}, obj_description(c.oid, 'pg_class')
FROM pg_class c WHERE c.relnamespace {_HERE} AND c.relkind IN ('r', 'p', 'v', 'm', 'i', 'I', 'S', 'f', 'c')
  AND c.relnamespace::regnamespace::text !~ '^pg_(temp|toast)'
UNION ALL SELECT 'column', a.attrelid::regclass::text, quote_ident(a.attname),
  concat_ws(E'\x1f', format_type(a.atttypid, a.atttypmod) || CASE WHEN a.attcollation <> y.typcollation
      THEN ' COLLATE ' || a.attcollation::regcollation::text ELSE '' END,
    CASE WHEN a.attgenerated <> '' THEN 'GENERATED ALWAYS AS (' || pg_get_expr(d.adbin, d.adrelid) || ') '
      || CASE a.attgenerated WHEN 's' THEN 'STORED' ELSE 'VIRTUAL' END
    WHEN a.attidentity = 'a' THEN 'GENERATED ALWAYS AS IDENTITY'
    WHEN a.attidentity = 'd' THEN 'GENERATED BY DEFAULT AS IDENTITY'
    WHEN d.adbin IS NOT NULL THEN 'DEFAULT ' || pg_get_expr(d.adbin, d.adrelid) END,
    CASE WHEN a.attnotnull THEN 'NOT NULL' END),
  a.attrelid, a.attnum, {_OF_COLUMN}, col_description(a.attrelid, a.attnum)
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_type y ON y.oid = a.atttypid
LEFT JOIN pg_attrdef d ON (d.adrelid, d.adnum) = (a.attrelid, a.attnum)
WHERE c.relnamespace {_HERE} AND c.relkind IN ('r', 'p', 'f', 'v', 'm', 'c') AND a.attnum > 0 AND NOT a.attisdropped
UNION ALL SELECT 'trigger', t.tgrelid::regclass::text, quote_ident(t.tgname), pg_get_triggerdef(t.oid), t.tgrelid, 0,
  {_facets(enabled="t.tgenabled", inherited="CASE WHEN t.tgparentid <> 0 THEN 't' END")},
  obj_description(t.oid, 'pg_trigger')
FROM pg_trigger t WHERE NOT t.tgisinternal
UNION ALL SELECT 'constraint', k.conrelid::regclass::text, quote_ident(k.conname), pg_get_constraintdef(k.oid),
  k.conrelid, 0, {_facets(inherited="CASE WHEN k.coninhcount > 0 AND NOT k.conislocal THEN 't' END")},
  obj_description(k.oid, 'pg_constraint')
FROM pg_constraint k WHERE k.conrelid <> 0 AND k.connamespace {_HERE} AND k.contype <> 'n' AND k.contype <> 't'
UNION ALL SELECT 'rule', r.ev_class::regclass::text, quote_ident(r.rulename), pg_get_ruledef(r.oid), r.ev_class, 0,
  {_facets(enabled="r.ev_enabled")}, obj_description(r.oid, 'pg_rewrite')
FROM pg_rewrite r WHERE r.rulename <> '_RETURN' AND r.ev_class >= 16384
UNION ALL SELECT CASE p.prokind WHEN 'p' THEN 'procedure' WHEN 'a' THEN 'aggregate' ELSE 'function' END,
  p.oid::regprocedure::text, '',
  CASE WHEN p.prokind = 'a' THEN 'aggregate' ELSE pg_get_functiondef(p.oid) END, p.oid, 0,
  {_OF_FUNCTION}, obj_description(p.oid, 'pg_proc')
FROM pg_proc p WHERE p.oid >= 16384 AND p.pronamespace {_HERE}
UNION ALL SELECT 'policy', y.polrelid::regclass::text, quote_ident(y.polname),
  concat(CASE WHEN y.polpermissive THEN 'AS PERMISSIVE' ELSE 'AS RESTRICTIVE' END, ' FOR ',
    CASE y.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE'
      ELSE 'ALL' END, ' TO ',
    (SELECT string_agg(CASE WHEN o.role = 0 THEN 'PUBLIC' ELSE o.role::regrole::text END, ', ' ORDER BY o.role)
     FROM unnest(y.polroles) o (role)),
    ' USING (' || pg_get_expr(y.polqual, y.polrelid) || ')',
    ' WITH CHECK (' || pg_get_expr(y.polwithcheck, y.polrelid) || ')'),
  y.polrelid, 0, '', obj_description(y.oid, 'pg_policy')
FROM pg_policy y
UNION ALL SELECT CASE t.typtype WHEN 'd' THEN 'domain' ELSE 'type' END, t.oid::regtype::text, '',
  CASE t.typtype WHEN 'd' THEN concat_ws(' ', format_type(t.typbasetype, t.typtypmod),
    CASE WHEN t.typcollation <> b.typcollation THEN 'COLLATE ' || t.typcollation::regcollation::text END,
    'DEFAULT ' || t.typdefault, CASE WHEN t.typnotnull THEN 'NOT NULL' END,
    (SELECT string_agg('CONSTRAINT ' || quote_ident(k.conname) || ' ' || pg_get_constraintdef(k.oid), ' '
       ORDER BY k.conname) FROM pg_constraint k WHERE k.contypid = t.oid AND k.contype <> 'n'))
  ELSE (SELECT string_agg(quote_literal(e.enumlabel), ', ' ORDER BY e.enumsortorder) FROM pg_enum e
        WHERE e.enumtypid = t.oid) END, t.oid, 0, {_OF_TYPE}, obj_description(t.oid, 'pg_type')
FROM pg_type t LEFT JOIN pg_type b ON b.oid = t.typbasetype
WHERE t.typnamespace {_HERE} AND t.typtype IN ('d', 'e', 'r')
UNION ALL SELECT 'schema', n.oid::regnamespace::text, '', '', n.oid, 0, {_OF_SCHEMA},
  obj_description(n.oid, 'pg_namespace')
FROM pg_namespace n WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
UNION ALL SELECT 'extension', quote_ident(x.extname), '', x.extversion, x.oid, 0, '', NULL FROM pg_extension x
ORDER BY 1, 2, 3"""  # noqa: S608 - our own text


def objects(session: Session) -> Objects:
    """Every object of the schema; to be asked within `steady`, which makes all names whole.

    It waits for tables that another session keeps everybody from.
    """
    found = {}
    for kind, name, part, text, oid, number, *rest in raw(session, _OBJECTS):
        extra, comment = (value or "" for value in rest)
        each = Object(str(kind), str(name), part or "", text or "", int(oid or 0), int(number or 0), extra, comment)
        found[each.kind, each.name, each.part] = each
    return found


@dataclass(frozen=True, slots=True)
class SchemaChange:
    """The objects that a script dropped, made or altered: as they were before, and as they are after."""

    before: tuple[Object, ...] = ()
    after: tuple[Object, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.before or self.after)

    def texts(self) -> Iterator[str]:
        """The change as texts for a fingerprint, without numbers that differ from run to run."""
        for side, listed in (("before", self.before), ("after", self.after)):
            for o in listed:
                yield repr((side, o.kind, o.name, o.part, o.text, o.extra, o.comment))


def compared(before: Objects, after: Objects) -> SchemaChange:
    """The objects that differ between two states of a schema, in a fixed order."""
    keys = sorted(k for k in before.keys() | after.keys() if _seen(before.get(k)) != _seen(after.get(k)))
    return SchemaChange(tuple(before[k] for k in keys if k in before), tuple(after[k] for k in keys if k in after))


def _seen(o: Object | None) -> tuple[str, str, str] | None:
    return None if o is None else (o.text, o.extra, o.comment)


_OWN = frozenset({"trigger", "rule", "policy"})
"""Parts that are shown by their own names; a column or a constraint alters its table."""


def object_changes(change: SchemaChange, names: Mapping[int, str], rows: Mapping[int, int]) -> Iterator[ObjectChange]:
    """What was created, altered and dropped, as a person reads it; `rows` go or come with a table."""
    before, after = ({(o.kind, o.name): o for o in side if not o.part} for side in (change.before, change.after))
    renamed = {o.oid for o in before.values()} & {o.oid for o in after.values()}
    told: set[str] = set()
    for (kind, name), o in before.items():
        if o.oid in renamed:
            new = next(each for each in after.values() if each.oid == o.oid)
            said = _said(name) if new.name == name else f"{_said(name)} -> {_said(new.name)}"
            told |= {name, new.name}
            yield ObjectChange(Verb.ALTER, kind, said, None)
        elif not _is_part_of(o, change.before):
            told.add(name)
            yield ObjectChange(Verb.DROP, kind, names.get(o.oid, _said(name)), rows.get(o.oid))
    for (kind, name), o in after.items():
        if o.oid not in renamed and not _is_part_of(o, change.after):
            told.add(name)
            yield ObjectChange(Verb.CREATE, kind, names.get(o.oid, _said(name)), rows.get(o.oid))
    yield from _parts(change, told)


def _parts(change: SchemaChange, told: set[str]) -> Iterator[ObjectChange]:
    altered: set[str] = set()
    before, after = ({(o.kind, o.name, o.part): o for o in side if o.part} for side in (change.before, change.after))
    for key in dict.fromkeys([*before, *after]):
        kind, name, part = key
        if name in told:
            continue
        if kind in _OWN:
            verb = Verb.CREATE if key not in before else Verb.DROP if key not in after else Verb.ALTER
            yield ObjectChange(verb, kind, _said(part), None)
        elif name not in altered:
            altered.add(name)
            yield ObjectChange(Verb.ALTER, "table", _said(name), None)


def _is_part_of(o: Object, listed: Iterable[Object]) -> bool:
    """An index of a constraint and the sequence of an identity come and go with their table."""
    tables = [each for each in listed if each.kind == "table"]
    if o.kind == "sequence":
        return any(o.name.startswith(f"{t.name}_") and o.name.endswith("_seq") for t in tables)
    return o.kind == "index" and any(f" ON {t.name} " in o.text for t in tables)


def _said(name: str) -> str:
    """Without the schema that everybody means, and without quotes that only SQL needs."""
    short = name.removeprefix("public.")
    inner = short[1:-1]
    return inner if short.startswith('"') and short.endswith('"') and '"' not in inner else short
