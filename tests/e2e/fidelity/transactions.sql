-- title: savepoints, rolled back subtransactions, empty ones; COPY; logical messages; commit order that is not begin order
-- item: changes.savepoints changes.copy changes.messages changes.order
-- section: schema
create table t (id int primary key, v text);
create table order_of (id serial primary key, who text);
create table copied (id int primary key, a text, b numeric, c text[]);
create table merged (id int primary key, n int);
-- section: rows
insert into t select g, 'v' || g from generate_series(1, 50) g;
insert into merged values (1, 1), (2, 2);
-- section: stream
begin;
update t set v = 'kept' where id = 1;
savepoint a;
update t set v = 'lost' where id = 2;
savepoint b;
delete from t where id = 3;
release b;
rollback to a;
savepoint a;
update t set v = 'kept too' where id = 4;
release a;
savepoint c;
insert into t values (100, 'lost');
rollback to c;
insert into t values (100, 'kept');
commit;
begin;
update t set v = 'lost';
rollback;
do $$
begin
  for i in 1..40 loop
    begin
      insert into transactions.t values (1000 + i, 'inner');
      if i % 3 = 0 then raise exception 'no'; end if;
    exception when others then null;
    end;
  end loop;
end $$;
begin;
commit;
select pg_logical_emit_message(false, 'somebody', 'not for you');
select pg_logical_emit_message(true, 'somebody else', repeat('x', 100000));
begin;
insert into t values (200, 'with a message');
select pg_logical_emit_message(true, '', '');
commit;
copy copied from stdin;
1	a	1.10	{a,NULL}
2	\N	NaN	\N
3	tab\there	-0.00	{}
\.
copy copied (b, id, a, c) from stdin (delimiter ';', null 'NULL');
NULL;4;a,"b;NULL
NULL;5;;{}
1e10;6;NULL;{"x y"}
\.
\set ON_ERROR_STOP 1
insert into merged values (1, 10), (3, 3) on conflict (id) do update set n = excluded.n;
insert into merged values (2, 99) on conflict do nothing;
with gone as (delete from merged where id = 2 returning *) insert into merged select 20, n from gone;
-- Two sessions: the first to begin is the last to commit.
begin;
insert into order_of (who) values ('first');
-- in: second
begin;
insert into order_of (who) values ('second');
update t set v = 'second' where id = 10;
commit;
-- in: main
update t set v = v || ' then first' where id = 10;
commit;
-- in: second
begin;
update t set v = 'second' where id = 11;
-- in: third
begin;
update t set v = 'third' where id = 12;
insert into order_of (who) values ('third');
-- in: second
insert into order_of (who) values ('second again');
-- in: third
commit;
-- in: second
commit;
