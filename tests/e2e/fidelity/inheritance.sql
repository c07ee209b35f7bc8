-- title: inheritance, also multiple; typed tables; temporary and foreign tables beside them
-- item: tables.inheritance tables.typed tables.temporary
-- section: schema
create table parent (id serial primary key, v text);
create table child (extra int, primary key (id)) inherits (parent);
create table grandchild (deep text) inherits (child);
create table second (id int, w text default 'w');
create table both_of (own int) inherits (parent, second);
create type employee as (name text, salary numeric);
create table employees of employee (primary key (name), salary with options default 1000);
-- section: rows
insert into parent (v) select 'p' || g from generate_series(1, 20) g;
insert into child (v, extra) select 'c' || g, g from generate_series(1, 20) g;
insert into grandchild (v, extra, deep) select 'g' || g, g, 'd' from generate_series(1, 20) g;
insert into both_of (v, own) values ('b', 1), ('b', 1);
insert into employees values ('Ann', 1.10), ('Bob', null);
-- section: stream
update parent set v = v || '!' where id % 3 = 0;
update only parent set v = 'only' where id % 5 = 0;
delete from parent where id % 7 = 0;
insert into grandchild (v, extra, deep) values ('late', 1, null);
update child set extra = extra + 1;
update both_of set w = 'new' where ctid = (select min(ctid) from both_of);
insert into employees (name) values ('Cid');
update employees set salary = salary * 2, name = name || ' jr.';
create temporary table beside (a int);
insert into beside values (1);
update beside set a = 2;
drop table beside;
