-- What the recorded streams hold. `filler` is not published: its rows make a transaction large enough to be sent
-- before it ends, and are not sent. Run before the slot is made: setup. After it: changes.
\if :setup
CREATE TYPE size AS ENUM ('small', 'large');
CREATE TABLE filler (a integer, b text);
CREATE TABLE goods (id integer PRIMARY KEY, kind size, note text);
CREATE TABLE places (id integer PRIMARY KEY);
CREATE PUBLICATION golden_stream FOR TABLE goods, places;
\else
\set fill 'INSERT INTO filler SELECT g, repeat(\'x\', 500) FROM generate_series(1, 200) g'
INSERT INTO goods VALUES (1, 'small', 'whole');

BEGIN;
INSERT INTO goods VALUES (2, 'large', 'streamed'), (3, 'large', NULL);
:fill;
UPDATE goods SET note = 'changed' WHERE id = 2;
SAVEPOINT a;
INSERT INTO goods VALUES (4, 'small', 'void');
DELETE FROM goods WHERE id = 1;
:fill;
SAVEPOINT b;
ALTER TABLE goods ADD COLUMN more integer DEFAULT 5;
INSERT INTO goods VALUES (5, 'small', 'void too', 6);
:fill;
ROLLBACK TO a;
SELECT pg_logical_emit_message(true, 'golden', 'in a stream');
INSERT INTO goods VALUES (6, 'small', 'after the rollback');
:fill;
SAVEPOINT c;
INSERT INTO places VALUES (1);
RELEASE c;
DELETE FROM goods WHERE id = 3;
COMMIT;

INSERT INTO goods VALUES (7, 'small', 'whole');

BEGIN;
INSERT INTO goods VALUES (8, 'small', 'never');
:fill;
SELECT pg_logical_emit_message(false, 'golden', 'at once');
SAVEPOINT a;
INSERT INTO goods VALUES (9, 'small', 'never');
:fill;
ROLLBACK;

BEGIN;
:fill;
COMMIT;

BEGIN;
TRUNCATE places;
INSERT INTO places VALUES (2);
:fill;
ALTER TABLE goods ADD COLUMN more integer DEFAULT 5;
INSERT INTO goods VALUES (10, 'large', 'another shape', 6);
:fill;
COMMIT;
INSERT INTO goods VALUES (11, 'large', 'that shape', 7);
\endif
