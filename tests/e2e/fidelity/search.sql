-- title: tsvector and tsquery
-- item: values.fulltext
-- section: schema
create table texts (id int primary key, v tsvector, q tsquery, g tsvector generated always as (to_tsvector('simple', coalesce(t, ''))) stored, t text);
-- section: rows
insert into texts (id, v, q, t) values (1, '''a'':1A ''b c'':2B,16383 ''it''''s''', '''a'' & !''b'' | ''c'' <-> ''d'':*AB', 'The Fat cats'),
  (2, '', '', ''), (3, null, null, null), (4, 'a b c', '(a | b) & c <3> d', 'ä ö ü'), (5, '''\\'':1', '!!a', 'x');
insert into texts (id, v, t) select 10, to_tsvector('simple', string_agg('w' || g, ' ')), 'long' from generate_series(1, 5000) g;
-- section: stream
insert into texts (id, v, q, t) select id + 100, v, q, t from texts;
update texts set v = setweight(v, 'C'), t = t || ' more' where id in (1, 4, 10);
update texts set q = q && 'z'::tsquery where id = 104;
update texts set v = strip(v) where id = 101;
