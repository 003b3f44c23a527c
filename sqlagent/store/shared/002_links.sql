-- sqlagent's shared store, version 2: whoever sees a part of the record can tell that what they see is whole.
--
-- An entry seals the one before it, which may be of a database that its reader does not see.  The hash of that one says
-- nothing of what is in it.

SET LOCAL ROLE sqlagent_owner;
CREATE VIEW sqlagent.links AS SELECT number, hash FROM sqlagent.audit;
COMMENT ON VIEW sqlagent.links IS 'The number and the hash of every entry, for whoever does not see all of them.';
GRANT SELECT ON sqlagent.links TO sqlagent_people;
INSERT INTO sqlagent.version (number) VALUES (2);
RESET ROLE;
