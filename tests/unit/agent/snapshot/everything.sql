-- One of each kind of object that a migration carries, with names and texts that trip careless tools.
CREATE EXTENSION hstore;
CREATE SCHEMA "Od""d sch.ema";
CREATE ROLE tidegate_alice;
CREATE ROLE tidegate_bob;
CREATE TABLE "Od""d sch.ema"."T a;ble" (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "co""l" text,
    gen int GENERATED ALWAYS AS (id * 2) STORED);
INSERT INTO "Od""d sch.ema"."T a;ble" ("co""l") SELECT 'x' || i FROM generate_series(1, 1000) i;

CREATE TABLE part (id int, k text, v float8, PRIMARY KEY (id)) PARTITION BY RANGE (id);
CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (0) TO (1000);
CREATE TABLE part_2 (v float8, id int NOT NULL, k text, dropped int);
ALTER TABLE part_2 DROP COLUMN dropped;
ALTER TABLE part ATTACH PARTITION part_2 FOR VALUES FROM (1000) TO (2000);
CREATE TABLE part_d PARTITION OF part DEFAULT PARTITION BY HASH (id);
CREATE TABLE part_d0 PARTITION OF part_d FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE part_d1 PARTITION OF part_d FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE INDEX part_k ON part (k);
INSERT INTO part SELECT i, 'k' || i, i * 1.5 FROM generate_series(0, 5000) i;

CREATE TABLE fk1 (id serial PRIMARY KEY, p int REFERENCES part (id), chk int CHECK (chk > 0));
INSERT INTO fk1 (p, chk) SELECT i, i + 1 FROM generate_series(0, 5000) i;
CREATE TABLE fkself (id int PRIMARY KEY, parent int REFERENCES fkself (id) DEFERRABLE INITIALLY DEFERRED);
INSERT INTO fkself VALUES (1, 1), (2, 1);
CREATE TABLE fkpart (id int, p int REFERENCES fk1 (id)) PARTITION BY LIST (id);
CREATE TABLE fkpart1 PARTITION OF fkpart FOR VALUES IN (1, 2);
INSERT INTO fkpart VALUES (1, 1), (2, 2);
SET CONSTRAINTS ALL IMMEDIATE;
ALTER TABLE fk1 ADD CONSTRAINT not_valid FOREIGN KEY (chk) REFERENCES fkself (id) NOT VALID;
ALTER TABLE fkself ADD CONSTRAINT check_not_valid CHECK (id > 1) NOT VALID;

CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE TYPE comp AS (a int, b text);
CREATE DOMAIN posint AS int CHECK (value > 0);
CREATE TABLE types (id bigint PRIMARY KEY, m mood, c comp, d posint, j jsonb, js json, x xml, ts timestamptz,
    iv interval, n numeric(10, 2), na numeric[], t text[], b bytea, u uuid, i inet, r int4range, h hstore,
    ma mood[], bi bit(3), vb varbit, ch char(5), nm name, tv tsvector, pt point, o oid, mo money, tt timetz,
    rc regclass, f4 float4);
INSERT INTO types SELECT i, 'sad', ROW (i, 'b')::comp, i, '{"a": 1}', '{"b":  2}', '<a/>', now(),
    '1 day 2 hours', i / 3.0, ARRAY[i / 7.0, NULL], ARRAY['a', NULL, '"q"'], '\x0102',
    md5(i::text)::uuid, '10.0.0.1', '[1,5)', 'a=>1', ARRAY['ok', 'sad']::mood[], '101', '10101', 'ab', 'nm',
    'a b'::tsvector, '(1,2)', 5, 3.5, now(), 'part'::regclass, i / 3.0 FROM generate_series(1, 500) i;
ALTER TABLE types REPLICA IDENTITY FULL;
CREATE TABLE plain (id int PRIMARY KEY, t text, n numeric, a text[]);
INSERT INTO plain SELECT i, repeat(chr(10) || chr(9) || '\.' || i, 3), i / 7.0, ARRAY[i::text, NULL]
    FROM generate_series(1, 3000) i;
