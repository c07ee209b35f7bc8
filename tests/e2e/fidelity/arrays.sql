-- title: arrays of every shape, of built-in and own types
-- item: values.array
-- section: schema
create type mood as enum ('sad', 'ok', 'very "happy"', '');
create type pair as (x integer, label text, moods mood[]);
create domain word as varchar(9) check (value <> 'no');
create table lists (id int primary key, i int[], t text[], n numeric[], f float8[], b bytea[], d date[], m mood[], p pair[], w word[],
  j jsonb[], s smallint[], u uuid[], tz timestamptz[], c char(3)[], v int2vector, ov oidvector, q "char"[], bits bit(3)[]);
create table no_key (i int[], m mood[], p pair[]);
-- section: rows
insert into lists values (1, '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '', '', '{}', '{}'),
  (2, '{1,NULL,3}', '{"a,b","c\"d",NULL,"NULL",""," x ","\\"}', '{NaN,1.10,NULL}', '{-0,NaN,Infinity}', '{"\\x00","\\x",NULL}', '{infinity,-infinity,NULL}',
   '{sad,"very \"happy\"",NULL,""}', array[row(1, 'a, "b" (c)', '{sad,NULL}')::pair, null, row(null, null, null)::pair], '{a,NULL}',
   array['{"a": 1}', 'null', null]::jsonb[], '{1}', '{00000000-0000-0000-0000-000000000000}', '{infinity}', '{a,"b c",""}', '1 2 3', '10 11', '{a,""}', '{101,000}'),
  (3, '{{1,2},{3,NULL}}', '{{{a,b}},{{c,d}}}', '[0:1]={1,2}', '[-5:-4][2:3]={{1,2},{3,4}}', null, null, '[3:4]={ok,sad}',
   ('[2:2]=' || array[row(2, '', '{}')::pair]::text)::pair[], '[7:7]={x}', null, '[0:0]={0}', null, null, '[5:6]={x,y}', '0', '0', null, '{{111}}'),
  (4, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null);
insert into lists (id, i, t) select 5, array_agg(g), array_agg(repeat(g::text, 5)) from generate_series(1, 20000) g;
insert into no_key values ('{1,2}', '{sad}', array[row(1, 'x', null)::pair]), ('[0:1]={1,2}', '{sad}', array[row(1, 'x', null)::pair]), ('{1,2}', '{ok}', null);
-- section: stream
insert into lists select id + 100, i, t, n, f, b, d, m, p, w, j, s, u, tz, c, v, ov, q, bits from lists;
update lists set t = t || array[null, 'x'], m = m || 'ok'::mood, p = p || row(7, 'seven', '{ok}')::pair, w = '{q}' where id in (1, 2, 5);
update lists set i = i || array[[7,8]], t = null, m = '{}', p = null where id = 3;
update lists set f[-5][3] = 5, m[9] = 'sad' where id = 103;
update no_key set m = '{ok,sad}' where i::text = '[0:1]={1,2}';
delete from no_key where p is null;
