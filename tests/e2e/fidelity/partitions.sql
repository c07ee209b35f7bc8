-- title: partitioned by range, list and hash, nested; rows that move; default partitions; other column orders
-- item: tables.partitions tables.partition_moves
-- section: schema
create table by_range (id bigint, day date not null, v numeric, primary key (id, day)) partition by range (day);
create table by_range_2024 partition of by_range for values from ('2024-01-01') to ('2025-01-01');
create table by_range_2025 partition of by_range for values from ('2025-01-01') to ('2026-01-01') partition by list (id);
create table by_range_2025_odd partition of by_range_2025 for values in (1, 3, 5, 7, 9);
create table by_range_2025_rest partition of by_range_2025 default partition by hash (id);
create table by_range_2025_h0 partition of by_range_2025_rest for values with (modulus 2, remainder 0);
create table by_range_2025_h1 partition of by_range_2025_rest for values with (modulus 2, remainder 1);
create table by_range_rest partition of by_range default;
create table by_hash (id text primary key, v int) partition by hash (id);
create table by_hash_0 partition of by_hash for values with (modulus 3, remainder 0);
create table by_hash_1 partition of by_hash for values with (modulus 3, remainder 1);
create table by_hash_2 partition of by_hash for values with (modulus 3, remainder 2);
create table by_list (kind text, v int) partition by list (kind);
create table by_list_ab (v int, dropped int, kind text);
alter table by_list_ab drop column dropped;
alter table by_list attach partition by_list_ab for values in ('a', 'b', null);
create table by_list_rest partition of by_list default;
create table by_expression (id int, name text, at timestamptz) partition by range (lower(name), id);
create table by_expression_1 partition of by_expression for values from (minvalue, minvalue) to ('m', 0);
create table by_expression_2 partition of by_expression for values from ('m', 0) to (maxvalue, maxvalue);
create table refers (id int primary key, hash_id text references by_hash on delete cascade);
create table empty_root (id int primary key) partition by range (id);
-- section: rows
insert into by_range select g % 20, date '2023-06-01' + g, g from generate_series(1, 900) g;
insert into by_hash select 'h' || g, g from generate_series(1, 60) g;
insert into by_list select (array['a', 'b', 'c', null])[1 + g % 4], g % 5 from generate_series(1, 40) g;
insert into by_expression select g, (array['Anna', 'Zoe', 'mia'])[1 + g % 3], '2020-01-01' from generate_series(1, 30) g;
insert into refers select g, 'h' || g from generate_series(1, 20) g;
-- section: stream
update by_range set day = day + 365 where day < '2024-02-01';
update by_range set v = v + 1 where day > '2025-01-01';
update by_range set id = id + 1, day = day + 100000 where day between '2024-05-01' and '2024-05-20';
delete from by_range where id = 7;
insert into by_range select g, date '2025-03-01' + g, g from generate_series(30, 60) g;
update by_hash set id = id || 'x', v = -v where v % 3 = 0 and v > 20;
delete from by_hash where v between 1 and 10;
update by_list set kind = case kind when 'a' then 'z' when 'c' then null else kind end where v = 1;
update by_list set v = 77 where ctid = (select min(ctid) from by_list_ab) and tableoid = 'by_list_ab'::regclass;
delete from by_list where ctid = (select max(ctid) from by_list_rest) and tableoid = 'by_list_rest'::regclass;
update by_expression set name = 'Mia' where id % 5 = 0;
update by_expression set id = -id where id % 7 = 0;
truncate by_range_2025_odd;
insert into by_range values (1, '2025-09-09', 1);
