"""`sqlagent help store`: a store that a team shares, and what a large team does past one server."""

STORE = """\
A folder is one person's.  A team shares a store in PostgreSQL 15 or later, where
the server says who somebody is, and lets them do what they may and no more.

  sqlagent store init postgresql://db/sqlagent      once, by the database's owner
  CREATE ROLE ana LOGIN IN ROLE sqlagent_people;    a login for every person
  CREATE ROLE porter LOGIN IN ROLE sqlagent_workers;       and for what runs

  store = "postgresql://ana@db/sqlagent"            in config, or SQLAGENT_STORE

Who        session_user, which no flag, variable or SET ROLE changes.  Policies and
           seats name these logins.  A shared login, a superuser and the store's
           owner are beyond it: `sqlagent store check` says so.
Approve    needs the store, not the database: from any machine
             sqlagent pending --watch       tells your own on_pending, too
             sqlagent resume k7f3 --approve 9f2c41d0... --no-run
Wait       whoever asked keeps the prompt open, or off a terminal says --wait: once it
           is approved elsewhere it runs there; rejected or expired, it ends
             sqlagent run cleanup.sql --wait --expires 2h
Run        whoever has the database: `sqlagent resume k7f3`, or a worker, as many
           as you like; each approval is run once
             sqlagent work
           A worker opens the databases of its own config only.
Writes     are functions that check digest, seats, doors, expiry and claims in the
           transaction; tables can be read only.  `sqlagent store init --sql` prints
           them, for a DBA to read or run (psql -1 -v ON_ERROR_STOP=1 -f).
Two users  of one machine, or of two: who may not read the database may approve
             ana$ sqlagent run cleanup.sql --wait
             ben$ sqlagent pending
             ben$ sqlagent resume k7f3 --approve DIGEST --no-run
Signed     PostgreSQL verifies no signature: ssh-keygen does, where it is brought, where it
           is run (at the claim, and again before COMMIT) and in `audit verify`.  The
           server holds a seat that wants one to that door.
At least   what a change takes, whatever a client's policy says, is the owner's word:
             INSERT INTO sqlagent.floors (target, people, role, via)
             VALUES ('*', 2, 'dba', '{terminal}');
Sees       who sees the sessions of which database, as `sqlagent show --json` has
           its target; empty, and everybody sees all:
             INSERT INTO sqlagent.sees VALUES ('ana', 'sqlite:/srv/shop.db');
Record     one chain, as in a folder: `sqlagent audit verify`, --head, export.
Password   where libpq looks: ~/.pgpass, PGPASSWORD, a service file, a certificate.
Lost       a call whose answer was lost is made again, and counts once.
Costs      in calls to the store, a round trip each (a test counts them):
             ask      28 calls
             pending   2 calls, however much waits
             show      1 call
             resume   42 calls, with the run and its record
Moving     sqlagent store copy URL takes a folder's journal there, entry by entry.

Past one server (known of these, not tried here)
Replicas   `pending`, `show` and `audit` read: give readers a replica's URL.  It is
           behind by its lag; whoever decides needs the primary.
Partitions audit and threads by month, once they are tens of millions: their keys
           then hold the month.  An index by status keeps `pending` short till then.
Pooler     nothing is prepared and no session lock is taken; LISTEN does not reach
           through PgBouncer in transaction mode, the poll of 15 s does.
Aurora     (RDS, Cloud SQL) as it is.  A failover is a lost connection.
Neon       as it is; a branch has its parent's record: compare heads before use.
Citus      the schema on the coordinator, as local tables; nothing is distributed.
CockroachDB not supported: functions and row-level policies differ, it has no LISTEN.
"""
