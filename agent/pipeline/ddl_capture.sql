CREATE SCHEMA IF NOT EXISTS tidegate_ddl;
CREATE TABLE IF NOT EXISTS tidegate_ddl.setting (one bool PRIMARY KEY DEFAULT true CHECK (one), token text NOT NULL);
CREATE TABLE IF NOT EXISTS tidegate_ddl.migration (publication name PRIMARY KEY, include text[] NOT NULL, exclude text[] NOT NULL, identity_full bool NOT NULL);
CREATE TABLE IF NOT EXISTS tidegate_ddl.identity (relation oid PRIMARY KEY);
INSERT INTO tidegate_ddl.setting (token) VALUES (replace(pg_catalog.gen_random_uuid()::text || pg_catalog.gen_random_uuid()::text, '-', '')) ON CONFLICT DO NOTHING;

CREATE UNLOGGED TABLE IF NOT EXISTS tidegate_ddl.here (one bool);

-- The prefix names the subtransaction, because a streamed message does not. The second message stands between the first and the
-- next row: a message has the position of its end, which is where the next record begins, and rows of that position may come first.
CREATE OR REPLACE FUNCTION tidegate_ddl.say(message jsonb) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $tidegate$
DECLARE
  sub xid;
  place tid;
BEGIN
  INSERT INTO tidegate_ddl.here VALUES (true) RETURNING xmin, ctid INTO sub, place;
  DELETE FROM tidegate_ddl.here WHERE ctid = place;
  PERFORM pg_logical_emit_message(true, 'tidegate.ddl.' || sub, message::text);
  PERFORM pg_logical_emit_message(true, 'tidegate.space', '');
END $tidegate$;

CREATE OR REPLACE FUNCTION tidegate_ddl.who() RETURNS event_trigger LANGUAGE plpgsql AS $tidegate$
BEGIN
  PERFORM pg_catalog.set_config('tidegate.ddl_who', pg_catalog.jsonb_build_object(
    'role', current_user::pg_catalog.text,
    'search_path', pg_catalog.current_setting('search_path'),
    'settings', pg_catalog.jsonb_build_object(
      'TimeZone', pg_catalog.current_setting('TimeZone'),
      'DateStyle', pg_catalog.current_setting('DateStyle'),
      'IntervalStyle', pg_catalog.current_setting('IntervalStyle'),
      'standard_conforming_strings', pg_catalog.current_setting('standard_conforming_strings'),
      'xmloption', pg_catalog.current_setting('xmloption'),
      'default_table_access_method', pg_catalog.current_setting('default_table_access_method')))::pg_catalog.text, true);
END $tidegate$;

CREATE OR REPLACE FUNCTION tidegate_ddl.dropped() RETURNS event_trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $tidegate$
BEGIN
  PERFORM set_config('tidegate.ddl_dropped', coalesce((
    SELECT jsonb_agg(jsonb_build_object('type', d.object_type, 'schema', d.schema_name, 'name', d.object_name,
      'identity', d.object_identity, 'oid', d.objid::bigint, 'original', d.original, 'temp', d.is_temporary))
    FROM (SELECT * FROM pg_event_trigger_dropped_objects() o WHERE o.original OR o.object_type = 'table'
      ORDER BY o.original DESC LIMIT 500) d)::text, ''), true);
EXCEPTION WHEN OTHERS THEN
  PERFORM set_config('tidegate.ddl_dropped', jsonb_build_array(jsonb_build_object('failed', SQLERRM))::text, true);
END $tidegate$;

CREATE OR REPLACE FUNCTION tidegate_ddl.rewritten() RETURNS event_trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $tidegate$
BEGIN
  PERFORM set_config('tidegate.ddl_rewritten', (coalesce(nullif(current_setting('tidegate.ddl_rewritten', true), ''), '[]')::jsonb
    || jsonb_build_array(jsonb_build_object('oid', pg_event_trigger_table_rewrite_oid()::bigint,
      'reason', pg_event_trigger_table_rewrite_reason())))::text, true);
