-- title: columns in another order on the target, and additional ones with defaults
-- item: names.order names.additional
-- section: schema
create table orders (id int primary key, a text, b numeric, c timestamptz);
create table more (id int generated always as identity primary key, v text);
create table wider (id int primary key, s smallint, n int, v varchar(10), c char(3), r real);
create table no_key (a int, b text);
-- section: rows
insert into orders select g, 'a' || g, g / 3.0, '2020-01-01' from generate_series(1, 50) g;
insert into more (v) select 'v' || g from generate_series(1, 50) g;
insert into wider values (1, 1, 1, 'x', 'ab', 1.5), (2, null, null, null, null, null);
insert into no_key values (1, 'x'), (1, 'x'), (2, null);
-- section: target
create table orders (c timestamptz, b numeric, extra int not null default 7, a text, id int primary key, stamp timestamptz default now());
create table more (before text default 'b', v text, id int generated always as identity primary key, twice text generated always as (v || v) stored);
create table wider (id bigint primary key, s int, n bigint, v text, c char(3), r real);
create table no_key (b text, extra text default 'e', a int);
-- section: stream
update orders set a = 'new', b = -b where id % 5 = 0;
insert into orders values (100, null, null, null);
delete from orders where id % 7 = 0;
insert into more (v) values ('later');
update more set v = null where id % 10 = 0;
insert into wider values (3, 32767, 2147483647, 'ten chars!', 'c', -0.1);
update wider set s = s + 1, v = 'y' where id = 1;
update wider set id = 20 where id = 2;
update no_key set b = 'y' where ctid = (select min(ctid) from no_key);
delete from no_key where a = 2;
-- section: checks
select id, v from more order by id;
