-- sqlagent's shared store, version 2: whoever sees a part of the record can tell that what they see is whole, and
-- examples are learnt.
--
-- An entry seals the one before it, which may be of a database that its reader does not see.  The hash of that one says
-- nothing of what is in it.

SET LOCAL ROLE sqlagent_owner;
CREATE VIEW sqlagent.links AS SELECT number, hash FROM sqlagent.audit;
COMMENT ON VIEW sqlagent.links IS 'The number and the hash of every entry, for whoever does not see all of them.';
GRANT SELECT ON sqlagent.links TO sqlagent_people;

-- `question` and `final` of the conflict are columns, and not what the function was given.
CREATE OR REPLACE FUNCTION sqlagent.learn(run text, database text, question text, drafted text, final text, choice text, why text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = sqlagent, pg_catalog, pg_temp AS $$
#variable_conflict use_column
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
INSERT INTO sqlagent.version (number) VALUES (2);
RESET ROLE;