EXCEPTION WHEN OTHERS THEN
  PERFORM set_config('tidegate.ddl_rewritten', '[{"oid":0,"reason":2}]', true);
END $tidegate$;

CREATE OR REPLACE FUNCTION tidegate_ddl.is_published(relation oid, publication_name name) RETURNS bool LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp AS $tidegate$
  SELECT EXISTS (SELECT FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid
    WHERE p.pubname = $2 AND (r.prrelid = $1 OR r.prrelid IN (SELECT a.relid FROM pg_partition_ancestors($1::regclass) a)))
$tidegate$;

-- Tables that a statement brought, or changed: for which publication each is new, and why its rows have to be copied.
CREATE OR REPLACE FUNCTION tidegate_ddl.tables(tag text, query text, objects jsonb, rewritten jsonb)
RETURNS TABLE (relation oid, schema name, name name, kind "char", publication name, is_new bool, reason text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $tidegate$
  WITH RECURSIVE listed AS (
    SELECT (o->>'relation')::oid AS oid FROM jsonb_array_elements(objects) o WHERE o->>'relation' IS NOT NULL
    UNION SELECT (r->>'oid')::oid FROM jsonb_array_elements(rewritten) r
    UNION SELECT c.oid FROM pg_class c WHERE tag = 'ALTER TABLE' AND c.relkind IN ('r', 'p') AND c.relpersistence = 'p'
      AND EXISTS (SELECT FROM jsonb_array_elements(objects) o WHERE o->>'relkind' = 'p')
  ), tree AS (
    SELECT oid FROM listed UNION SELECT i.inhrelid FROM tree t JOIN pg_inherits i ON i.inhparent = t.oid
  ), facts AS (
    SELECT c.oid, n.nspname, c.relname, c.relkind, m.publication,
      NOT tidegate_ddl.is_published(c.oid, m.publication) AS is_new,
      tag IN ('CREATE TABLE AS', 'SELECT INTO') AND c.relkind = 'r' AS filled,
      coalesce((SELECT bool_or((r->>'reason')::int & 2 <> 0 OR ((r->>'reason')::int & 4 <> 0 AND query ~* '\musing\M'))
        FROM jsonb_array_elements(rewritten) r WHERE (r->>'oid')::oid = c.oid), false) AS changed,
      tag IN ('CREATE TABLE', 'CREATE TABLE AS', 'SELECT INTO', 'CREATE SCHEMA', 'IMPORT FOREIGN SCHEMA') AS made,
      EXISTS (SELECT FROM jsonb_array_elements(objects) o WHERE (o->>'relation')::oid = c.oid) AS itself
    FROM tree JOIN pg_class c ON c.oid = tree.oid JOIN pg_namespace n ON n.oid = c.relnamespace, tidegate_ddl.migration m
    WHERE c.relkind IN ('r', 'p') AND c.relpersistence = 'p'
      AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', 'tidegate', 'tidegate_ddl')
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
      AND (m.include = '{}' OR n.nspname || E'\x01' || c.relname ~ ANY (m.include))
      AND NOT (n.nspname || E'\x01' || c.relname ~ ANY (m.exclude))
      AND EXISTS (SELECT FROM pg_publication p WHERE p.pubname = m.publication)
  )
  SELECT f.oid, f.nspname, f.relname, f.relkind, f.publication, f.is_new,
    CASE WHEN f.relkind = 'p' THEN NULL
      -- What was a partition until now came through its root.
      WHEN f.is_new AND NOT f.made AND NOT (query ~* '\mdetach\M' AND NOT f.itself) THEN 'its rows were not part of the feed before'
      WHEN pg_relation_size(f.oid) = 0 THEN NULL
      WHEN f.filled THEN 'it was filled before it could be published'
      WHEN f.changed AND NOT f.is_new THEN 'the statement gave its rows values that cannot be computed again' END
  FROM facts f
$tidegate$;

CREATE OR REPLACE FUNCTION tidegate_ddl.publish(tag text, query text, objects jsonb, rewritten jsonb) RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $tidegate$
DECLARE
  t record;
  place text;
BEGIN
  PERFORM set_config('tidegate.ddl_capture', 'off', true);
  FOR t IN SELECT * FROM tidegate_ddl.tables(tag, query, objects, rewritten) LOOP
    place := format('%s%I.%I', CASE t.kind WHEN 'r' THEN 'ONLY ' ELSE '' END, t.schema, t.name);
    IF t.is_new THEN
      EXECUTE format('ALTER PUBLICATION %I ADD TABLE %s', t.publication, place);
    END IF;
  END LOOP;
  FOR t IN SELECT DISTINCT ON (x.relation) x.*, c.relreplident,
      EXISTS (SELECT FROM tidegate_ddl.migration m WHERE m.publication = x.publication AND m.identity_full) AS full,
      EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary) AS has_key,
      EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisreplident) AS has_index,
      EXISTS (SELECT FROM tidegate_ddl.identity i WHERE i.relation = c.oid) AS ours
      FROM tidegate_ddl.tables(tag, query, objects, rewritten) x JOIN pg_class c ON c.oid = x.relation WHERE x.kind = 'r' LOOP
    IF t.full AND ((t.relreplident = 'd' AND NOT t.has_key) OR (t.relreplident = 'i' AND NOT t.has_index)) THEN
      EXECUTE format('ALTER TABLE ONLY %I.%I REPLICA IDENTITY FULL', t.schema, t.name);
      INSERT INTO tidegate_ddl.identity VALUES (t.relation) ON CONFLICT DO NOTHING;
    ELSIF t.ours AND t.relreplident = 'f' AND t.has_key THEN
      EXECUTE format('ALTER TABLE ONLY %I.%I REPLICA IDENTITY DEFAULT', t.schema, t.name);
      DELETE FROM tidegate_ddl.identity WHERE relation = t.relation;
    END IF;
  END LOOP;
  PERFORM set_config('tidegate.ddl_capture', '', true);
