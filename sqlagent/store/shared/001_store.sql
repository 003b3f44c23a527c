-- sqlagent's shared store, version 1: who may do what is kept by the server.
--
-- People are login roles that were granted sqlagent_people:  GRANT sqlagent_people TO alice
-- They read the tables, and write by calling functions alone.  Each function writes down who called it (session_user),
-- which neither a parameter nor SET ROLE changes, and appends to one hash chain in the transaction of what it does.
-- `sqlagent store init URL` runs this file; a database's owner may as well run it by hand:
--     psql -v ON_ERROR_STOP=1 -1 -f 001_store.sql
-- Tables, columns and texts are those of the local store, so that one verifier reads the record of both.

DO $$ BEGIN
  IF current_setting('server_encoding') <> 'UTF8' THEN
    RAISE EXCEPTION 'the store needs a database in UTF8, and this one is in %', current_setting('server_encoding');
  END IF;
  IF to_regrole('sqlagent_owner') IS NULL THEN CREATE ROLE sqlagent_owner NOLOGIN; END IF;
  IF to_regrole('sqlagent_people') IS NULL THEN CREATE ROLE sqlagent_people NOLOGIN; END IF;
  IF to_regrole('sqlagent_workers') IS NULL THEN CREATE ROLE sqlagent_workers NOLOGIN; END IF;
  GRANT sqlagent_people TO sqlagent_workers;
  IF NOT pg_has_role(current_user, 'sqlagent_owner', 'MEMBER') THEN GRANT sqlagent_owner TO current_user; END IF;
END $$;
CREATE SCHEMA sqlagent AUTHORIZATION sqlagent_owner;
SET LOCAL ROLE sqlagent_owner;
SET LOCAL search_path = sqlagent, pg_catalog, pg_temp;

CREATE TABLE version (number integer NOT NULL, made_at timestamptz NOT NULL DEFAULT now());

CREATE TABLE threads (
  id text PRIMARY KEY CHECK (id ~ '^[a-z0-9_-]{1,60}$'),
  status text NOT NULL,
  database text NOT NULL,
  url text NOT NULL,
  target text NOT NULL,
  requested_by text NOT NULL,
  model text NOT NULL DEFAULT '',
  turn bigint NOT NULL,
  proposal text NOT NULL DEFAULT '',
  message text NOT NULL DEFAULT '',
  hint text NOT NULL DEFAULT '',
  asks text NOT NULL DEFAULT '',
  expires_at text NOT NULL DEFAULT '',
  created_at text NOT NULL,
  updated_at text NOT NULL
);
CREATE INDEX threads_by_status ON threads (status, updated_at);
CREATE INDEX threads_by_time ON threads (updated_at);
CREATE TABLE turns (
  thread text NOT NULL REFERENCES threads,
  turn bigint NOT NULL,
  source text NOT NULL CHECK (source IN ('ask', 'run', 'undo')),
  question text NOT NULL,
  sql text NOT NULL DEFAULT '',
  asked_by text NOT NULL,
  asked_at text NOT NULL,
  status text NOT NULL,
  ran_sql text NOT NULL DEFAULT '',
  attempts text NOT NULL DEFAULT '[]',
  PRIMARY KEY (thread, turn)
);
CREATE TABLE proposals (
  id text PRIMARY KEY,
  thread text NOT NULL REFERENCES threads,
  number bigint NOT NULL,
  turn bigint NOT NULL,
  digest text NOT NULL,
  risk text NOT NULL,
  stage bigint NOT NULL,
  stages bigint NOT NULL,
  sql text NOT NULL,
  document text NOT NULL,
  undo_of text NOT NULL DEFAULT '',
  created_at text NOT NULL,
  proposed_by text NOT NULL,
  UNIQUE (thread, number)
);
CREATE INDEX proposals_by_undone ON proposals (undo_of) WHERE undo_of <> '';
CREATE TABLE decisions (
  proposal text NOT NULL REFERENCES proposals,
  stage bigint NOT NULL,
  choice text NOT NULL CHECK (choice IN ('approve', 'edit', 'reject', 'partial', 'escalate')),
  digest text NOT NULL,
  decided_by text NOT NULL,
  how text NOT NULL,
  sql text NOT NULL,
  reason text NOT NULL,
  retry bigint NOT NULL,
  keep text NOT NULL DEFAULT '[]',
  signed text NOT NULL DEFAULT '',
  decided_at text NOT NULL,
  PRIMARY KEY (proposal, stage)
);
CREATE TABLE clarifications (
  thread text NOT NULL,
  turn bigint NOT NULL,
  number bigint NOT NULL,
  question text NOT NULL,
  choices text NOT NULL,
  asked_at text NOT NULL,
  answer text NOT NULL DEFAULT '',
  answered_by text NOT NULL DEFAULT '',
  how text NOT NULL DEFAULT '',
  answered_at text NOT NULL DEFAULT '',
  PRIMARY KEY (thread, turn, number),
  FOREIGN KEY (thread, turn) REFERENCES turns
);
CREATE TABLE notices (
  proposal text NOT NULL,
  stage bigint NOT NULL,
  sent_at text NOT NULL,
  PRIMARY KEY (proposal, stage)
);
CREATE TABLE examples (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  target text NOT NULL,
  database text NOT NULL,
  run text NOT NULL REFERENCES proposals,
  question text NOT NULL,
  drafted text NOT NULL,
  final text NOT NULL,
  choice text NOT NULL CHECK (choice IN ('approve', 'edit')),
  why text NOT NULL DEFAULT '',
  approved_by text NOT NULL,
  approved_at text NOT NULL
);
CREATE UNIQUE INDEX examples_once ON examples (target, md5(question), md5(final));
CREATE INDEX examples_by_words ON examples USING gin (to_tsvector('english', question));
CREATE VIEW newest_examples WITH (security_invoker) AS
  SELECT * FROM examples e WHERE NOT EXISTS (SELECT 1 FROM examples n WHERE n.target = e.target
    AND n.question = e.question AND (n.approved_at, n.id) > (e.approved_at, e.id));
CREATE TABLE runs (
  id text PRIMARY KEY REFERENCES proposals,
  state text NOT NULL CHECK (state IN ('started', 'done', 'failed', 'settled-applied', 'settled-not-applied')),
  marked bigint NOT NULL,
  run_by text NOT NULL,
  started_at text NOT NULL,
  ended_at text NOT NULL DEFAULT '',
  outcome text NOT NULL DEFAULT '',
  error text NOT NULL DEFAULT '',
  audit_head text NOT NULL DEFAULT '',
  rowid bigint GENERATED ALWAYS AS IDENTITY,
  run_on text NOT NULL,
  attempt text NOT NULL
);
COMMENT ON COLUMN runs.run_on IS 'The state folder of the process that runs it: its marks are nowhere else.';
COMMENT ON COLUMN runs.attempt IS 'The call that was given the claim: made again after a lost connection, it is told so.';
CREATE TABLE changes (
  run text PRIMARY KEY REFERENCES proposals,
  changeset bytea NOT NULL,
  kept_at text NOT NULL
);
CREATE INDEX changes_by_time ON changes (kept_at);
CREATE TABLE audit (
  number bigint PRIMARY KEY,
  at text NOT NULL,
  who text NOT NULL,
  what text NOT NULL,
  thread text NOT NULL,
  detail text NOT NULL,
  hash text NOT NULL
);
CREATE INDEX audit_by_thread ON audit (thread, number);
CREATE INDEX audit_of_policies ON audit (who, number) WHERE what = 'policy loaded';
CREATE TABLE head (one boolean PRIMARY KEY DEFAULT true CHECK (one), number bigint NOT NULL, hash text NOT NULL);
INSERT INTO head VALUES (true, 0, repeat('0', 64));
CREATE TABLE leases (thread text PRIMARY KEY, holder text NOT NULL, held_by text NOT NULL, until timestamptz NOT NULL);

