-- title: hstore, citext, ltree, cube, seg, isn, intarray: types whose oids differ between servers
-- item: values.extension
-- section: schema
create extension if not exists hstore schema public;
create extension if not exists citext schema public;
create extension if not exists ltree schema public;
create extension if not exists cube schema public;
create extension if not exists isn schema public;
create table ext (id int primary key, h hstore, c citext, l ltree, q lquery, lt ltxtquery, cu cube, i isbn13,
  hs hstore[], cs citext[], ls ltree[]);
create table by_citext (c citext primary key, n int);
create table by_ltree (l ltree primary key, n int);
create table no_key (h hstore, c citext, l ltree);
-- section: rows
insert into ext values (1, 'a=>1, "b c"=>NULL, "d\"e"=>"f,g"', 'MiXed', 'Top.Sub_1.x', '*.a{1,2}.b|c.!d*@', 'a & !b*@', '(1,2),(3,-4)', '978-0-393-04002-9',
  array['a=>1'::hstore, null, ''], '{a,B,NULL}', '{a.b,NULL,c}'), (2, '', '', '', null, null, '(0)', null, '{}', '{}', '{}'),
  (3, null, null, null, null, null, null, null, null, null, null);
insert into by_citext values ('One', 1), ('tWo', 2), ('three', 3);
insert into by_ltree values ('a', 1), ('a.b', 2), ('a.b.c', 3);
insert into no_key values ('a=>1', 'X', 'a.b'), ('a=>1', 'x', 'a.b'), ('a=>1', 'x', 'a.b');
-- section: stream
insert into ext select id + 100, h, c, l, q, lt, cu, i, hs, cs, ls from ext;
update ext set h = h || 'new=>"ü"', c = c || 'X', l = l || 'more' where id in (1, 2);
update by_citext set c = upper(c), n = n + 1 where c in ('ONE', 'THREE');
delete from by_citext where c = 'TWO';
update by_ltree set l = 'z'::ltree || l where n > 1;
delete from by_ltree where l = 'a';
-- Equal for citext, and yet another value.
delete from no_key where c::text = 'X';
update no_key set c = 'Y' where ctid = (select min(ctid) from no_key);
