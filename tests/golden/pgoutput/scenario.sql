-- What the recorded feeds hold. Run before the slot is made: setup. After it: changes.
\if :setup
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE DOMAIN postcode AS text CHECK (VALUE ~ '^[0-9]+$');
CREATE SCHEMA "Odd.Schema";
CREATE TABLE types (
    id bigint PRIMARY KEY, small smallint, whole integer, exact numeric(12, 2), real4 real, real8 double precision,
    yes boolean, words text, fixed character(4), raw bytea, at timestamptz, day date, span interval,
    uid uuid, doc jsonb, feeling mood, code postcode, list integer[],
    twice integer GENERATED ALWAYS AS (whole * 2) STORED);
CREATE TABLE "Odd.Schema"."odd ""table""" (region text, id integer, "the value" text, PRIMARY KEY (region, id));
CREATE TABLE by_index (id integer NOT NULL, note text);
CREATE UNIQUE INDEX by_index_key ON by_index (id);
ALTER TABLE by_index REPLICA IDENTITY USING INDEX by_index_key;
CREATE TABLE whole_row (a integer, b text);
ALTER TABLE whole_row REPLICA IDENTITY FULL;
CREATE TABLE toasted (id serial PRIMARY KEY, small integer, big text);
ALTER TABLE toasted ALTER COLUMN big SET STORAGE EXTERNAL;
CREATE TABLE parent (id integer PRIMARY KEY);
CREATE TABLE child (id integer PRIMARY KEY, parent integer REFERENCES parent);
CREATE TABLE no_columns ();
CREATE TABLE parts (id integer PRIMARY KEY, v text) PARTITION BY RANGE (id);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (100);
CREATE PUBLICATION golden FOR ALL TABLES;
\else
INSERT INTO types VALUES
    (1, -2, 3, 12345.67, 1.5, -2.25, true, 'grüße', 'ab', '\x00ff10', '2024-02-29 12:34:56.789+00', '1999-12-31',
     '1 day 02:03:04', '123e4567-e89b-12d3-a456-426614174000', '{"a": [1, null]}', 'happy', '12345', '{1,NULL,3}'),
    (2, NULL, NULL, NULL, NULL, NULL, NULL, '', NULL, '', NULL, NULL, NULL, NULL, NULL, NULL, NULL, '{}');
UPDATE types SET words = 'changed', yes = false WHERE id = 1;
DELETE FROM types WHERE id = 2;

BEGIN;
INSERT INTO "Odd.Schema"."odd ""table""" VALUES ('eu', 1, 'x'), ('us', 1, 'y');
UPDATE "Odd.Schema"."odd ""table""" SET region = 'asia' WHERE region = 'us';
SAVEPOINT s;
DELETE FROM "Odd.Schema"."odd ""table""";
ROLLBACK TO s;
DELETE FROM "Odd.Schema"."odd ""table""" WHERE region = 'asia';
COMMIT;

INSERT INTO by_index VALUES (1, 'one'), (2, NULL);
UPDATE by_index SET id = 3 WHERE id = 1;
UPDATE by_index SET note = 'two' WHERE id = 2;
DELETE FROM by_index WHERE id = 3;

INSERT INTO whole_row VALUES (1, 'x'), (1, 'x'), (NULL, NULL);
UPDATE whole_row SET b = 'z' WHERE a IS NULL;
DELETE FROM whole_row WHERE b = 'z';

INSERT INTO toasted (small, big) VALUES (1, repeat('0123456789', 250));
UPDATE toasted SET small = 2;
UPDATE toasted SET big = 'short';

BEGIN;
INSERT INTO parent VALUES (1);
INSERT INTO child VALUES (10, 1);
TRUNCATE parent CASCADE;
TRUNCATE toasted RESTART IDENTITY;
COMMIT;

BEGIN;
INSERT INTO whole_row VALUES (7, 'before');
ALTER TABLE whole_row ADD COLUMN c integer DEFAULT 5;
INSERT INTO whole_row VALUES (8, 'after', 6);
COMMIT;

INSERT INTO no_columns DEFAULT VALUES;
INSERT INTO parts VALUES (5, 'in a partition');
SELECT pg_logical_emit_message(false, 'golden', 'at once');
BEGIN;
SELECT pg_logical_emit_message(true, 'golden', 'with the transaction');
INSERT INTO parts VALUES (6, 'beside a message');
COMMIT;
BEGIN;
INSERT INTO parts VALUES (7, 'never');
ROLLBACK;
\endif