-- The owner's own words, which no client may weaken.
CREATE TABLE sees (who name NOT NULL, target text NOT NULL, PRIMARY KEY (who, target));
COMMENT ON TABLE sees IS 'Who (a role) sees the threads of which database; `*` is every one.  Empty: everybody sees all.';
CREATE TABLE floors (target text PRIMARY KEY, people integer NOT NULL DEFAULT 1 CHECK (people > 0), role name,
  not_requester boolean NOT NULL DEFAULT true, via text[]);
COMMENT ON TABLE floors IS 'What a change of a database (`*`: of any) takes at least, whatever a policy file says: how many
people, members of which role, other than who asked or wrote it, through which doors.';

CREATE FUNCTION kept_forever() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'the audit log is append-only'; END $$;
CREATE TRIGGER kept BEFORE UPDATE OR DELETE OR TRUNCATE ON audit EXECUTE FUNCTION kept_forever();

-- ---- text that any language writes to the same bytes ----------------------------------------------------------------

CREATE FUNCTION json_ascii(t text) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE raw text := to_json(t)::text;
BEGIN
  IF raw !~ E'[^\\u0020-\\u007e]' THEN RETURN raw; END IF;
  RETURN (SELECT string_agg(CASE WHEN n BETWEEN 32 AND 126 THEN c
      WHEN n < 65536 THEN '\u' || lpad(to_hex(n), 4, '0')
      ELSE '\u' || to_hex(55296 + ((n - 65536) >> 10)) || '\u' || to_hex(56320 + ((n - 65536) & 1023)) END, '' ORDER BY place)
    FROM (SELECT c, ascii(c) AS n, place FROM unnest(string_to_array(raw, NULL)) WITH ORDINALITY AS x (c, place)) AS each);
