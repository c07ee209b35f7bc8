-- title: virtual generated columns
-- item: tables.generated
-- versions: source 18+
-- section: schema
create table virtual (id int primary key, a int, v int generated always as (a * 2) virtual, s int generated always as (a + 1) stored);
create table most_virtual (v text generated always as ('x') virtual, id int primary key);
-- section: rows
insert into virtual (id, a) select g, g from generate_series(1, 20) g;
insert into most_virtual (id) values (1), (2);
-- section: stream
update virtual set a = a + 1 where id % 3 = 0;
delete from virtual where id = 5;
insert into virtual (id, a) values (100, null);
insert into most_virtual (id) values (3);
delete from most_virtual where id = 1;
