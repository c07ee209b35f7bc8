-- title: partitioned on the target alone; partitions there that are partitioned further, or are foreign to the source
-- item: tables.target_partitions
-- section: schema
create table whole (id int primary key, v text);
create table parted (id int, day date, v text, primary key (id, day)) partition by range (day);
create table parted_1 partition of parted for values from ('2024-01-01') to ('2025-01-01');
create table heir (id int primary key, v text);
-- section: rows
insert into whole select g, 'w' || g from generate_series(1, 100) g;
insert into parted select g, date '2024-01-01' + g, 'p' from generate_series(1, 100) g;
insert into heir select g, 'h' from generate_series(1, 10) g;
-- section: target
create table whole (id int primary key, v text) partition by hash (id);
create table whole_0 partition of whole for values with (modulus 2, remainder 0);
create table whole_1 partition of whole for values with (modulus 2, remainder 1);
create table parted (id int, day date, v text, primary key (id, day)) partition by range (day);
create table parted_1 partition of parted for values from ('2024-01-01') to ('2025-01-01') partition by hash (id);
create table parted_1_0 partition of parted_1 for values with (modulus 2, remainder 0);
create table parted_1_1 partition of parted_1 for values with (modulus 2, remainder 1);
create table parted_2 partition of parted for values from ('2025-01-01') to ('2026-01-01');
create table heir (id int primary key, v text);
-- section: stream
update whole set v = 'new' where id % 3 = 0;
update whole set id = id + 1000 where id % 7 = 0;
delete from whole where id % 10 = 0;
insert into whole values (5000, 'late');
update parted set v = 'new' where id % 3 = 0;
update parted set id = -id where id < 10;
delete from parted where id > 90;
truncate heir;
insert into heir values (1, 'again');
