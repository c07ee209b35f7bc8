-- title: a table partitioned on the target alone that holds rows already
-- item: tables.target_partitions
-- refused: target-tables
-- section: schema
create table whole (id int primary key, v text);
-- section: target
create table whole (id int primary key, v text) partition by hash (id);
create table whole_0 partition of whole for values with (modulus 1, remainder 0);
insert into whole values (1, 'not ours');
