"""The journal's tables, plain enough to read with `sqlite3 journal.db`."""

from __future__ import annotations

VERSION = 5
"""`PRAGMA user_version` of the file; another one was written by another sqlagent, and is refused as it is."""

SCHEMA = """
CREATE TABLE threads (
  id TEXT PRIMARY KEY,
  status TEXT NOT NULL,
  database TEXT NOT NULL,
  url TEXT NOT NULL,
  target TEXT NOT NULL,
  requested_by TEXT NOT NULL,
  model TEXT NOT NULL DEFAULT '',
  turn INTEGER NOT NULL,
  proposal TEXT NOT NULL DEFAULT '',
  message TEXT NOT NULL DEFAULT '',
  hint TEXT NOT NULL DEFAULT '',
  asks TEXT NOT NULL DEFAULT '',
  expires_at TEXT NOT NULL DEFAULT '',
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL
) STRICT;
CREATE INDEX threads_by_status ON threads (status, updated_at);
CREATE INDEX threads_by_time ON threads (updated_at);

CREATE TABLE turns (
  thread TEXT NOT NULL REFERENCES threads (id),
  turn INTEGER NOT NULL,
  source TEXT NOT NULL CHECK (source IN ('ask', 'run', 'undo')),
  question TEXT NOT NULL,
  sql TEXT NOT NULL DEFAULT '',
  asked_by TEXT NOT NULL,
  asked_at TEXT NOT NULL,
  status TEXT NOT NULL,
  ran_sql TEXT NOT NULL DEFAULT '',
  attempts TEXT NOT NULL DEFAULT '[]',
  PRIMARY KEY (thread, turn)
) STRICT;

CREATE TABLE proposals (
  id TEXT PRIMARY KEY,
  thread TEXT NOT NULL REFERENCES threads (id),
  number INTEGER NOT NULL,
  turn INTEGER NOT NULL,
  digest TEXT NOT NULL,
  risk TEXT NOT NULL,
  stage INTEGER NOT NULL,
  stages INTEGER NOT NULL,
  sql TEXT NOT NULL,
  document TEXT NOT NULL,
  undo_of TEXT NOT NULL DEFAULT '',
  created_at TEXT NOT NULL,
  UNIQUE (thread, number)
) STRICT;
CREATE INDEX proposals_by_undone ON proposals (undo_of) WHERE undo_of <> '';

CREATE TABLE decisions (
  proposal TEXT NOT NULL REFERENCES proposals (id),
  stage INTEGER NOT NULL,
  choice TEXT NOT NULL CHECK (choice IN ('approve', 'edit', 'reject', 'partial', 'escalate')),
  digest TEXT NOT NULL,
  decided_by TEXT NOT NULL,
  how TEXT NOT NULL,
  sql TEXT NOT NULL,
  reason TEXT NOT NULL,
  retry INTEGER NOT NULL,
  keep TEXT NOT NULL DEFAULT '[]',
  signed TEXT NOT NULL DEFAULT '',
  decided_at TEXT NOT NULL,
  PRIMARY KEY (proposal, stage)
) STRICT;

CREATE TABLE clarifications (
  thread TEXT NOT NULL,
  turn INTEGER NOT NULL,
  number INTEGER NOT NULL,
  question TEXT NOT NULL,
  choices TEXT NOT NULL,
  asked_at TEXT NOT NULL,
  answer TEXT NOT NULL DEFAULT '',
  answered_by TEXT NOT NULL DEFAULT '',
  how TEXT NOT NULL DEFAULT '',
  answered_at TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (thread, turn, number),
  FOREIGN KEY (thread, turn) REFERENCES turns (thread, turn)
) STRICT;

CREATE TABLE notices (
  proposal TEXT NOT NULL,
  stage INTEGER NOT NULL,
  sent_at TEXT NOT NULL,
  PRIMARY KEY (proposal, stage)
) STRICT;

CREATE TABLE examples (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  target TEXT NOT NULL,
  database TEXT NOT NULL,
  run TEXT NOT NULL REFERENCES proposals (id),
  question TEXT NOT NULL,
  drafted TEXT NOT NULL,
  final TEXT NOT NULL,
  choice TEXT NOT NULL CHECK (choice IN ('approve', 'edit')),
  why TEXT NOT NULL DEFAULT '',
  approved_by TEXT NOT NULL,
  approved_at TEXT NOT NULL,
  UNIQUE (target, question, final)
) STRICT;
CREATE VIEW newest_examples AS
  SELECT * FROM examples e WHERE NOT EXISTS (SELECT 1 FROM examples n WHERE n.target = e.target
    AND n.question = e.question AND (n.approved_at, n.id) > (e.approved_at, e.id));
CREATE VIRTUAL TABLE examples_by_words USING fts5 (question, content = 'examples', content_rowid = 'id',
  tokenize = 'porter unicode61');
CREATE TRIGGER examples_are_found AFTER INSERT ON examples
BEGIN INSERT INTO examples_by_words (rowid, question) VALUES (new.id, new.question); END;
CREATE TRIGGER examples_are_forgotten AFTER DELETE ON examples
BEGIN INSERT INTO examples_by_words (examples_by_words, rowid, question) VALUES ('delete', old.id, old.question); END;

CREATE TABLE runs (
  id TEXT PRIMARY KEY REFERENCES proposals (id),
  state TEXT NOT NULL CHECK (state IN ('started', 'done', 'failed', 'settled-applied', 'settled-not-applied')),
  marked INTEGER NOT NULL,
  run_by TEXT NOT NULL,
  started_at TEXT NOT NULL,
  ended_at TEXT NOT NULL DEFAULT '',
  outcome TEXT NOT NULL DEFAULT '',
  error TEXT NOT NULL DEFAULT '',
  audit_head TEXT NOT NULL DEFAULT ''
) STRICT;

CREATE TABLE changes (
  run TEXT PRIMARY KEY REFERENCES proposals (id),
  changeset BLOB NOT NULL,
  kept_at TEXT NOT NULL
) STRICT;
CREATE INDEX changes_by_time ON changes (kept_at);

CREATE TABLE audit (
  number INTEGER PRIMARY KEY,
  at TEXT NOT NULL,
  who TEXT NOT NULL,
  what TEXT NOT NULL,
  thread TEXT NOT NULL,
  detail TEXT NOT NULL,
  hash TEXT NOT NULL
) STRICT;
CREATE INDEX audit_by_thread ON audit (thread, number);
CREATE INDEX audit_of_policies ON audit (who, number) WHERE what = 'policy loaded';
CREATE TRIGGER audit_keeps_what_was_written BEFORE UPDATE ON audit
BEGIN SELECT raise(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_keeps_every_entry BEFORE DELETE ON audit
BEGIN SELECT raise(ABORT, 'the audit log is append-only'); END;
"""