END $$;
CREATE FUNCTION sha(t text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $$ SELECT encode(sha256(convert_to(t, 'UTF8')), 'hex') $$;

-- A document as JSON; a NUL character, which PostgreSQL's text cannot hold, reads as its picture.
CREATE FUNCTION parsed(document text) RETURNS jsonb LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $$ SELECT replace(document, '\u0000', '\u2400')::jsonb $$;
CREATE FUNCTION field(document text, path text[]) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = sqlagent, pg_catalog, pg_temp AS $$ SELECT parsed(document) #>> path $$;

-- The seal of a row by its name, such as `decisions k7f3.1 1`; empty where it is not there.
CREATE FUNCTION seal_of(name text) RETURNS text LANGUAGE plpgsql STABLE
SET search_path = sqlagent, pg_catalog, pg_temp AS $$
DECLARE part text[] := string_to_array(name, ' '); parts text[];
BEGIN
  CASE part[1]
  WHEN 'threads' THEN
    SELECT ARRAY[json_ascii(id), json_ascii(database), json_ascii(url), json_ascii(target), json_ascii(requested_by),
      json_ascii(model), json_ascii(created_at)] INTO parts FROM threads WHERE id = part[2];
  WHEN 'turns' THEN
    SELECT ARRAY[json_ascii(thread), turn::text, json_ascii(source), json_ascii(question), json_ascii(sql),
      json_ascii(asked_by), json_ascii(asked_at)] INTO parts FROM turns WHERE thread = part[2] AND turn = part[3]::bigint;
  WHEN 'proposals' THEN
    SELECT ARRAY[json_ascii(id), json_ascii(thread), number::text, turn::text, json_ascii(digest), json_ascii(risk),
      stage::text, stages::text, json_ascii(sql), json_ascii(document), json_ascii(undo_of), json_ascii(created_at)]
      INTO parts FROM proposals WHERE id = part[2];
  WHEN 'decisions' THEN
    SELECT ARRAY[json_ascii(proposal), stage::text, json_ascii(choice), json_ascii(digest), json_ascii(decided_by),
      json_ascii(how), json_ascii(sql), json_ascii(reason), retry::text, json_ascii(keep),
      json_ascii(signed), json_ascii(decided_at)]
      INTO parts FROM decisions WHERE proposal = part[2] AND stage = part[3]::bigint;
  WHEN 'runs' THEN
    SELECT ARRAY[json_ascii(id), json_ascii(state), marked::text, json_ascii(run_by), json_ascii(started_at),
      json_ascii(ended_at), json_ascii(outcome), json_ascii(error)] INTO parts FROM runs WHERE id = part[2];
  WHEN 'changes' THEN
    SELECT ARRAY[json_ascii(run), json_ascii(encode(sha256(changeset), 'hex')), json_ascii(kept_at)] INTO parts
      FROM changes WHERE run = part[2];
  END CASE;
  RETURN CASE WHEN parts IS NULL THEN '' ELSE sha('[' || array_to_string(parts, ',') || ']') END;
END $$;

CREATE FUNCTION stamp(t timestamptz DEFAULT clock_timestamp()) RETURNS text LANGUAGE sql VOLATILE
AS $$ SELECT to_char(t AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"+00:00"') $$;

-- The row of `head` is taken last in a transaction and held for its COMMIT alone.
CREATE FUNCTION log(what text, thread text, detail jsonb, VARIADIC tells_of text[] DEFAULT '{}') RETURNS text
LANGUAGE plpgsql SET search_path = sqlagent, pg_catalog, pg_temp AS $$
DECLARE was head; entry audit; said jsonb := detail;
BEGIN
  IF cardinality(tells_of) > 0 THEN
    said := said || jsonb_build_object('seals', (SELECT jsonb_object_agg(name, seal_of(name)) FROM unnest(tells_of) AS name));
  END IF;
  SELECT coalesce(jsonb_object_agg(key, value), '{}') INTO said FROM jsonb_each(said)
    WHERE value <> '""' AND value <> 'null';
  SELECT * INTO was FROM head FOR UPDATE;
  entry.number := was.number + 1;
  entry.at := stamp(); entry.who := session_user; entry.what := log.what; entry.thread := log.thread;
  entry.detail := said::text;
  entry.hash := sha('[' || concat_ws(',', json_ascii(was.hash), entry.number::text, json_ascii(entry.at),
    json_ascii(entry.who), json_ascii(entry.what), json_ascii(entry.thread), json_ascii(entry.detail)) || ']');
  INSERT INTO audit SELECT entry.*;
  UPDATE head SET number = entry.number, hash = entry.hash;
  PERFORM pg_notify('sqlagent', entry.thread);
  RETURN entry.number || ':' || entry.hash;
END $$;

-- ---- who -----------------------------------------------------------------------------------------------------------

CREATE FUNCTION is_me(who name) RETURNS boolean LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$ SELECT coalesce(pg_has_role(session_user, to_regrole(quote_ident(who)), 'MEMBER'), false) $$;
CREATE FUNCTION seen_targets() RETURNS text[] LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = sqlagent, pg_catalog, pg_temp AS $$
  SELECT CASE WHEN EXISTS (SELECT FROM sees) THEN coalesce((SELECT array_agg(target) FROM sees WHERE is_me(who)), '{}')
    ELSE '{*}' END $$;
CREATE FUNCTION refuse(why text, hint text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION USING ERRCODE = 'SQ403', MESSAGE = why, HINT = hint; END $$;

-- The thread, locked, where the caller sees it.
CREATE FUNCTION mine(thread text) RETURNS threads LANGUAGE plpgsql
SET search_path = sqlagent, pg_catalog, pg_temp AS $$
DECLARE t threads;
BEGIN
  SELECT * INTO t FROM threads WHERE id = thread AND (target = ANY (seen_targets()) OR '*' = ANY (seen_targets())) FOR UPDATE;
  IF t.id IS NULL THEN PERFORM refuse('no thread named ' || thread, 'sqlagent sessions lists them'); END IF;
  RETURN t;
END $$;

-- Who may put SQL to people in a thread, and say how it ended: who asked, and a worker.
CREATE FUNCTION moves(t threads) RETURNS boolean LANGUAGE sql STABLE SET search_path = sqlagent, pg_catalog, pg_temp AS $$
  SELECT is_me('sqlagent_workers')
    OR session_user = (SELECT asked_by FROM turns u WHERE u.thread = t.id AND u.turn = t.turn) $$;

-- ---- sessions and turns --------------------------------------------------------------------------------------------

CREATE FUNCTION admit(id text, database text, url text, target text, model text, source text, question text, sql text,
  created_at text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = sqlagent, pg_catalog, pg_temp AS $$
BEGIN
  PERFORM on_time(admit.created_at);
  IF NOT (admit.target = ANY (seen_targets()) OR '*' = ANY (seen_targets())) THEN
    PERFORM refuse(session_user || ' may not see ' || admit.target, 'ask the owner of the store');
  END IF;
  INSERT INTO threads (id, status, database, url, target, requested_by, model, turn, created_at, updated_at)
    VALUES (admit.id, 'new', admit.database, admit.url, admit.target, session_user, admit.model, 1, admit.created_at,
      admit.created_at) ON CONFLICT DO NOTHING;
  IF NOT FOUND THEN  -- said again after a lost connection, it is the same
    RETURN EXISTS (SELECT FROM threads t JOIN turns u ON u.thread = t.id AND u.turn = 1 WHERE t.id = admit.id AND t.status = 'new'
      AND t.requested_by = session_user AND t.created_at = admit.created_at AND u.question = admit.question AND u.sql = admit.sql
      AND t.model = admit.model AND t.target = admit.target AND t.proposal = '');
  END IF;
  INSERT INTO turns (thread, turn, source, question, sql, asked_by, asked_at, status)
    VALUES (admit.id, 1, admit.source, admit.question, admit.sql, session_user, stamp(), 'new');
  PERFORM log('asked', admit.id, jsonb_build_object('database', admit.database, 'target', admit.target, 'source', admit.source,
    'question', admit.question), 'threads ' || admit.id, 'turns ' || admit.id || ' 1');
  RETURN true;
END $$;

-- A client whose clock is ahead would say that things were done before they were.
CREATE FUNCTION on_time(t text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF t::timestamptz > clock_timestamp() + interval '5 minutes' THEN
    RAISE EXCEPTION USING ERRCODE = 'SQ409', MESSAGE = 'this machine''s clock is ahead of the store''s by '
      || round(extract(epoch FROM t::timestamptz - clock_timestamp())) || ' s', HINT = 'set it right: timedatectl set-ntp true';
  END IF;
END $$;

CREATE FUNCTION ask_again(thread text, expected_turn bigint, source text, question text, sql text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = sqlagent, pg_catalog, pg_temp AS $$
DECLARE t threads := mine(thread);
BEGIN
  IF t.turn = expected_turn + 1 AND EXISTS (SELECT FROM turns u WHERE u.thread = t.id AND u.turn = t.turn AND u.status = 'new'
      AND (u.source, u.question, u.sql, u.asked_by) = (ask_again.source, ask_again.question, ask_again.sql, session_user)) THEN
    RETURN true;
  END IF;
  IF t.turn <> expected_turn OR t.status IN ('new', 'pending', 'unknown') THEN RETURN false; END IF;
  UPDATE threads SET turn = t.turn + 1, status = 'new', proposal = '', message = '', hint = '', asks = '', updated_at = stamp()
    WHERE id = t.id;
  INSERT INTO turns (thread, turn, source, question, sql, asked_by, asked_at, status)
    VALUES (t.id, t.turn + 1, ask_again.source, ask_again.question, ask_again.sql, session_user, stamp(), 'new');
  PERFORM log('asked', t.id, jsonb_build_object('turn', t.turn + 1, 'source', ask_again.source, 'question', ask_again.question),
    'turns ' || t.id || ' ' || t.turn + 1);
  RETURN true;
END $$;

-- How a turn ended: only as its decision or its run bears out.
CREATE FUNCTION finish(thread text, turn bigint, status text, message text, hint text, ran_sql text, attempts text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = sqlagent, pg_catalog, pg_temp AS $$
DECLARE t threads := mine(thread); borne_out boolean;
BEGIN
  IF finish.turn = t.turn THEN
    borne_out := CASE finish.status
      WHEN 'executed' THEN EXISTS (SELECT FROM runs WHERE id = t.proposal AND state IN ('done', 'settled-applied'))
      WHEN 'rejected' THEN EXISTS (SELECT FROM decisions WHERE proposal = t.proposal AND choice = 'reject')
      WHEN 'expired' THEN EXISTS (SELECT FROM decisions WHERE proposal = t.proposal AND how = 'expired')
      WHEN 'denied' THEN moves(t) WHEN 'failed' THEN moves(t) WHEN 'unknown' THEN moves(t) ELSE false END;
    borne_out := borne_out OR finish.status IN ('failed', 'unknown')
      AND EXISTS (SELECT FROM runs WHERE id = t.proposal AND (run_by = session_user OR state = 'settled-not-applied'));
    IF NOT borne_out THEN
      PERFORM refuse(format('the record does not bear out that %s is %s', t.id, finish.status), 'sqlagent show ' || t.id);
    END IF;
    IF finish.status <> 'executed' AND EXISTS (SELECT FROM runs WHERE id = t.proposal AND state IN ('done', 'settled-applied')) THEN
      PERFORM refuse(t.id || ' was run, and that stands', 'sqlagent show ' || t.id);
    END IF;
    UPDATE threads SET status = finish.status, message = finish.message, hint = finish.hint, asks = '', updated_at = stamp()
      WHERE id = t.id;
  ELSIF finish.turn < t.turn AND NOT moves(t) THEN
    RETURN;  -- said twice, after somebody went on
  ELSIF finish.turn > t.turn THEN
    PERFORM refuse(format('turn %s of %s is not the present one', finish.turn, t.id), 'sqlagent show ' || t.id);
  END IF;
  UPDATE turns u SET status = finish.status, ran_sql = finish.ran_sql, attempts = finish.attempts
    WHERE u.thread = t.id AND u.turn = finish.turn AND u.status NOT IN ('executed');
  IF finish.status IN ('denied', 'expired', 'failed', 'unknown') THEN
    PERFORM log(finish.status, t.id, jsonb_build_object('turn', finish.turn, 'because', finish.message));
  END IF;
END $$;

-- What no table holds.  The words by which the functions here tell what they did are theirs alone.
CREATE FUNCTION note(what text, thread text, detail text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = sqlagent, pg_catalog, pg_temp AS $$
BEGIN
  IF note.what NOT IN ('drafted', 'shown', 'refused', 'notified', 'not notified', 'policy loaded') THEN
    PERFORM refuse(format('%s is no note', note.what), 'the store writes that itself');
  END IF;
  IF note.thread <> '' THEN PERFORM mine(note.thread); END IF;
  PERFORM log(note.what, note.thread, parsed(note.detail) - 'seals');
END $$;

-- ---- proposals and decisions ----------------------------------------------------------------------------------------

CREATE TYPE seat AS (stage bigint, stages bigint, digest text, expires_at text, approvers text[], seat jsonb);

CREATE FUNCTION later(t text, seconds double precision) RETURNS text LANGUAGE sql VOLATILE
SET search_path = sqlagent, pg_catalog, pg_temp AS $$ SELECT stamp(t::timestamptz + seconds * interval '1 second') $$;
CREATE FUNCTION deadline(first jsonb, seat jsonb, begun text) RETURNS text LANGUAGE sql VOLATILE
SET search_path = sqlagent, pg_catalog, pg_temp AS $$
  SELECT coalesce(least(nullif(first ->> 'expires_at', ''),
    CASE WHEN seat ->> 'expires' IS NOT NULL THEN later(begun, (seat ->> 'expires')::double precision) END), '') $$;
CREATE FUNCTION next_stage(before text, person text) RETURNS text LANGUAGE sql IMMUTABLE
SET search_path = sqlagent, pg_catalog, pg_temp AS $$
  SELECT encode(sha256(string_agg(int8send(length(raw)::bigint) || raw, ''::bytea ORDER BY place)), 'hex')
    FROM (SELECT convert_to(part, 'UTF8') AS raw, place
            FROM unnest(ARRAY['sqlagent-stage-1', before, person]) WITH ORDINALITY AS x (part, place)) AS parts $$;
CREATE FUNCTION seats_of(document jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE
AS $$ SELECT coalesce(nullif(document -> 'seats', '[]'), '[{}]') $$;

-- The seat that is asked: as many as are filled are behind it; `before` counts the stages below it alone.
CREATE FUNCTION standing(p proposals, before bigint DEFAULT NULL) RETURNS seat LANGUAGE plpgsql VOLATILE
SET search_path = sqlagent, pg_catalog, pg_temp AS $$
DECLARE first jsonb := parsed(p.document); seats jsonb := seats_of(first); d decisions; now seat;
BEGIN
  now := (1, jsonb_array_length(seats), first ->> 'digest', deadline(first, seats -> 0, first ->> 'created_at'), '{}', seats -> 0);
  FOR d IN SELECT * FROM decisions WHERE proposal = p.id AND stage < coalesce(before, stage + 1) ORDER BY stage LOOP
    EXIT WHEN d.stage <> now.stage OR d.choice NOT IN ('approve', 'escalate') OR now.stage = now.stages;
    now := (now.stage + 1, now.stages, next_stage(now.digest, d.decided_by),
      deadline(first, seats -> now.stage::int, d.decided_at), now.approvers || d.decided_by, seats -> now.stage::int);
  END LOOP;
  RETURN now;
END $$;

CREATE FUNCTION door(how text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE WHEN how IN ('enter', 'key', 'typed') THEN 'terminal'
    WHEN how IN ('terminal', 'flag', 'library', 'graph', 'signature') THEN how ELSE 'graph' END $$;

-- Why somebody may not fill a seat; empty where they may.
CREATE FUNCTION refusal(p proposals, now seat, choice text, person text, how text) RETURNS text LANGUAGE plpgsql STABLE
SET search_path = sqlagent, pg_catalog, pg_temp AS $$
DECLARE first jsonb := parsed(p.document); name text; who jsonb := now.seat -> 'who'; via jsonb := now.seat -> 'via';
BEGIN
  IF choice IN ('escalate', 'later') OR how = 'expired' THEN RETURN 'only time decides that: ' || choice; END IF;
  IF choice NOT IN ('approve', 'partial') THEN RETURN ''; END IF;
  IF how = 'policy' OR person = 'policy' THEN
    RETURN CASE WHEN person = 'policy' AND first ->> 'policy' LIKE 'allow%' THEN '' ELSE 'the policy asks for people' END;
  END IF;
  name := format('stage %s of %s%s', now.stage, now.stages,
    CASE WHEN coalesce(now.seat ->> 'stage', '') <> '' THEN ', ' || (now.seat ->> 'stage') || ',' ELSE '' END);
  IF person = ANY (now.approvers) THEN
    RETURN format('%s has approved stage %s already', person, array_position(now.approvers, person)); END IF;
  IF (now.seat ->> 'not_requester')::boolean THEN
    IF person = first ->> 'requested_by' THEN RETURN format('%s asked for it, and %s takes somebody else', person, name); END IF;
    IF person IN (first ->> 'author', first ->> 'edited_by') OR person = (SELECT writer FROM written(p) AS writer) THEN
      RETURN format('%s wrote it, and %s takes somebody else', person, name); END IF;
  END IF;
  IF who IS NOT NULL AND who <> 'null' AND NOT who ? person THEN
    RETURN format('%s is not one of those who may: %s takes %s', person, name,
      coalesce(nullif(now.seat ->> 'role', '') || ' (' || people(who) || ')', people(who))); END IF;
  -- Whose it is only ssh-keygen can say, which whoever takes it and whoever runs it asks.
  IF now.seat ->> 'signed' = 'true' AND door(how) <> 'signature' THEN
    RETURN format('%s takes a signature, and not what came by %s', name, door(how)); END IF;
  IF via IS NOT NULL AND via <> 'null' AND NOT via ? door(how) THEN
    RETURN format('%s is approved by %s, not by %s', name, coalesce((SELECT string_agg(v, ' or ')
      FROM jsonb_array_elements_text(via) AS v), 'no door at all'), door(how)); END IF;
  RETURN '';
END $$;
CREATE FUNCTION people(who jsonb) RETURNS text LANGUAGE sql IMMUTABLE
AS $$ SELECT coalesce(string_agg(w, ', '), 'nobody') FROM jsonb_array_elements_text(who) AS w $$;

-- Whoever first put this very SQL to people in the turn, where that is not who asked: only an edit can be.
CREATE FUNCTION written(p proposals) RETURNS text LANGUAGE sql STABLE SET search_path = sqlagent, pg_catalog, pg_temp AS $$
  SELECT d.decided_by FROM decisions d JOIN proposals e ON e.id = d.proposal
    WHERE e.thread = p.thread AND e.turn = p.turn AND e.number < p.number AND d.choice = 'edit' AND d.sql = p.sql
    ORDER BY e.number DESC LIMIT 1 $$;

-- What the owner of the store asks of every change of a database; NULL where nothing.
CREATE FUNCTION floor_of(p proposals) RETURNS floors LANGUAGE sql STABLE SET search_path = sqlagent, pg_catalog, pg_temp AS $$
  SELECT f FROM floors f JOIN threads t ON t.id = p.thread WHERE f.target IN (t.target, '*')
    AND NOT coalesce((parsed(p.document) ->> 'read_only')::boolean, false) ORDER BY f.target = '*' LIMIT 1 $$;

CREATE FUNCTION propose(id text, number bigint, turn bigint, risk text, document text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = sqlagent, pg_catalog, pg_temp AS $$
DECLARE first jsonb := parsed(propose.document); t threads := mine(first ->> 'thread'); p proposals; least_of_all floors; now seat; before text;
BEGIN
  SELECT * INTO p FROM proposals WHERE proposals.id = propose.id;
  IF p.id IS NOT NULL AND EXISTS (SELECT FROM decisions WHERE proposal = propose.id) THEN RETURN; END IF;
  PERFORM on_time(first ->> 'created_at');
  IF propose.id <> t.id || '.' || propose.number OR first ->> 'id' <> propose.id OR propose.turn <> t.turn
    OR propose.number > 1 + (SELECT coalesce(max(q.number), 0) FROM proposals q WHERE q.thread = t.id)
    OR first ->> 'target' <> t.target OR first ->> 'digest' !~ '^[0-9a-f]{64}$' OR t.status NOT IN ('new', 'pending')
    OR first ->> 'requested_by' <> (SELECT asked_by FROM turns u WHERE u.thread = t.id AND u.turn = t.turn)
    OR EXISTS (SELECT FROM runs WHERE runs.id = t.proposal AND state <> 'failed' AND state <> 'settled-not-applied') THEN
    PERFORM refuse(format('%s does not fit the record of %s', propose.id, t.id), 'sqlagent show ' || t.id);
  END IF;
  SELECT q.id INTO before FROM proposals q WHERE q.thread = t.id AND q.turn = t.turn AND q.number < propose.number
    ORDER BY q.number DESC LIMIT 1;
  IF NOT moves(t) AND NOT EXISTS (SELECT FROM proposals q WHERE q.id = before AND q.sql = first ->> 'sql')
    AND NOT EXISTS (SELECT FROM decisions d WHERE d.proposal = before AND d.choice = 'edit' AND d.sql = first ->> 'sql') THEN
    PERFORM refuse(format('%s did not ask for it, and may not put other SQL in its place', session_user),
      'whoever asked goes on with it, or a worker: sqlagent resume ' || t.id);
  END IF;
  INSERT INTO proposals AS q VALUES (propose.id, t.id, propose.number, propose.turn, first ->> 'digest', propose.risk, 1,
      jsonb_array_length(seats_of(first)), first ->> 'sql', propose.document, coalesce(first ->> 'undo_of', ''),
      first ->> 'created_at', session_user)
    ON CONFLICT ON CONSTRAINT proposals_pkey DO UPDATE SET digest = excluded.digest, risk = excluded.risk, stage = excluded.stage,
      stages = excluded.stages, sql = excluded.sql, document = excluded.document, created_at = excluded.created_at,
      proposed_by = excluded.proposed_by
    RETURNING q.* INTO p;
  least_of_all := floor_of(p);
  now := standing(p);
  IF least_of_all.people > p.stages THEN
    PERFORM refuse(format('the store asks for %s people for a change of %s, and the policy here for %s', least_of_all.people,
      t.target, p.stages), 'add stages to the policy; the owner of the store wrote sqlagent.floors');
  END IF;
  UPDATE threads SET status = 'pending', proposal = p.id, expires_at = now.expires_at, message = '', hint = '', asks = '',
    updated_at = stamp() WHERE threads.id = t.id;
  PERFORM log('analyzed', t.id, jsonb_build_object('proposal', p.id, 'digest', p.digest, 'risk', p.risk, 'policy', first ->> 'policy',
    'stale', first ->> 'stale', 'edited_by', first ->> 'edited_by', 'part_of', first ->> 'part_of', 'author', first ->> 'author'),
    'proposals ' || p.id);
END $$;

-- Put a decision on record at the seat that is asked.
CREATE FUNCTION put(p proposals, now seat, choice text, person text, how text, sql text, reason text, retry bigint, keep text,
  signed text DEFAULT '')
RETURNS void LANGUAGE plpgsql SET search_path = sqlagent, pg_catalog, pg_temp AS $$
DECLARE after seat;
BEGIN
  INSERT INTO decisions VALUES (p.id, now.stage, choice, now.digest, person, how, put.sql, put.reason, put.retry, put.keep,
    put.signed, stamp());
  after := standing(p);
  IF after.stage <> now.stage THEN
    UPDATE proposals SET stage = after.stage, digest = after.digest WHERE id = p.id;
    UPDATE threads SET expires_at = after.expires_at, updated_at = stamp() WHERE id = p.thread AND proposal = p.id;
  END IF;
  PERFORM log(CASE choice WHEN 'approve' THEN 'approved' WHEN 'edit' THEN 'edited' WHEN 'reject' THEN 'rejected'
      WHEN 'partial' THEN 'approved in part' ELSE 'escalated' END, p.thread,
    jsonb_build_object('proposal', p.id, 'digest', now.digest, 'how', how, 'stage', now.stage || '/' || now.stages, 'reason', reason,
      'kept', CASE WHEN keep <> '[]' THEN btrim(keep, '[]') END, 'by', nullif(person, session_user::text),
      'due', CASE WHEN how = 'expired' THEN now.expires_at END, 'clock', CASE WHEN how = 'expired' THEN stamp() END),
    'decisions ' || p.id || ' ' || now.stage, 'proposals ' || p.id);
END $$;

CREATE FUNCTION refused(p proposals, stage text, choice text, digest text, how text, because text) RETURNS void
LANGUAGE sql SET search_path = sqlagent, pg_catalog, pg_temp AS $$
  SELECT log('refused', p.thread, jsonb_build_object('proposal', p.id, 'digest', digest, 'how', how, 'stage', stage, 'choice', choice,
    'because', because)) $$;

-- The first decision on a seat counts.  Answers '' once this one is on record, else why it is not; both are on record.
CREATE FUNCTION decide(proposal text, stage bigint, choice text, digest text, how text, sql text, reason text, retry bigint,
  keep text, signed text DEFAULT '') RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = sqlagent, pg_catalog, pg_temp AS $$
DECLARE p proposals; t threads; now seat; there decisions; why text := ''; kind text := 'permit';
  person text := CASE decide.how WHEN 'policy' THEN 'policy' ELSE session_user END;
BEGIN
  t := mine(substring(decide.proposal from '^(.*)\.[^.]*$'));
  SELECT * INTO p FROM proposals WHERE id = decide.proposal;
  IF p.id IS NULL THEN PERFORM refuse('no proposal named ' || decide.proposal, 'sqlagent pending lists what waits'); END IF;
  SELECT * INTO there FROM decisions d WHERE d.proposal = p.id AND d.stage = decide.stage;
  IF there.proposal IS NOT NULL THEN
    IF (there.choice, there.digest, there.decided_by, there.how, there.sql, there.reason, there.retry, there.keep, there.signed)
      <> (decide.choice, decide.digest, person, decide.how, decide.sql, decide.reason, decide.retry, decide.keep,
        decide.signed) THEN
      PERFORM refused(p, decide.stage::text, choice, digest, how, there.decided_by || ' decided first');
    END IF;
    RETURN '';
  END IF;
  now := standing(p);
  IF t.proposal <> p.id THEN
    kind := 'stale'; why := p.id || ' is not decided: a later proposal of the thread has taken its place';
  ELSIF decide.digest <> now.digest OR decide.stage <> now.stage THEN
    kind := 'stale'; why := format('%s is not what waits in %s: %s is', left(decide.digest, 12), t.id, left(now.digest, 12));
  ELSIF expired(p, now) THEN RETURN '';
  ELSE why := refusal(p, now, decide.choice, person, decide.how);
  END IF;
  IF why <> '' THEN
    PERFORM refused(p, now.stage || '/' || now.stages, choice, digest, how, why);
    RETURN kind || ' ' || why;
  END IF;
  PERFORM put(p, now, choice, person, how, sql, reason, retry, keep, signed);
  RETURN '';
END $$;

-- Put on record what time decided, where the seat's or the proposal's is up; answers whether it did.
CREATE FUNCTION expired(p proposals, now seat) RETURNS boolean LANGUAGE plpgsql
SET search_path = sqlagent, pg_catalog, pg_temp AS $$
DECLARE first jsonb := parsed(p.document); ended boolean;
BEGIN
  IF now.expires_at = '' OR stamp() < now.expires_at OR EXISTS (SELECT FROM decisions d WHERE d.proposal = p.id AND d.stage = now.stage)
    THEN RETURN false; END IF;
  ended := coalesce(first ->> 'expires_at', '') <> '' AND stamp() >= first ->> 'expires_at';
  PERFORM put(p, now, CASE WHEN now.seat ->> 'on_timeout' = 'escalate' AND now.stage < now.stages AND NOT ended
    THEN 'escalate' ELSE 'reject' END, '-', 'expired', '', 'it expired at ' || now.expires_at, 0, '[]');
  RETURN true;
END $$;

CREATE FUNCTION expire(proposal text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = sqlagent, pg_catalog, pg_temp AS $$
DECLARE p proposals; t threads;
BEGIN
  t := mine(substring(expire.proposal from '^(.*)\.[^.]*$'));
  SELECT * INTO p FROM proposals WHERE id = expire.proposal;
  RETURN p.id = t.proposal AND expired(p, standing(p));
END $$;

CREATE FUNCTION ask_back(thread text, turn bigint, question text, choices text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = sqlagent, pg_catalog, pg_temp AS $$
DECLARE t threads := mine(thread); place bigint;
BEGIN
  IF NOT moves(t) OR t.turn <> ask_back.turn OR t.status NOT IN ('new', 'pending') THEN
    PERFORM refuse(session_user || ' may not ask back in ' || t.id, 'sqlagent show ' || t.id); END IF;
  SELECT count(*) + 1 INTO place FROM clarifications c WHERE c.thread = t.id AND c.turn = t.turn AND c.answer <> '';
  INSERT INTO clarifications (thread, turn, number, question, choices, asked_at)
    VALUES (t.id, t.turn, place, ask_back.question, ask_back.choices, stamp())
    ON CONFLICT ON CONSTRAINT clarifications_pkey DO UPDATE SET question = excluded.question, choices = excluded.choices, asked_at = excluded.asked_at;
  UPDATE threads SET status = 'pending', asks = ask_back.question, expires_at = '', message = '', hint = '', updated_at = stamp() WHERE id = t.id;
  PERFORM log('asked back', t.id, jsonb_build_object('question', ask_back.question, 'choices', parsed(ask_back.choices)));
  RETURN place;
END $$;

CREATE FUNCTION answer(thread text, turn bigint, number bigint, answer text, how text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = sqlagent, pg_catalog, pg_temp AS $$
DECLARE t threads := mine(thread); there clarifications;
BEGIN
  SELECT * INTO there FROM clarifications c WHERE (c.thread, c.turn, c.number) = (t.id, answer.turn, answer.number);
  IF there.thread IS NULL OR answer.turn <> t.turn THEN
    PERFORM refuse(t.id || ' asks nothing back', 'sqlagent show ' || t.id); END IF;
  IF there.answer = '' THEN
    UPDATE clarifications c SET answer = answer.answer, answered_by = session_user, how = answer.how, answered_at = stamp()
      WHERE (c.thread, c.turn, c.number) = (t.id, answer.turn, answer.number);
    UPDATE threads SET asks = '', updated_at = stamp() WHERE id = t.id;
    PERFORM log('answered', t.id, jsonb_build_object('how', answer.how, 'answer', answer.answer));
  ELSIF there.answer <> answer.answer THEN
    PERFORM log('refused', t.id, jsonb_build_object('because', 'it was answered already', 'answer', answer.answer));
  END IF;
END $$;

-- ---- runs ----------------------------------------------------------------------------------------------------------

-- Why a proposal may not run; empty where every seat was filled by somebody who may, and the store's own floor is met.
CREATE FUNCTION unfilled(p proposals) RETURNS text LANGUAGE plpgsql VOLATILE
SET search_path = sqlagent, pg_catalog, pg_temp AS $$
DECLARE seats jsonb := seats_of(parsed(p.document)); d decisions; now seat; why text; f floors := floor_of(p); n bigint;
BEGIN
  FOR place IN 1 .. jsonb_array_length(seats) LOOP
    SELECT * INTO d FROM decisions WHERE proposal = p.id AND stage = place;
    now := standing(p, place);
    IF d.proposal IS NULL THEN RETURN format('stage %s of %s is not decided', place, jsonb_array_length(seats)); END IF;
    IF now.stage <> place OR d.digest <> now.digest THEN RETURN format('stage %s was decided on another digest', place); END IF;
    IF d.choice = 'escalate' THEN
      IF place = now.stages OR now.seat ->> 'on_timeout' IS DISTINCT FROM 'escalate' OR (d.decided_by, d.how) <> ('-', 'expired') THEN
        RETURN format('stage %s may not be passed on', place); END IF;
    ELSIF d.choice <> 'approve' THEN RETURN format('stage %s was not approved', place);
    ELSE why := refusal(p, now, d.choice, d.decided_by, d.how); IF why <> '' THEN RETURN why; END IF;
    END IF;
  END LOOP;
  IF f.target IS NOT NULL THEN
    SELECT count(DISTINCT decided_by) INTO n FROM decisions a, parsed(p.document) AS first
      WHERE a.proposal = p.id AND a.choice = 'approve' AND a.how <> 'policy' AND (f.via IS NULL OR door(a.how) = ANY (f.via))
        AND (f.role IS NULL OR coalesce(pg_has_role(to_regrole(quote_ident(a.decided_by)), to_regrole(quote_ident(f.role)), 'MEMBER'), false))
        AND NOT (f.not_requester AND (a.decided_by IN (first ->> 'requested_by', first ->> 'author', first ->> 'edited_by')
          OR a.decided_by = coalesce((SELECT writer FROM written(p) AS writer), '')));
    IF n < f.people THEN RETURN format('the store asks for %s of those who may, and %s approved', f.people, n); END IF;
  END IF;
  RETURN '';
END $$;

-- The one right to run: '' is yes, `not approved`, `superseded`, or `taken` where it began before.
CREATE FUNCTION claim(proposal text, digest text, marked bigint, run_on text, attempt text, same boolean) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = sqlagent, pg_catalog, pg_temp AS $$
DECLARE p proposals; t threads; there runs; why text;
BEGIN
  t := mine(substring(claim.proposal from '^(.*)\.[^.]*$'));
  SELECT * INTO p FROM proposals WHERE id = claim.proposal;
  IF p.id IS NULL THEN PERFORM refuse('no proposal named ' || claim.proposal, 'sqlagent pending lists what waits'); END IF;
  SELECT * INTO there FROM runs r WHERE r.id = p.id;
  IF there.id IS NOT NULL THEN
    RETURN CASE WHEN there.state = 'started' AND there.attempt = claim.attempt AND there.run_by = session_user THEN '' ELSE 'taken' END;
  END IF;
  IF t.proposal <> p.id THEN
    why := 'a later proposal of the thread has taken its place';
  ELSE
    why := unfilled(p);
    IF why = '' AND (NOT claim.same OR claim.digest <> (standing(p)).digest) THEN why := 'it is not what was approved'; END IF;
  END IF;
  IF why <> '' THEN
    PERFORM log('refused', t.id, jsonb_build_object('proposal', p.id, 'digest', claim.digest, 'because', why));
    RETURN CASE WHEN t.proposal <> p.id THEN 'superseded' ELSE 'not approved' END;
  END IF;
  INSERT INTO runs (id, state, marked, run_by, started_at, run_on, attempt)
    VALUES (p.id, 'started', claim.marked, session_user, stamp(), claim.run_on, claim.attempt);
  PERFORM log('claimed', t.id, jsonb_build_object('run', p.id, 'digest', claim.digest), 'runs ' || p.id);
  RETURN '';
END $$;

-- A run that this caller has begun, and that has not ended: nobody else may say what became of it.  From elsewhere (where
-- a process that is still at work cannot be seen) it may only be said that it was applied.
CREATE FUNCTION begun(run text, here text DEFAULT NULL) RETURNS boolean LANGUAGE plpgsql SET search_path = sqlagent, pg_catalog, pg_temp AS $$
DECLARE r runs;
BEGIN
  PERFORM mine(substring(run from '^(.*)\.[^.]*$'));
  SELECT * INTO r FROM runs WHERE id = run;
  IF r.id IS NOT NULL AND r.run_by <> session_user THEN
    PERFORM refuse(format('%s is run by %s', run, r.run_by), format('only %s says how it ended', r.run_by)); END IF;
  IF r.state = 'started' AND r.run_on <> here THEN
    PERFORM refuse(format('%s is run by %s on %s', run, r.run_by, r.run_on), 'go on with it there, or settle it once it is in doubt'); END IF;
  RETURN coalesce(r.state = 'started', false);
END $$;

CREATE FUNCTION give_back(run text, what text, because text, here text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = sqlagent, pg_catalog, pg_temp AS $$
BEGIN
  IF give_back.what NOT IN ('released', 'stale') THEN PERFORM refuse(give_back.what || ' is no way to give a run back', ''); END IF;
  IF begun(run, here) THEN
    DELETE FROM runs r WHERE r.id = give_back.run;
    DELETE FROM changes c WHERE c.run = give_back.run;
    PERFORM log(give_back.what, substring(run from '^(.*)\.[^.]*$'), jsonb_build_object('run', give_back.run, 'because', because),
      'runs ' || give_back.run, 'changes ' || give_back.run);
  END IF;
END $$;

CREATE FUNCTION ended(run text, state text, outcome text, error text, what text, detail jsonb) RETURNS void
LANGUAGE plpgsql SET search_path = sqlagent, pg_catalog, pg_temp AS $$
DECLARE logged text;
BEGIN
  UPDATE runs r SET state = ended.state, ended_at = stamp(), outcome = ended.outcome, error = ended.error WHERE r.id = ended.run;
  DELETE FROM changes c WHERE c.run = ended.run AND c.changeset = '';
  logged := log(what, substring(run from '^(.*)\.[^.]*$'), detail || jsonb_build_object('run', ended.run), 'runs ' || ended.run, 'changes ' || ended.run);
  UPDATE runs r SET audit_head = logged WHERE r.id = ended.run;
END $$;

CREATE FUNCTION done(run text, outcome text, changed text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = sqlagent, pg_catalog, pg_temp AS $$
BEGIN
  IF NOT begun(run) THEN RETURN false; END IF;
  PERFORM ended(run, 'done', outcome, '', 'committed', jsonb_build_object('changed', parsed(changed)));
  RETURN true;
END $$;
CREATE FUNCTION failed(run text, error text, here text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = sqlagent, pg_catalog, pg_temp AS $$
BEGIN
  IF NOT begun(run, here) THEN RETURN false; END IF;
  PERFORM ended(run, 'failed', '', error, 'rolled back', jsonb_build_object('because', error));
  RETURN true;
END $$;

-- A person's word on a run whose end nobody saw: who ran it, asked for it or approved it.
CREATE FUNCTION settle(run text, state text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = sqlagent, pg_catalog, pg_temp AS $$
DECLARE t threads := mine(substring(run from '^(.*)\.[^.]*$'));
BEGIN
  IF settle.state NOT IN ('settled-applied', 'settled-not-applied') OR t.status <> 'unknown' OR t.proposal <> settle.run
    OR session_user NOT IN (SELECT run_by FROM runs WHERE id = settle.run UNION SELECT t.requested_by
      UNION SELECT decided_by FROM decisions WHERE proposal = settle.run) THEN
    PERFORM refuse(session_user || ' may not settle ' || settle.run, 'who ran it, asked for it or approved it may, once its end is in doubt');
  END IF;
  IF NOT EXISTS (SELECT FROM runs r WHERE r.id = settle.run AND r.state = 'started') THEN RETURN false; END IF;
  PERFORM ended(run, settle.state, '', 'settled by ' || session_user, 'settled', jsonb_build_object('as_', settle.state));
  RETURN true;
END $$;

CREATE FUNCTION keep(run text, changeset bytea, here text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = sqlagent, pg_catalog, pg_temp AS $$
BEGIN
  IF NOT begun(run, here) THEN PERFORM refuse(run || ' is not under way', 'what a run changed is kept before it ends'); END IF;
  INSERT INTO changes VALUES (keep.run, keep.changeset, stamp()) ON CONFLICT ON CONSTRAINT changes_pkey
    DO UPDATE SET changeset = excluded.changeset, kept_at = excluded.kept_at;
END $$;
CREATE FUNCTION forget(run text, here text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = sqlagent, pg_catalog, pg_temp AS $$
BEGIN
  PERFORM begun(run, here);
  DELETE FROM changes c WHERE c.run = forget.run;
END $$;
-- Everybody forgets what they ran themselves.
CREATE FUNCTION prune(before text) RETURNS SETOF text
LANGUAGE sql SECURITY DEFINER SET search_path = sqlagent, pg_catalog, pg_temp AS $$
  DELETE FROM changes c USING runs r WHERE r.id = c.run AND c.kept_at < prune.before AND r.run_by = session_user
    AND r.state <> 'started' RETURNING c.run $$;

-- ---- examples, notices, leases -------------------------------------------------------------------------------------

CREATE FUNCTION learn(run text, database text, question text, drafted text, final text, choice text, why text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = sqlagent, pg_catalog, pg_temp AS $$
DECLARE t threads := mine(substring(run from '^(.*)\.[^.]*$')); people text; said text;
BEGIN
  SELECT string_agg(DISTINCT decided_by, ', '), max(decided_at) INTO people, said FROM decisions d
    WHERE d.proposal = learn.run AND d.choice = 'approve' AND d.how <> 'policy';
  IF people IS NULL OR NOT EXISTS (SELECT FROM runs r JOIN proposals p ON p.id = r.id WHERE r.id = learn.run AND r.state = 'done'
      AND p.sql = learn.final) THEN
    PERFORM refuse(learn.run || ' is no example: nobody approved it, or it was not run', ''); END IF;
  INSERT INTO examples (target, database, run, question, drafted, final, choice, why, approved_by, approved_at)
    VALUES (t.target, learn.database, learn.run, learn.question, learn.drafted, learn.final, learn.choice, learn.why, people, said)
    ON CONFLICT (target, md5(question), md5(final)) DO UPDATE SET run = excluded.run, drafted = excluded.drafted,
      choice = excluded.choice, why = excluded.why, approved_by = excluded.approved_by, approved_at = excluded.approved_at;
END $$;
-- What speaks against an example: an undo of its run, and a person who rejects the same SQL for the same question.
CREATE FUNCTION unlearn(thread text, turn bigint, question text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = sqlagent, pg_catalog, pg_temp AS $$
DECLARE t threads := mine(thread);
BEGIN
  DELETE FROM examples e USING proposals p, runs r WHERE p.thread = t.id AND p.turn = unlearn.turn AND p.undo_of <> ''
    AND r.id = p.id AND r.state = 'done' AND e.run = p.undo_of;
  DELETE FROM examples e USING proposals p, decisions d WHERE p.thread = t.id AND p.turn = unlearn.turn AND d.proposal = p.id
    AND d.choice = 'reject' AND d.how NOT IN ('auto-reject', 'expired', 'policy') AND e.target = t.target
    AND e.question = unlearn.question AND e.final = p.sql;
END $$;
CREATE FUNCTION forget_examples(ids bigint[], target text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = sqlagent, pg_catalog, pg_temp AS $$
DECLARE gone bigint;
BEGIN
  DELETE FROM examples e WHERE (ids IS NULL OR e.id = ANY (ids)) AND (forget_examples.target = '' OR e.target = forget_examples.target)
    AND (e.target = ANY (seen_targets()) OR '*' = ANY (seen_targets()));
  GET DIAGNOSTICS gone = ROW_COUNT;
  IF gone > 0 THEN
    PERFORM log('forgot', '', jsonb_build_object('target', forget_examples.target, 'examples', coalesce(to_jsonb(ids), to_jsonb('all ' || gone))));
  END IF;
  RETURN gone;
END $$;
CREATE FUNCTION claim_notice(proposal text, stage bigint) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = sqlagent, pg_catalog, pg_temp AS $$
BEGIN
  INSERT INTO notices VALUES (claim_notice.proposal, claim_notice.stage, stamp()) ON CONFLICT DO NOTHING;
  RETURN FOUND;
END $$;

-- One process at a time works on a thread.  It keeps order and is no guard: the claim is.
CREATE FUNCTION lease(thread text, holder text, seconds double precision) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = sqlagent, pg_catalog, pg_temp AS $$
DECLARE other text; free_at timestamptz := clock_timestamp() + least(seconds, 120) * interval '1 second';
BEGIN
  INSERT INTO leases AS l VALUES (lease.thread, lease.holder, session_user, free_at) ON CONFLICT ON CONSTRAINT leases_pkey
    DO UPDATE SET holder = excluded.holder, held_by = excluded.held_by, until = excluded.until
      WHERE l.until < clock_timestamp() OR (l.holder, l.held_by) = (excluded.holder, excluded.held_by);
  IF FOUND THEN RETURN ''; END IF;
  SELECT held_by INTO other FROM leases l WHERE l.thread = lease.thread;
  RETURN other;
END $$;
CREATE FUNCTION unlease(thread text, holder text) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = sqlagent, pg_catalog, pg_temp AS $$
  DELETE FROM leases l WHERE (l.thread, l.holder, l.held_by) = (unlease.thread, unlease.holder, session_user) $$;

-- ---- who sees what, and who may call what --------------------------------------------------------------------------

ALTER TABLE threads ENABLE ROW LEVEL SECURITY;
CREATE POLICY seen ON threads FOR SELECT
  USING ('*' = ANY ((SELECT seen_targets())::text[]) OR target = ANY ((SELECT seen_targets())::text[]));
ALTER TABLE examples ENABLE ROW LEVEL SECURITY;
CREATE POLICY seen ON examples FOR SELECT
  USING ('*' = ANY ((SELECT seen_targets())::text[]) OR target = ANY ((SELECT seen_targets())::text[]));
DO $$
DECLARE of_thread text;
BEGIN
  FOREACH of_thread IN ARRAY ARRAY['turns thread', 'proposals thread', 'clarifications thread', 'audit nullif(thread,'''')',
      'decisions regexp_replace(proposal,''\.[^.]*$'','''')', 'runs regexp_replace(id,''\.[^.]*$'','''')',
      'changes regexp_replace(run,''\.[^.]*$'','''')', 'notices regexp_replace(proposal,''\.[^.]*$'','''')', 'leases thread'] LOOP
    EXECUTE format('ALTER TABLE %1$I ENABLE ROW LEVEL SECURITY', split_part(of_thread, ' ', 1));
    EXECUTE format('CREATE POLICY seen ON %1$I FOR SELECT USING (''*'' = ANY ((SELECT seen_targets())::text[])
      OR %2$s IS NULL OR EXISTS (SELECT FROM threads t WHERE t.id = %2$s))', split_part(of_thread, ' ', 1), split_part(of_thread, ' ', 2));
  END LOOP;
END $$;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA sqlagent FROM PUBLIC;
GRANT USAGE ON SCHEMA sqlagent TO sqlagent_people;
GRANT SELECT ON ALL TABLES IN SCHEMA sqlagent TO sqlagent_people;
GRANT EXECUTE ON FUNCTION admit, ask_again, finish, note, propose, decide, expire, ask_back, answer, claim, give_back, done, failed,
  settle, keep, forget, prune, learn, unlearn, forget_examples, claim_notice, lease, unlease, seen_targets, is_me, field, parsed
  TO sqlagent_people;

-- LangGraph's own tables, made by its setup() as the owner; people need rows of them, never their shape.
RESET ROLE;
CREATE SCHEMA sqlagent_threads AUTHORIZATION sqlagent_owner;
GRANT USAGE ON SCHEMA sqlagent_threads TO sqlagent_people;
ALTER DEFAULT PRIVILEGES FOR ROLE sqlagent_owner IN SCHEMA sqlagent_threads
  GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO sqlagent_people;
INSERT INTO sqlagent.version (number) VALUES (1);
