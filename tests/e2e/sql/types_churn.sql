-- One round of work on the tables of types.sql. {i} is the number of the round.
\set i {i}
begin;
insert into kinds (small, amount, double, t, b, tsz, iv, jb, m, p, ints, texts, r, u, bits)
select :i % 30000, :i / 7.0, sqrt(:i), 'r' || :i, decode(md5(:i::text), 'hex'), now(),
    make_interval(secs => :i), jsonb_build_object('i', :i, 'n', null), 'ok', :i + 1, array[:i, null, g],
    array['a', null, '"' || g], int4range(:i, :i + g), gen_random_uuid(), B'01010'
from generate_series(1, 10) g;
update kinds set amount = 'NaN', t = null, jb = '[]' where id % 40 = :i % 40;
delete from kinds where id > 600 and id % 5 = 0;
commit;

begin;
update toasted set n = n + 1 where id % 3 = :i % 3;
update toasted set big = repeat(md5(:i::text), 500) where id = 1 + :i % 30;
update toasted set doc = jsonb_build_object('r', :i), raw = null where id = 1 + (:i + 7) % 30;
commit;

-- Keys change, also to one that was another row's in the same transaction.
begin;
update toasted set id = -id where id = 1 + :i % 30;
update toasted set id = -id where id < 0;
update "Odd Schema"."we""ird.Table" set "select" = "select" + 1000, "Spalte ä" = 'moved ' || :i
where "select" % 10 = :i % 10;
update identity_index set a = a + 500, b = 'z' || b where c % 20 = :i % 20;
delete from identity_index where length(b) > 20;
insert into identity_index values (:i, 'new' || :i, :i);
commit;

insert into generated (a) values (:i), (null);
update generated set a = a + 1, c = null where id % 9 = :i % 9;

-- Equal rows: one of them is meant, whichever.
begin;
update identity_full set b = 'u' || :i where ctid = (select min(ctid) from identity_full where a = :i % 10);
delete from identity_full where ctid = (select max(ctid) from identity_full where a = (:i + 1) % 10);
insert into identity_full values (:i % 10, null), (:i % 10, null);
commit;
update identity_none set b = 'c' || :i where a % 20 = :i % 20;
delete from identity_none where a % 31 = :i % 31;
insert into identity_none values (:i, 'i' || :i);
insert into identity_nothing values (:i);

-- Rows move between partitions.
begin;
update measures m set day = day + 200
where day between '2024-01-01' and '2024-12-01' and id = :i % 10
    and not exists (select from measures o where o.id = m.id and o.day = m.day + 200);
insert into measures values (:i % 100, date '2025-01-01' + (:i % 300), :i)
on conflict (id, day) do update set v = excluded.v;
delete from measures where day > '2025-11-01';
commit;

update only parent set v = 'p' || :i where id % 11 = :i % 11;
update child set v = 'c' || :i, extra = extra + 1 where id % 11 = :i % 11;
insert into child (v, extra) values ('n' || :i, :i);

begin;
insert into orders (note) values ('round ' || :i);
insert into order_lines select max(id), 1, 5 from orders;
update order_lines set amount = amount + 1 where order_id % 13 = :i % 13;
savepoint s;
delete from orders where id % 17 = :i % 17;
rollback to s;
delete from orders where id % 23 = :i % 23;
commit;

insert into ruled (v) values (:i);
select nextval('downwards');

select :i % 4 = 3 as fourth \gset
\if :fourth
begin;
truncate orders, order_lines restart identity;
insert into orders (note) select 'again ' || g from generate_series(1, 10) g;
insert into order_lines select id, 1, 1 from orders;
commit;
truncate measures_2025_odd;
truncate only parent;
\endif
