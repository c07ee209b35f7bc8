-- title: updates that give a GENERATED ALWAYS identity column a new number: UPDATE cannot do that on the target
-- item: tables.identity_columns
-- section: schema
create table always (id int generated always as identity primary key, v text, big text);
create table beside (k int primary key, n int generated always as identity, v text, g int generated always as (k * 2) stored);
create table unique_beside (k int primary key, n bigint generated always as identity unique, v text);
create table always_full (id int generated always as identity primary key, v text);
alter table always_full replica identity full;
create table no_key (o int, n int generated always as identity, c text, j json);
create table child (id int primary key, always_id int references always on delete cascade on update cascade);
-- section: rows
insert into always (v, big) select 'v' || g, (select string_agg(md5((g * n)::text), '') from generate_series(1, 500) n) from generate_series(1, 40) g;
alter table always alter big set storage external;
insert into beside (k, v) select g, 'x' from generate_series(1, 40) g;
insert into unique_beside (k, v) select g, 'x' from generate_series(1, 40) g;
insert into always_full (v) select 'v' from generate_series(1, 20);
insert into no_key (o, c, j) select g % 3, null, '{"a": 1}' from generate_series(1, 12) g;
insert into child select g, g from generate_series(11, 20) g;
-- section: stream
update always set id = default where id = 1;
update always set id = default, v = null where id between 2 and 10;
update child set always_id = null where always_id = 11;
update always set id = default where id between 12 and 14;
begin;
update always set v = 'kept' where id between 20 and 30;
update always set id = default where id = 21;
update always set v = 'again' where id between 25 and 35;
delete from always where id = 36;
insert into always (id, v) overriding system value values (36, 'back');
update always set id = default where id = 36;
insert into always (id, v) overriding system value values (36, 'back again');
commit;
update beside set v = 'y' where k < 30;
update beside set n = default where k = 3;
begin;
update beside set v = 'z' where k between 5 and 15;
update beside set n = default, v = 'n' where k between 10 and 12;
update beside set k = 100, n = default where k = 20;
update beside set v = 'last' where k = 11;
commit;
update unique_beside set n = default where k in (1, 7);
update unique_beside set k = k + 1000 where k = 2;
update always_full set id = default where id < 5;
update always_full set v = 'w' where id > 10;
update no_key set n = default where o = 1;
update no_key set n = default, j = '{"a":1}' where n = 3;
update no_key set c = 'c' where o = 2;
