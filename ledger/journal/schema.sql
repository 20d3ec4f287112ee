-- The DDL of the journal; `schema_2.sql` and `schema_3.sql` add to it.
--
-- Theory of operation. `session`, `session_end`, `name` and `event` are facts: rows are added and never
-- changed. `lease` and `snapshot` are about running. All other tables are projections: what the book says
-- after the events up to `account.seq`, comparable at any time with a replay.
-- A BEFORE INSERT trigger guards each table of facts, because INSERT OR REPLACE deletes without firing a
-- DELETE trigger unless recursive_triggers is on, and other programs leave it off.
-- Money is e8 of the currency, time is ns since 1970 UTC, quantities are lots, prices are ticks.

CREATE TABLE session (
  id INTEGER NOT NULL PRIMARY KEY CHECK (id > 0),
  kind TEXT NOT NULL CHECK (kind IN ('backtest', 'fuzz', 'paper', 'import')),
  scope TEXT NOT NULL CHECK (scope <> ''),
  exclusive INTEGER NOT NULL CHECK (exclusive IN (0, 1)),
  parent INTEGER NOT NULL CHECK (parent >= 0 AND parent < id),
  started_ns INTEGER NOT NULL,
  pid INTEGER NOT NULL,
  host TEXT NOT NULL,
  boot_id TEXT NOT NULL,
  git_sha TEXT NOT NULL,
  dirty INTEGER NOT NULL CHECK (dirty IN (0, 1)),
  source_hash TEXT NOT NULL CHECK (length(source_hash) = 64),
  config_hash TEXT NOT NULL CHECK (length(config_hash) = 64),
  config TEXT NOT NULL,
  versions TEXT NOT NULL,
  seed INTEGER NOT NULL,
  method INTEGER NOT NULL CHECK (method BETWEEN 0 AND 3),
  book_version INTEGER NOT NULL
) STRICT;

-- An ended session takes no further event.
CREATE TABLE session_end (
  session_id INTEGER NOT NULL PRIMARY KEY REFERENCES session (id),
  ended_ns INTEGER NOT NULL,
  status TEXT NOT NULL CHECK (status NOT IN ('', 'open')),
  events INTEGER NOT NULL CHECK (events >= 0),
  digest TEXT NOT NULL CHECK (length(digest) = 64)
) STRICT;

-- Texts that events name by number: symbols, execution ids, strategies, operators, evidence.
CREATE TABLE name (
  session_id INTEGER NOT NULL REFERENCES session (id), number INTEGER NOT NULL CHECK (number > 0),
  text TEXT NOT NULL, hash BLOB NOT NULL CHECK (length(hash) = 32),
  PRIMARY KEY (session_id, number),
  UNIQUE (session_id, text)
) STRICT, WITHOUT ROWID;

-- What the broker sent, word for word, as evidence beside the events made of it. No event depends on it.
CREATE TABLE broker_event (
  session_id INTEGER NOT NULL REFERENCES session (id), number INTEGER NOT NULL CHECK (number > 0),
  received_ns INTEGER NOT NULL, source TEXT NOT NULL CHECK (source <> ''), body TEXT NOT NULL,
  PRIMARY KEY (session_id, number)
) STRICT, WITHOUT ROWID;

-- One event: 20 integers, the same as in the kernels' log; `seq` is gapless in its session.
-- The insert trigger looks the session up for its fence, so a foreign key would ask twice.
CREATE TABLE event (
  session_id INTEGER NOT NULL, seq INTEGER NOT NULL CHECK (seq > 0), fence INTEGER NOT NULL CHECK (fence >= 0),
  recorded_ns INTEGER NOT NULL, time_ns INTEGER NOT NULL,
  kind INTEGER NOT NULL CHECK (kind BETWEEN 1 AND 30 AND kind <> 9), key INTEGER NOT NULL,
  instrument INTEGER NOT NULL, side INTEGER NOT NULL, qty_lots INTEGER NOT NULL, price_ticks INTEGER NOT NULL,
  cash_e8 INTEGER NOT NULL, fee_e8 INTEGER NOT NULL, exec_id INTEGER NOT NULL, revision INTEGER NOT NULL,
  target_lots INTEGER NOT NULL, order_type INTEGER NOT NULL, flags INTEGER NOT NULL, stop_ticks INTEGER NOT NULL,
  take_ticks INTEGER NOT NULL, trail_ticks INTEGER NOT NULL, parent INTEGER NOT NULL, reason INTEGER NOT NULL,
  ref INTEGER NOT NULL, hash BLOB NOT NULL CHECK (length(hash) = 32),
  PRIMARY KEY (session_id, seq)
) STRICT, WITHOUT ROWID;