CREATE TABLE wide (id int PRIMARY KEY, t text);
INSERT INTO wide SELECT i, repeat(md5(i::text), 40000) FROM generate_series(1, 3) i;
CREATE UNLOGGED TABLE unlogged (a int);
INSERT INTO unlogged SELECT generate_series(1, 10);
CREATE TABLE noid (a int, b int);
ALTER TABLE noid ALTER a SET NOT NULL;
CREATE UNIQUE INDEX noid_a ON noid (a);
ALTER TABLE noid REPLICA IDENTITY USING INDEX noid_a;
CLUSTER noid USING noid_a;
INSERT INTO noid SELECT i, i FROM generate_series(1, 100) i;
CREATE STATISTICS st ON a, b FROM noid;
ALTER STATISTICS st SET STATISTICS 100;
CREATE INDEX expr_i ON noid ((a + b));
ALTER INDEX expr_i ALTER COLUMN 1 SET STATISTICS 300;
CREATE TABLE ex (r int4range, EXCLUDE USING gist (r WITH &&));
INSERT INTO ex VALUES ('[1,2)'), ('[3,4)');
CREATE TABLE deferred (a int UNIQUE DEFERRABLE INITIALLY DEFERRED, b text);
CREATE TABLE no_columns ();
INSERT INTO no_columns DEFAULT VALUES;
INSERT INTO no_columns DEFAULT VALUES;
CREATE TABLE only_generated (a int GENERATED ALWAYS AS (1) STORED);
INSERT INTO only_generated DEFAULT VALUES;

CREATE TABLE parent (a int PRIMARY KEY, b text);
CREATE TABLE child (c int) INHERITS (parent);
INSERT INTO parent SELECT i, 'p' FROM generate_series(1, 10) i;
INSERT INTO child SELECT i, 'c', i FROM generate_series(100, 110) i;
CREATE TABLE grouped (id int PRIMARY KEY, k text);
CREATE VIEW simple_view AS SELECT * FROM parent;
CREATE VIEW needs_key AS SELECT id, k FROM grouped GROUP BY id;
CREATE MATERIALIZED VIEW mv AS SELECT count(*) AS c FROM part;
CREATE MATERIALIZED VIEW amv_above AS SELECT c FROM mv;
CREATE UNIQUE INDEX ON mv (c);
CREATE MATERIALIZED VIEW mv_nodata AS SELECT 1 AS a WITH NO DATA;
CREATE FUNCTION trigger_function() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
--
-- TOC entry 3 (class 2615 OID 2200)
-- Name: evil; Type: TABLE; Schema: public; Owner: postgres
--
  NEW.b := 'changed'; RETURN NEW; END $$;
CREATE FUNCTION standard_body(a int) RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT a + 1; END;
CREATE TRIGGER trg BEFORE INSERT OR UPDATE ON parent FOR EACH ROW EXECUTE FUNCTION trigger_function();
CREATE TRIGGER trg_always BEFORE INSERT ON child FOR EACH ROW EXECUTE FUNCTION trigger_function();
ALTER TABLE child ENABLE ALWAYS TRIGGER trg_always;
CREATE TRIGGER trg_disabled BEFORE INSERT ON child FOR EACH ROW EXECUTE FUNCTION trigger_function();
ALTER TABLE child DISABLE TRIGGER trg_disabled;
CREATE RULE keep AS ON DELETE TO parent DO INSTEAD NOTHING;
CREATE FUNCTION event_function() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN NULL; END $$;
CREATE EVENT TRIGGER tidegate_event ON ddl_command_end EXECUTE FUNCTION event_function();
COMMENT ON EVENT TRIGGER tidegate_event IS 'an event trigger';
CREATE POLICY pol ON parent FOR SELECT USING (a > 0);
ALTER TABLE parent ENABLE ROW LEVEL SECURITY;
CREATE PUBLICATION a_publication FOR TABLE parent;
CREATE SCHEMA tidegate;
CREATE TABLE tidegate.helper (a int);
GRANT SELECT ON parent TO tidegate_alice;
GRANT USAGE ON SCHEMA public TO tidegate_bob;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO tidegate_bob;
REVOKE ALL ON FUNCTION trigger_function() FROM PUBLIC;
ALTER TABLE child OWNER TO tidegate_alice;
COMMENT ON TABLE parent IS 'it''s a
multi-line -- TOC entry 9 (class 1 OID 2)
comment';
COMMENT ON CONSTRAINT parent_pkey ON parent IS 'key';
COMMENT ON CONSTRAINT fk1_p_fkey ON fk1 IS 'foreign key';
COMMENT ON INDEX noid_a IS 'index';
COMMENT ON TRIGGER trg ON parent IS 'trigger';
COMMENT ON EXTENSION hstore IS 'words of ours';
SELECT lo_from_bytea(424242, convert_to(repeat('abc', 700000), 'UTF8'));
SELECT lo_from_bytea(777, '\x00ff');
SELECT lo_create(778);
COMMENT ON LARGE OBJECT 777 IS 'a large object';
GRANT SELECT ON LARGE OBJECT 777 TO tidegate_alice;
ALTER LARGE OBJECT 777 OWNER TO tidegate_bob;
CREATE SEQUENCE falling INCREMENT BY -1;
SELECT nextval('falling'), nextval('falling');
CREATE SEQUENCE untouched START 5;
