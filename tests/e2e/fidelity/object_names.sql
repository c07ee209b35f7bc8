-- title: regclass and its relatives name the object of that name, whatever its number on the other side
-- item: values.reg
-- expect: finding object-references
-- feed: text
-- section: schema
create table filler (a int);
drop table filler;
create table things (id int primary key);
create type own as enum ('x');
create function doubled(integer) returns integer language sql as 'select 2 * $1';
create text search configuration simple_too (copy = pg_catalog.simple);
create domain table_name as regclass;
create type labelled as (label text, what regclass);
create table refs (id int primary key, c regclass, t regtype, p regproc, pp regprocedure, op regoperator, o regoper,
  n regnamespace, r regrole, tc regconfig, td regdictionary, co regcollation);
create table nested (id int primary key, cs regclass[], ts regtype[], d table_name, l labelled, ls labelled[]);
create table by_class (c regclass primary key, n int);
create table no_key (c regclass, n int);
-- section: rows
insert into refs values (1, 'things', 'own', 'doubled', 'doubled(integer)', '+(integer,integer)', '|/', 'object_names', 'postgres', 'simple_too', 'simple', '"C"'),
  (2, 'pg_class', 'integer', 'now', 'now()', '-(integer,integer)', null, 'pg_catalog', 'pg_monitor', 'english', null, 'pg_catalog."default"'),
  (3, null, null, null, null, null, null, null, null, null, null, null), (4, '-', '-', '-', '-', '0', '0', '-', '-', '-', '-', '-');
insert into nested values (1, '{things,refs,NULL}', '{own,integer}', 'things', row('a', 'refs'), array[row('b', 'things')::labelled, null]), (2, '{}', '{}', null, null, '{}');
insert into by_class values ('things', 1), ('refs', 2), ('pg_class', 3);
insert into no_key values ('things', 1), ('things', 1), ('refs', 2);
-- section: stream
insert into refs select id + 100, c, t, p, pp, op, o, n, r, tc, td, co from refs;
update refs set c = 'refs', t = 'own[]', p = 'doubled' where id in (2, 4);
insert into nested select id + 100, cs, ts, d, l, ls from nested;
update nested set cs = cs || 'nested'::regclass, l.what = 'nested', d = 'refs', ls = ls || row('n', 'nested')::labelled where id < 100;
update by_class set n = n + 10 where c = 'things'::regclass;
update by_class set c = 'nested' where c = 'refs'::regclass;
delete from by_class where c = 'pg_class'::regclass;
update no_key set n = 5 where ctid = (select min(ctid) from no_key);
delete from no_key where c = 'refs'::regclass;
-- section: checks
set search_path = '';
select * from object_names.refs order by id;
select * from object_names.nested order by id;
