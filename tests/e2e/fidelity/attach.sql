-- title: a carried table that is attached while streaming, and a partition that is detached
-- item: tables.attach
-- ignore: leaving parted
-- section: schema
create table parted (id int primary key, v text) partition by range (id);
create table leaving partition of parted for values from (1) to (100);
create table staying partition of parted for values from (100) to (200);
create table coming (id int primary key, v text, check (id >= 300 and id < 400));
-- section: rows
insert into parted select g, 'r' || g from generate_series(1, 199) g;
insert into coming values (300, 'alone');
-- section: stream
update parted set v = 'before';
alter table parted attach partition coming for values from (300) to (400);
update coming set v = 'as a partition';
insert into parted values (301, 'through the root');
alter table parted detach partition leaving;
update parted set v = v || ' after';
update parted set id = 310 where id = 150;
delete from parted where id = 151;
-- section: checks
select count(*) from attach.leaving;