END $tidegate$;

CREATE OR REPLACE FUNCTION tidegate_ddl.capture() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET "TimeZone" = 'UTC' SET "DateStyle" = 'ISO' SET "IntervalStyle" = 'postgres'
SET lock_timeout = '2s' AS $tidegate$
DECLARE
  context text;
  query text := current_query();
  who jsonb;
  objects jsonb;
  gone jsonb;
  rewritten jsonb;
  seen jsonb;
  at text;
  nth int;
  message jsonb;
  token text;
BEGIN
  IF current_setting('tidegate.ddl_capture', true) = 'off' OR TG_TAG ~ ' (PUBLICATION|SUBSCRIPTION)$|^(REFRESH|REINDEX)' THEN
    RETURN;
  END IF;
  BEGIN
    GET DIAGNOSTICS context = PG_CONTEXT;
    context := CASE WHEN position(E'\n' IN context) > 0 THEN substr(context, position(E'\n' IN context) + 1) ELSE '' END;
    who := nullif(current_setting('tidegate.ddl_who', true), '')::jsonb;
    gone := coalesce(nullif(current_setting('tidegate.ddl_dropped', true), '')::jsonb, '[]');
    rewritten := coalesce(nullif(current_setting('tidegate.ddl_rewritten', true), '')::jsonb, '[]');
    PERFORM set_config('tidegate.ddl_dropped', '', true), set_config('tidegate.ddl_rewritten', '', true);
    IF context !~ '^SQL statement "' THEN
      at := extract(epoch FROM statement_timestamp())::text || md5(query);
      seen := coalesce(nullif(current_setting('tidegate.ddl_seen', true), '')::jsonb, '{}');
      seen := CASE WHEN seen->>'at' = at THEN seen ELSE jsonb_build_object('at', at) END;
      nth := coalesce((seen->>TG_TAG)::int, 0) + 1;
      PERFORM set_config('tidegate.ddl_seen', (seen || jsonb_build_object(TG_TAG, nth))::text, false);
    END IF;
    SELECT coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object('type', d.object_type, 'schema', d.schema_name,
        'identity', d.object_identity, 'extension', d.in_extension, 'relation', c.oid::bigint, 'relkind', c.relkind,
        'table_schema', n.nspname, 'table', c.relname, 'temp', coalesce(d.schema_name = 'pg_temp', false)
          OR coalesce(c.relpersistence = 't', false)))), '[]')
      INTO objects
      FROM (SELECT object_type, schema_name, object_identity, in_extension, classid, objid FROM pg_event_trigger_ddl_commands() LIMIT 500) d
      LEFT JOIN pg_class i ON d.classid = 'pg_class'::regclass AND i.oid = d.objid
      LEFT JOIN pg_index x ON x.indexrelid = i.oid
      LEFT JOIN pg_trigger g ON d.classid = 'pg_trigger'::regclass AND g.oid = d.objid
      LEFT JOIN pg_policy p ON d.classid = 'pg_policy'::regclass AND p.oid = d.objid
      LEFT JOIN pg_rewrite w ON d.classid = 'pg_rewrite'::regclass AND w.oid = d.objid
      LEFT JOIN pg_statistic_ext s ON d.classid = 'pg_statistic_ext'::regclass AND s.oid = d.objid
      LEFT JOIN pg_constraint k ON d.classid = 'pg_constraint'::regclass AND k.oid = d.objid
      LEFT JOIN pg_class c ON c.oid = coalesce(x.indrelid, i.oid, g.tgrelid, p.polrelid, w.ev_class, s.stxrelid, nullif(k.conrelid, 0))
      LEFT JOIN pg_namespace n ON n.oid = c.relnamespace;
    IF objects = '[]' AND gone = '[]' AND TG_TAG NOT IN ('DROP OWNED', 'GRANT', 'REVOKE', 'ALTER DEFAULT PRIVILEGES') THEN
      RETURN;
    END IF;
    IF (objects <> '[]' OR gone <> '[]') AND NOT EXISTS (SELECT FROM jsonb_array_elements(objects || gone) o
        WHERE NOT coalesce((o->>'temp')::bool, false)
          AND NOT (coalesce((o->>'extension')::bool, false) AND TG_TAG !~ ' EXTENSION$')) THEN
      RETURN;
    END IF;
    SELECT s.token INTO STRICT token FROM tidegate_ddl.setting s;
    message := jsonb_build_object('v', 1, 'token', token, 'tag', TG_TAG, 'context', context, 'nth', nth,
      'query', CASE WHEN context ~ '^SQL statement "' THEN NULL ELSE query END,
      'user', session_user, 'objects', (SELECT coalesce(jsonb_agg(o), '[]') FROM jsonb_array_elements(objects) o
        WHERE NOT coalesce((o->>'extension')::bool, false) OR o->>'type' = 'extension'), 'dropped', gone,
      'copy', (SELECT jsonb_agg(DISTINCT jsonb_build_object('oid', t.relation::bigint, 'schema', t.schema, 'name', t.name,
        'publication', t.publication, 'reason', t.reason))
        FROM tidegate_ddl.tables(TG_TAG, query, objects, rewritten) t WHERE t.reason IS NOT NULL),
      'new', (SELECT jsonb_agg(DISTINCT jsonb_build_object('oid', t.relation::bigint, 'schema', t.schema, 'name', t.name,
        'publication', t.publication))
        FROM tidegate_ddl.tables(TG_TAG, query, objects, rewritten) t WHERE t.is_new AND t.kind = 'r')) || coalesce(who, '{}');
    IF TG_TAG IN ('CREATE TABLE AS', 'SELECT INTO') THEN
      message := message || jsonb_build_object('instead', (SELECT string_agg(
        format('CREATE %sTABLE %I.%I (%s)%s', CASE c.relpersistence WHEN 'u' THEN 'UNLOGGED ' ELSE '' END, n.nspname, c.relname,
          (SELECT string_agg(format('%I %s%s', a.attname, format_type(a.atttypid, a.atttypmod),
            CASE WHEN a.attcollation <> 0 AND a.attcollation <> y.typcollation THEN format(' COLLATE %I.%I', cn.nspname, l.collname) ELSE '' END), ', ' ORDER BY a.attnum)
           FROM pg_attribute a JOIN pg_type y ON y.oid = a.atttypid LEFT JOIN pg_collation l ON l.oid = a.attcollation
           LEFT JOIN pg_namespace cn ON cn.oid = l.collnamespace
           WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
          coalesce(' WITH (' || array_to_string(c.reloptions, ', ') || ')', '')), '; ')
        FROM jsonb_array_elements(objects) o JOIN pg_class c ON c.oid = (o->>'relation')::oid AND c.relkind = 'r'
        JOIN pg_namespace n ON n.oid = c.relnamespace));
    ELSIF TG_TAG = 'ALTER TABLE' THEN
      message := message || jsonb_build_object('missing', (
        WITH RECURSIVE tree AS (SELECT (o->>'relation')::oid AS oid FROM jsonb_array_elements(objects) o
          UNION SELECT i.inhrelid FROM tree JOIN pg_inherits i ON i.inhparent = tree.oid)
        SELECT jsonb_agg(jsonb_build_object('schema', n.nspname, 'name', c.relname, 'column', a.attname,
          'value', (a.attmissingval::text::text[])[1]))
        FROM tree JOIN pg_class c ON c.oid = tree.oid JOIN pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.atthasmissing AND NOT a.attisdropped
        WHERE query ~* '\mdefault\M' OR context ~* '\mdefault\M'));
    END IF;
    PERFORM tidegate_ddl.say(jsonb_strip_nulls(message));
  EXCEPTION WHEN OTHERS THEN
    PERFORM tidegate_ddl.say(jsonb_build_object('v', 1, 'tag', TG_TAG, 'failed', SQLERRM,
      'query', query, 'user', session_user, 'token', (SELECT s.token FROM tidegate_ddl.setting s)));
    RETURN;
  END;
  BEGIN
    PERFORM tidegate_ddl.publish(TG_TAG, query, objects, rewritten);
  EXCEPTION WHEN OTHERS THEN
    PERFORM set_config('tidegate.ddl_capture', '', true);
    PERFORM tidegate_ddl.say(jsonb_build_object('v', 1, 'tag', TG_TAG, 'failed', SQLERRM,
      'unpublished', true, 'query', query, 'user', session_user, 'token', (SELECT s.token FROM tidegate_ddl.setting s)));
  END;
END $tidegate$;

DO $tidegate$ BEGIN
  ALTER FUNCTION tidegate_ddl.capture() SET lc_messages = 'C';
EXCEPTION WHEN insufficient_privilege THEN NULL;
END $tidegate$;
DO $tidegate$
DECLARE t text[];
BEGIN
  FOREACH t SLICE 1 IN ARRAY ARRAY[['tidegate_ddl_1_who', 'ddl_command_end', 'who'], ['tidegate_ddl_2_capture', 'ddl_command_end', 'capture'],
      ['tidegate_ddl_dropped', 'sql_drop', 'dropped'], ['tidegate_ddl_rewritten', 'table_rewrite', 'rewritten']] LOOP
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_event_trigger e WHERE e.evtname = t[1]) THEN
      EXECUTE pg_catalog.format('CREATE EVENT TRIGGER %I ON %I EXECUTE FUNCTION tidegate_ddl.%I()', t[1], t[2], t[3]);
      EXECUTE pg_catalog.format('ALTER EVENT TRIGGER %I ENABLE ALWAYS', t[1]);
    END IF;
  END LOOP;
END $tidegate$;
