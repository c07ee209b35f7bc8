-- title: dropped columns, many columns, none at all, added ones with a default
-- item: names.dropped
-- section: schema
create table dropped (a int, id int primary key, b text, c numeric);
insert into dropped values (1, 1, 'old', 1.1);
alter table dropped drop column a, drop column b, add column d text default 'later', add column e int;
create table lost_key (id int primary key, v text);
alter table lost_key drop column id;
create table nothing ();
create table only_generated (g int generated always as (1) stored);
create table default_only (id int generated always as identity primary key);
select format('create table wide (id int primary key, %s)', string_agg(format('c%s int default %s', g, g), ', ')) from generate_series(1, 700) g \gexec
-- section: rows
insert into dropped values (2, 2.2, 'x', 5);
insert into lost_key values ('a'), ('a'), (null);
insert into nothing select from generate_series(1, 3);
insert into only_generated select from generate_series(1, 2);
insert into default_only select from generate_series(1, 3);
insert into wide values (1), (2);
-- section: stream
insert into dropped values (3, null, null, null);
update dropped set c = c + 1, d = 'new' where id = 1;
update lost_key set v = 'b' where ctid = (select min(ctid) from lost_key);
delete from lost_key where v is null;
insert into nothing select from generate_series(1, 2);
insert into only_generated default values;
insert into default_only default values;
insert into wide values (3);
update wide set c7 = 0, c700 = -1 where id < 3;
delete from wide where id = 2;
