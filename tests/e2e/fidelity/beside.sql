-- title: unlogged tables, large objects and foreign tables, which the feed does not hold, are announced
-- item: tables.unlogged tables.foreign
-- expect: finding unlogged-tables
-- expect: finding foreign-tables
-- section: schema
create extension if not exists file_fdw schema public;
create server if not exists files foreign data wrapper file_fdw;
create unlogged table scratch (id int primary key, v text);
create foreign table far (line text) server files options (filename '/dev/null');
create table near (id int primary key);
-- section: rows
insert into scratch select g, 'v' from generate_series(1, 10) g;
insert into near values (1);
-- section: stream
insert into scratch values (100, 'not in the feed');
insert into near values (2);
-- section: checks
select count(*) from far;