-- The second, independent guard: the core knows seen keys and executions, and so does SQL. Kinds: 10 CLAIM, 20 FILL, 11 REFUSED.
CREATE UNIQUE INDEX event_claim ON event (session_id, key) WHERE kind = 10;
CREATE UNIQUE INDEX event_fill ON event (session_id, exec_id, revision) WHERE kind = 20;
CREATE INDEX event_refused ON event (session_id, seq) WHERE kind = 11;

-- Who may write to an account: the fence grows with every owner.
CREATE TABLE lease (
  scope TEXT NOT NULL PRIMARY KEY,
  session_id INTEGER NOT NULL REFERENCES session (id),
  fence INTEGER NOT NULL CHECK (fence > 0),
  pid INTEGER NOT NULL,
  host TEXT NOT NULL,
  boot_id TEXT NOT NULL,
  since_ns INTEGER NOT NULL,
  source_hash TEXT NOT NULL,
  heartbeat_ns INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- A book's bytes are kept in a file beside the database; this row says which, and after which event.
CREATE TABLE snapshot (
  session_id INTEGER NOT NULL REFERENCES session (id),
  seq INTEGER NOT NULL CHECK (seq > 0),
  event_hash BLOB NOT NULL CHECK (length(event_hash) = 32),
  digest TEXT NOT NULL CHECK (length(digest) = 64),
  file_hash TEXT NOT NULL CHECK (length(file_hash) = 64),
  core_hash TEXT NOT NULL,
  file TEXT NOT NULL,
  PRIMARY KEY (session_id, seq)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER session_insert BEFORE INSERT ON session
BEGIN
  SELECT RAISE(ABORT, 'session: ids are given in order, and a session is never replaced')
   WHERE new.id IS NOT coalesce((SELECT max(id) FROM session), 0) + 1;
  SELECT RAISE(ABORT, 'session: this scope has an exclusive session that has not ended')
   WHERE new.exclusive = 1 AND EXISTS (
     SELECT 1 FROM session AS other
      WHERE other.scope = new.scope AND other.exclusive = 1
        AND NOT EXISTS (SELECT 1 FROM session_end WHERE session_id = other.id));
END;

CREATE TRIGGER session_end_insert BEFORE INSERT ON session_end
BEGIN
  SELECT RAISE(ABORT, 'session_end: a session ends once')
   WHERE EXISTS (SELECT 1 FROM session_end WHERE session_id = new.session_id);
  SELECT RAISE(ABORT, 'session_end: the number of events is not what is stored')
   WHERE new.events IS NOT coalesce((SELECT max(seq) FROM event WHERE session_id = new.session_id), 0);
END;

CREATE TRIGGER name_insert BEFORE INSERT ON name
BEGIN
  SELECT RAISE(ABORT, 'name: numbers are dense, and a name is never replaced')
   WHERE new.number IS NOT coalesce((SELECT max(number) FROM name WHERE session_id = new.session_id), 0) + 1
      OR EXISTS (SELECT 1 FROM name WHERE session_id = new.session_id AND text = new.text);
END;

CREATE TRIGGER broker_event_insert BEFORE INSERT ON broker_event
BEGIN
  SELECT RAISE(ABORT, 'broker_event: numbers are dense, and a message is never replaced')
   WHERE new.number IS NOT coalesce((SELECT max(number) FROM broker_event WHERE session_id = new.session_id), 0) + 1;
END;

CREATE TRIGGER event_insert BEFORE INSERT ON event
BEGIN
  SELECT RAISE(ABORT, 'event: seq is gapless, and an event is never replaced')
   WHERE new.seq IS NOT coalesce((SELECT max(seq) FROM event WHERE session_id = new.session_id), 0) + 1;
  SELECT RAISE(ABORT, 'event: stale fence, the lease of this account belongs to somebody else')
   WHERE new.fence IS NOT (
     SELECT CASE s.exclusive WHEN 0 THEN 0 ELSE
              (SELECT fence FROM lease WHERE lease.scope = s.scope AND lease.session_id = s.id) END
       FROM session AS s WHERE s.id = new.session_id);
  SELECT RAISE(ABORT, 'event: the session has ended')
   WHERE EXISTS (SELECT 1 FROM session_end WHERE session_id = new.session_id);
  SELECT RAISE(ABORT, 'event: this key is claimed already')
   WHERE new.kind = 10
     AND EXISTS (SELECT 1 FROM event WHERE session_id = new.session_id AND kind = 10 AND key = new.key);
  SELECT RAISE(ABORT, 'event: this execution is booked already')
   WHERE new.kind = 20
     AND EXISTS (SELECT 1 FROM event WHERE session_id = new.session_id AND kind = 20
                    AND exec_id = new.exec_id AND revision = new.revision);
END;

CREATE TRIGGER lease_insert BEFORE INSERT ON lease
BEGIN
  SELECT RAISE(ABORT, 'lease: a lease is passed on, never replaced')
   WHERE EXISTS (SELECT 1 FROM lease WHERE scope = new.scope);
END;

CREATE TRIGGER lease_update BEFORE UPDATE ON lease
WHEN new.scope IS NOT old.scope OR new.fence < old.fence
BEGIN SELECT RAISE(ABORT, 'lease: a fence never goes back'); END;

-- Projections. Columns are the book's own; see ledger/journal/projection.py for where each comes from.
CREATE TABLE instrument (
  session_id INTEGER NOT NULL REFERENCES session (id), number INTEGER NOT NULL CHECK (number > 0),
  symbol TEXT NOT NULL, price_exp INTEGER NOT NULL, qty_exp INTEGER NOT NULL, multiply INTEGER NOT NULL,
  divide INTEGER NOT NULL, step_lots INTEGER NOT NULL, tick_ticks INTEGER NOT NULL, flags INTEGER NOT NULL,
  position_lots INTEGER NOT NULL, open_cost_e8 INTEGER NOT NULL, short_hold_e8 INTEGER NOT NULL,
  realized_e8 INTEGER NOT NULL, fees_e8 INTEGER NOT NULL, income_e8 INTEGER NOT NULL,
  unmatched_lots INTEGER NOT NULL, unmatched_value_e8 INTEGER NOT NULL,
  mark_ticks INTEGER NOT NULL CHECK (mark_ticks >= 0), mark_time_ns INTEGER NOT NULL, value_e8 INTEGER NOT NULL,
  gates INTEGER NOT NULL, working_lots INTEGER NOT NULL, live_entries INTEGER NOT NULL, is_open INTEGER NOT NULL,
  open_lots_count INTEGER NOT NULL, entries INTEGER NOT NULL, version INTEGER NOT NULL,
  PRIMARY KEY (session_id, number)
) STRICT, WITHOUT ROWID;
CREATE TABLE "order" (
  session_id INTEGER NOT NULL REFERENCES session (id), number INTEGER NOT NULL CHECK (number >= 0),
  key INTEGER NOT NULL CHECK (key > 0), instrument INTEGER NOT NULL,
  status INTEGER NOT NULL CHECK (status BETWEEN 1 AND 10), side INTEGER NOT NULL CHECK (side IN (-1, 1)),
  qty_lots INTEGER NOT NULL CHECK (qty_lots > 0), filled_lots INTEGER NOT NULL CHECK (filled_lots >= 0),
  filled_value_e8 INTEGER NOT NULL, reserve_e8 INTEGER NOT NULL CHECK (reserve_e8 >= 0),
  target_lots INTEGER NOT NULL, order_type INTEGER NOT NULL, flags INTEGER NOT NULL, price_ticks INTEGER NOT NULL,
  stop_ticks INTEGER NOT NULL, take_ticks INTEGER NOT NULL, trail_ticks INTEGER NOT NULL, parent INTEGER NOT NULL,
  time_ns INTEGER NOT NULL, seq INTEGER NOT NULL, changed_seq INTEGER NOT NULL,
  PRIMARY KEY (session_id, number),
  CHECK (status <> 6 OR filled_lots >= qty_lots OR (flags & 4096) <> 0),
  CHECK (status <> 10 OR filled_lots = 0 OR (flags & 3072) <> 0)
) STRICT, WITHOUT ROWID;
CREATE TABLE execution (
  session_id INTEGER NOT NULL REFERENCES session (id), number INTEGER NOT NULL CHECK (number >= 0),
  exec_id INTEGER NOT NULL, revision INTEGER NOT NULL, kind INTEGER NOT NULL, order_number INTEGER NOT NULL,
  instrument INTEGER NOT NULL, side INTEGER NOT NULL, qty_lots INTEGER NOT NULL, price_ticks INTEGER NOT NULL,
  value_e8 INTEGER NOT NULL, fee_e8 INTEGER NOT NULL, flags INTEGER NOT NULL, time_ns INTEGER NOT NULL,
  seq INTEGER NOT NULL, ref INTEGER NOT NULL,
  PRIMARY KEY (session_id, number)
) STRICT, WITHOUT ROWID;
CREATE TABLE lot (
  session_id INTEGER NOT NULL REFERENCES session (id), number INTEGER NOT NULL CHECK (number >= 0),
  instrument INTEGER NOT NULL, entry INTEGER NOT NULL, side INTEGER NOT NULL CHECK (side IN (-1, 1)),
  qty_lots INTEGER NOT NULL, open_lots INTEGER NOT NULL CHECK (open_lots BETWEEN 0 AND qty_lots),
  value_e8 INTEGER NOT NULL, cost_e8 INTEGER NOT NULL, version INTEGER NOT NULL,
  PRIMARY KEY (session_id, number)
) STRICT, WITHOUT ROWID;
CREATE TABLE alloc (
  session_id INTEGER NOT NULL REFERENCES session (id), number INTEGER NOT NULL CHECK (number >= 0),
  lot INTEGER NOT NULL, close_entry INTEGER NOT NULL, instrument INTEGER NOT NULL,
  side INTEGER NOT NULL CHECK (side IN (-1, 1)), qty_lots INTEGER NOT NULL CHECK (qty_lots > 0),
  cost_e8 INTEGER NOT NULL, proceeds_e8 INTEGER NOT NULL, version INTEGER NOT NULL, open_time_ns INTEGER NOT NULL,
  close_time_ns INTEGER NOT NULL, day INTEGER NOT NULL,
  pnl_e8 INTEGER NOT NULL GENERATED ALWAYS AS (side * (proceeds_e8 - cost_e8)) STORED,
  PRIMARY KEY (session_id, number),
  CHECK (open_time_ns <= close_time_ns)
) STRICT, WITHOUT ROWID;
-- Fees come later than fills, so an allocation's share of them stands in a row of its own.
CREATE TABLE alloc_fee (
  session_id INTEGER NOT NULL REFERENCES session (id), number INTEGER NOT NULL CHECK (number >= 0),
  open_fee_e8 INTEGER NOT NULL, close_fee_e8 INTEGER NOT NULL, known INTEGER NOT NULL CHECK (known IN (0, 1)),
  PRIMARY KEY (session_id, number)
) STRICT, WITHOUT ROWID;
-- A closer, or a part of one, that found no lot: profit nobody can know, and so never a NULL among the known.
CREATE TABLE unmatched (
  session_id INTEGER NOT NULL REFERENCES session (id), number INTEGER NOT NULL CHECK (number >= 0),
  entry INTEGER NOT NULL, instrument INTEGER NOT NULL, qty_lots INTEGER NOT NULL CHECK (qty_lots > 0),
  value_e8 INTEGER NOT NULL, reason INTEGER NOT NULL CHECK (reason > 0), version INTEGER NOT NULL,
  PRIMARY KEY (session_id, number)
) STRICT, WITHOUT ROWID;
CREATE TABLE account (
  session_id INTEGER NOT NULL REFERENCES session (id), book_version INTEGER NOT NULL, seq INTEGER NOT NULL,
  method INTEGER NOT NULL, cash_e8 INTEGER NOT NULL, deposits_e8 INTEGER NOT NULL, realized_e8 INTEGER NOT NULL,
  fees_e8 INTEGER NOT NULL, income_e8 INTEGER NOT NULL, adjusted_e8 INTEGER NOT NULL, unmatched_e8 INTEGER NOT NULL,
  open_cost_e8 INTEGER NOT NULL, short_hold_e8 INTEGER NOT NULL, reserved_e8 INTEGER NOT NULL,
  value_e8 INTEGER NOT NULL, unmarked INTEGER NOT NULL CHECK (unmarked >= 0), open_count INTEGER NOT NULL,
  overdrawn INTEGER NOT NULL, gates INTEGER NOT NULL, day INTEGER NOT NULL, day_equity_e8 INTEGER NOT NULL,
  day_known INTEGER NOT NULL, day_flows_e8 INTEGER NOT NULL, day_orders INTEGER NOT NULL, claims INTEGER NOT NULL,
  fills INTEGER NOT NULL, rebooks INTEGER NOT NULL,
  PRIMARY KEY (session_id)
) STRICT, WITHOUT ROWID;
-- The equity curve, as the session's owner sampled it. Where a position had no price, `unmarked` is not 0 and equity is unknown.
CREATE TABLE valuation (
  session_id INTEGER NOT NULL REFERENCES session (id), number INTEGER NOT NULL CHECK (number > 0),
  time_ns INTEGER NOT NULL, day INTEGER NOT NULL, cash_e8 INTEGER NOT NULL, positions_e8 INTEGER NOT NULL,
  equity_e8 INTEGER NOT NULL, unmarked INTEGER NOT NULL CHECK (unmarked >= 0),
  PRIMARY KEY (session_id, number),
  CHECK (equity_e8 = cash_e8 + positions_e8)
) STRICT, WITHOUT ROWID;

-- Closed against change: facts, and the projections that only grow.
CREATE TRIGGER session_update BEFORE UPDATE ON session BEGIN SELECT RAISE(ABORT, 'session: rows are never changed'); END;
CREATE TRIGGER session_end_update BEFORE UPDATE ON session_end BEGIN SELECT RAISE(ABORT, 'session_end: rows are never changed'); END;
CREATE TRIGGER name_update BEFORE UPDATE ON name BEGIN SELECT RAISE(ABORT, 'name: rows are never changed'); END;
CREATE TRIGGER broker_event_update BEFORE UPDATE ON broker_event BEGIN SELECT RAISE(ABORT, 'broker_event: rows are never changed'); END;
CREATE TRIGGER event_update BEFORE UPDATE ON event BEGIN SELECT RAISE(ABORT, 'event: rows are never changed'); END;
CREATE TRIGGER alloc_update BEFORE UPDATE ON alloc BEGIN SELECT RAISE(ABORT, 'alloc: rows are never changed'); END;
CREATE TRIGGER unmatched_update BEFORE UPDATE ON unmatched BEGIN SELECT RAISE(ABORT, 'unmatched: rows are never changed'); END;
CREATE TRIGGER valuation_update BEFORE UPDATE ON valuation BEGIN SELECT RAISE(ABORT, 'valuation: rows are never changed'); END;
CREATE TRIGGER session_delete BEFORE DELETE ON session BEGIN SELECT RAISE(ABORT, 'session: rows are never deleted'); END;
CREATE TRIGGER session_end_delete BEFORE DELETE ON session_end BEGIN SELECT RAISE(ABORT, 'session_end: rows are never deleted'); END;
CREATE TRIGGER name_delete BEFORE DELETE ON name BEGIN SELECT RAISE(ABORT, 'name: rows are never deleted'); END;
CREATE TRIGGER broker_event_delete BEFORE DELETE ON broker_event BEGIN SELECT RAISE(ABORT, 'broker_event: rows are never deleted'); END;
CREATE TRIGGER event_delete BEFORE DELETE ON event BEGIN SELECT RAISE(ABORT, 'event: rows are never deleted'); END;
CREATE TRIGGER lease_delete BEFORE DELETE ON lease BEGIN SELECT RAISE(ABORT, 'lease: rows are never deleted'); END;
CREATE TRIGGER instrument_delete BEFORE DELETE ON instrument BEGIN SELECT RAISE(ABORT, 'instrument: rows are never deleted'); END;
CREATE TRIGGER order_delete BEFORE DELETE ON "order" BEGIN SELECT RAISE(ABORT, 'order: rows are never deleted'); END;
CREATE TRIGGER execution_delete BEFORE DELETE ON execution BEGIN SELECT RAISE(ABORT, 'execution: rows are never deleted'); END;
CREATE TRIGGER lot_delete BEFORE DELETE ON lot BEGIN SELECT RAISE(ABORT, 'lot: rows are never deleted'); END;
CREATE TRIGGER alloc_delete BEFORE DELETE ON alloc BEGIN SELECT RAISE(ABORT, 'alloc: rows are never deleted'); END;
CREATE TRIGGER alloc_fee_delete BEFORE DELETE ON alloc_fee BEGIN SELECT RAISE(ABORT, 'alloc_fee: rows are never deleted'); END;
CREATE TRIGGER unmatched_delete BEFORE DELETE ON unmatched BEGIN SELECT RAISE(ABORT, 'unmatched: rows are never deleted'); END;
CREATE TRIGGER account_delete BEFORE DELETE ON account BEGIN SELECT RAISE(ABORT, 'account: rows are never deleted'); END;
CREATE TRIGGER valuation_delete BEFORE DELETE ON valuation BEGIN SELECT RAISE(ABORT, 'valuation: rows are never deleted'); END;
CREATE TRIGGER alloc_insert BEFORE INSERT ON alloc
WHEN EXISTS (SELECT 1 FROM alloc WHERE session_id = new.session_id AND number = new.number)
BEGIN SELECT RAISE(ABORT, 'alloc: rows are never replaced'); END;
CREATE TRIGGER unmatched_insert BEFORE INSERT ON unmatched
WHEN EXISTS (SELECT 1 FROM unmatched WHERE session_id = new.session_id AND number = new.number)
BEGIN SELECT RAISE(ABORT, 'unmatched: rows are never replaced'); END;
CREATE TRIGGER valuation_insert BEFORE INSERT ON valuation
WHEN EXISTS (SELECT 1 FROM valuation WHERE session_id = new.session_id AND number = new.number)
BEGIN SELECT RAISE(ABORT, 'valuation: rows are never replaced'); END;

-- Views. Only the current version of each instrument counts as profit; v_versions shows the older ones.
-- A fee nobody knows yet makes the net profit NULL, never 0. No product of two amounts anywhere.
-- `day` of a trade is the clock's date in the session's zone; `ledger/views/days.py` says which trading day was in force.

CREATE VIEW v_pnl_trade AS
SELECT a.session_id, a.number, a.instrument, i.symbol, a.side, a.qty_lots, a.cost_e8, a.proceeds_e8, a.pnl_e8,
       CASE f.known WHEN 1 THEN f.open_fee_e8 END AS open_fee_e8,
       CASE f.known WHEN 1 THEN f.close_fee_e8 END AS close_fee_e8,
       CASE f.known WHEN 1 THEN a.pnl_e8 - f.open_fee_e8 - f.close_fee_e8 END AS net_e8,
       a.open_time_ns, a.close_time_ns, a.day, opener.order_number AS open_order, closer.order_number AS close_order,
       i.qty_exp
  FROM alloc AS a
  JOIN instrument AS i ON i.session_id = a.session_id AND i.number = a.instrument AND i.version = a.version
  JOIN lot AS l ON l.session_id = a.session_id AND l.number = a.lot
  JOIN execution AS opener ON opener.session_id = a.session_id AND opener.number = l.entry
  JOIN execution AS closer ON closer.session_id = a.session_id AND closer.number = a.close_entry
  LEFT JOIN alloc_fee AS f ON f.session_id = a.session_id AND f.number = a.number;

CREATE VIEW v_pnl_symbol AS
SELECT session_id, instrument, symbol, count(*) AS trades, sum(pnl_e8 > 0) AS winners, sum(pnl_e8) AS pnl_e8,
       CASE WHEN count(*) = count(net_e8) THEN sum(net_e8) END AS net_e8, count(*) - count(net_e8) AS fees_unknown
  FROM v_pnl_trade
 GROUP BY session_id, instrument, symbol;

CREATE VIEW v_pnl_day AS
SELECT session_id, day, count(*) AS trades, sum(pnl_e8 > 0) AS winners, sum(pnl_e8) AS pnl_e8,
       CASE WHEN count(*) = count(net_e8) THEN sum(net_e8) END AS net_e8, count(*) - count(net_e8) AS fees_unknown
  FROM v_pnl_trade
 GROUP BY session_id, day;

CREATE VIEW v_positions AS
SELECT session_id, number AS instrument, symbol, position_lots, open_cost_e8, realized_e8, fees_e8, income_e8,
       CASE WHEN mark_ticks > 0 THEN mark_ticks END AS mark_ticks,
       CASE WHEN mark_ticks > 0 THEN mark_time_ns END AS mark_time_ns,
       CASE WHEN mark_ticks > 0 OR position_lots = 0 THEN value_e8 END AS value_e8,
       CASE WHEN mark_ticks > 0 OR position_lots = 0 THEN value_e8 - open_cost_e8 END AS unrealized_e8,
       working_lots, unmatched_lots, gates, price_exp, qty_exp
  FROM instrument;

CREATE VIEW v_lots AS
SELECT l.session_id, l.number, l.instrument, i.symbol, l.side, l.qty_lots, l.open_lots, l.cost_e8, e.time_ns AS open_time_ns
  FROM lot AS l
  JOIN instrument AS i ON i.session_id = l.session_id AND i.number = l.instrument AND i.version = l.version
  JOIN execution AS e ON e.session_id = l.session_id AND e.number = l.entry
 WHERE l.open_lots > 0;

CREATE VIEW v_orders AS
SELECT o.session_id, o.number, o.key, n.text AS strategy, o.instrument, i.symbol, o.status, o.side, o.qty_lots, o.filled_lots,
       o.filled_value_e8, o.target_lots, o.order_type, o.flags, o.price_ticks, o.parent, o.time_ns, o.seq, o.changed_seq
  FROM "order" AS o
  JOIN instrument AS i ON i.session_id = o.session_id AND i.number = o.instrument
  LEFT JOIN name AS n ON n.session_id = o.session_id AND n.number = o.key >> 54;

CREATE VIEW v_refusals AS
SELECT e.session_id, e.seq, e.time_ns, e.reason, e.key, e.instrument, i.symbol, e.target_lots, e.price_ticks
  FROM event AS e
  LEFT JOIN instrument AS i ON i.session_id = e.session_id AND i.number = e.instrument
 WHERE e.kind = 11;

CREATE VIEW v_unmatched AS
SELECT u.session_id, u.number, u.instrument, i.symbol, u.qty_lots, u.value_e8, u.reason, e.time_ns
  FROM unmatched AS u
  JOIN instrument AS i ON i.session_id = u.session_id AND i.number = u.instrument AND i.version = u.version
  JOIN execution AS e ON e.session_id = u.session_id AND e.number = u.entry;

CREATE VIEW v_equity AS
SELECT session_id, number, time_ns, day, cash_e8, CASE WHEN unmarked = 0 THEN positions_e8 END AS positions_e8,
       CASE WHEN unmarked = 0 THEN equity_e8 END AS equity_e8, unmarked
  FROM valuation;

CREATE VIEW v_versions AS
SELECT i.session_id, i.number AS instrument, i.symbol, a.version, i.version AS current_version, count(*) AS trades,
       sum(a.pnl_e8) AS pnl_e8, i.realized_e8 AS current_pnl_e8, i.realized_e8 - sum(a.pnl_e8) AS difference_e8
  FROM alloc AS a
  JOIN instrument AS i ON i.session_id = a.session_id AND i.number = a.instrument
 GROUP BY i.session_id, i.number, a.version;

CREATE VIEW v_sessions AS
SELECT s.id, s.kind, s.scope, s.parent, s.started_ns, e.ended_ns, coalesce(e.status, 'open') AS status,
       coalesce((SELECT max(seq) FROM event WHERE session_id = s.id), 0) AS events, e.digest, s.git_sha, s.dirty,
       s.source_hash, s.config_hash, s.versions, s.seed, s.method, s.config, s.exclusive, s.pid, s.host
  FROM session AS s
  LEFT JOIN session_end AS e ON e.session_id = s.id;
