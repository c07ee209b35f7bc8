-- title: another partitioning on the target than on the source
-- item: tables.target_partitions
-- refused: target-tables
-- section: schema
create table parted (id int primary key, v text) partition by range (id);
create table parted_1 partition of parted for values from (1) to (100);
create table parted_2 partition of parted for values from (100) to (200);
create table whole (id int primary key, v text);
-- section: rows
insert into parted select g, 'r' || g from generate_series(1, 199) g;
-- section: target
create table parted (id int primary key, v text) partition by hash (id);
create table parted_h0 partition of parted for values with (modulus 2, remainder 0);
create table parted_h1 partition of parted for values with (modulus 2, remainder 1);
create table whole (id int primary key, v text);
