"""`sqlagent help policy`: what a policy file may say and what it means."""

from __future__ import annotations

PAGE = """\
A policy is a TOML file of rules.  Name it with --policy FILE (again for more),
SQLAGENT_POLICY, or `policy = "policy.toml"` in a config file.  Files add up.

  [[rule]]
  id = "no-drops"
  when = { database = "prod", verb = ["drop", "alter"] }
  then = "deny"
  why = "schema changes go through migrations"

  [[rule]]
  id = "prod-writes"
  when = { database = "prod", risk = ">=write" }
  then = { ask = { people = 2, role = "dba", expires = "30m" } }

  [[rule]]
  id = "small-writes"
  when = { database = "dev", risk = "write", rows = "<=100", undo = true }
  then = "allow"

  [roles]
  dba = ["ana", "ben"]

which counts  deny beats ask beats allow, in whatever order; what no rule speaks
              of is asked.  A script gets the strictest word on any statement.
              Built-in denials come first, and nothing lifts them.
not known     a condition that cannot be told (not measured, not understood)
              fires rules that deny or ask, and never one that allows
any, all      rules that deny or ask fire when any table, verb or column
              matches; one that allows, only when every one does

when          all conditions hold; left out, the rule is for everything
  database    "prod", ["prod*", "live"]: the name in your own config, whatever
              the file is called here, or its path; * and ? match
  kind        "select", "insert", "update", "delete", "create", "drop", ...
  verb        the same of all that happens, by triggers and foreign keys too:
              read insert update delete create alter drop other
  table       "orders", "audit_*": every table read or changed, by any cause;
              with verb, the tables to which that happens
  columns     "customers.iban", "*.password": columns read or changed
  risk        "write", ">=write", ["severe", "unknown"]
  rows        "<=100", [">10", "<=100"]: what the whole proposal changes, by any
              cause, measured; counted or estimated is not known
  effect      { orders = ">100" }, { "audit*" = { delete = ">0" } }: the same by
              table
  hidden      true: it writes a table that the SQL does not name
  undo        true, false, "exact", "expected", "partial", "none"
  confidence  "<0.8": share of the model's drafts that agree, of one its chance
              to be right: sqlagent help confidence; none for SQL of a person
  requester   "ana", "role:dba"
  time, days  "22:00-06:00", ["sat", "sun"], in the file's timezone =
              "Europe/Berlin", else UTC
  environment "terminal", "ci", "script", "library", "mcp", "mcp:CLIENT": what
              the process says of itself, so nothing to allow by

then          "deny", "allow", "ask", { ask = { ... } } of one stage, or
              then = "ask" and stages = [{ name = "technical", role = "dba" },
              { name = "business", role = "owner", expires = "1h" }]
  people      how many different ones, 1 unless you say
  role        who may: holders by their user name, from [roles]
  not_requester  who asked, or wrote the SQL, does not count
  expires     from when the stage begins; then on_timeout: "reject", or
              "escalate" to the next stage
  via         ["terminal"]: no flag, library, graph or signature fills it; a
              program that runs as you can still type what you can
  signed      true: only a signature counts: sqlagent plan THREAD -o FILE, then
              sqlagent approve FILE where the key is, resume --approval here
              allowed_signers = "FILE" beside the rules says whose key is whose
              (man ssh-keygen), revoked_keys = "FILE" which count no more
several ask   all their stages are filled; one of the same name and role once,
              by the stricter; a plain { people = 2 } by those of the others

projects      a policy that a project's sqlagent.toml names only tightens: what
              it allows has no effect, and your roles win over its own

sqlagent policy check [FILE...]            mistakes: line, key, nearest key
sqlagent policy explain THREAD|--sql TEXT  every rule, and why it fires or not
sqlagent policy test CASES.toml            cases for CI; exit 1 if one fails
sqlagent policy test FILE.sql              which rule decides, by statement

  policy = "policy.toml"                   # beside the cases
  [given]
  database = "prod"

  [[case]]
  sql = "DROP TABLE users"
  verdict = "deny"
  rule = "no-drops"

facts of a case: database requester time day environment confidence rows effect
undo columns hidden.  What a case does not say is not known; hidden = false says
that triggers and views do nothing more, ["insert audit_log"] what they do.
With --db the SQL is analyzed and measured there.
"""
