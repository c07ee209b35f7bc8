-- title: prepared transactions, committed, rolled back, and overtaken by others
-- item: changes.prepared
-- section: schema
create table t (id int primary key, v text);
-- section: rows
insert into t select g, 'v' from generate_series(1, 10) g;
-- section: stream
begin;
update t set v = 'prepared' where id = 1;
insert into t values (100, 'prepared');
savepoint s;
delete from t where id = 2;
rollback to s;
prepare transaction 'fidelity kept';
begin;
delete from t where id = 3;
prepare transaction 'fidelity "lost" ''x''';
-- in: second
insert into t values (200, 'between');
update t set v = 'between' where id = 4;
-- in: main
commit prepared 'fidelity kept';
rollback prepared 'fidelity "lost" ''x''';
update t set v = v || ' and more' where id = 1;
