-- What version 2 adds to `schema.sql`: the trial ledger, so that the best of many is judged as the best of many.
--
-- Theory of operation. A trial is one configuration that was ever tried, known by its hash; a family is what trials
-- compete in: one strategy on the same instruments and bars. Both are facts: rows are added and never changed.
-- A row that is known is kept as it was first recorded, so recording it again, also by REPLACE, adds nothing.

CREATE TABLE trial_family (
  id INTEGER NOT NULL PRIMARY KEY CHECK (id > 0),
  name TEXT NOT NULL UNIQUE CHECK (name <> '')
) STRICT;

-- `sharpe` is a statistic and not money: mean over standard deviation of the trial's daily returns, NULL when unknown.
CREATE TABLE trial (
  family_id INTEGER NOT NULL REFERENCES trial_family (id),
  hash BLOB NOT NULL CHECK (length(hash) = 32),
  session_id INTEGER REFERENCES session (id),
  recorded_ns INTEGER NOT NULL,
  sharpe REAL,
  PRIMARY KEY (family_id, hash)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER trial_insert BEFORE INSERT ON trial
 WHEN EXISTS (SELECT 1 FROM trial WHERE family_id = new.family_id AND hash = new.hash)
BEGIN
  SELECT RAISE(IGNORE);
END;

CREATE TRIGGER trial_family_insert BEFORE INSERT ON trial_family
 WHEN EXISTS (SELECT 1 FROM trial_family WHERE id = new.id OR name = new.name)
BEGIN
  SELECT RAISE(IGNORE);
END;

CREATE TRIGGER trial_update BEFORE UPDATE ON trial BEGIN SELECT RAISE(ABORT, 'trial: rows are never changed'); END;
CREATE TRIGGER trial_delete BEFORE DELETE ON trial BEGIN SELECT RAISE(ABORT, 'trial: rows are never deleted'); END;
CREATE TRIGGER trial_family_update BEFORE UPDATE ON trial_family BEGIN SELECT RAISE(ABORT, 'trial_family: rows are never changed'); END;
CREATE TRIGGER trial_family_delete BEFORE DELETE ON trial_family BEGIN SELECT RAISE(ABORT, 'trial_family: rows are never deleted'); END;
