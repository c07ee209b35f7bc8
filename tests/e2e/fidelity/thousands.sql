-- title: a transaction that touches two thousand tables
-- item: changes.many_tables
-- speed: long
-- section: schema
select format('create table t%s (id int primary key, v text)', g) from generate_series(1, 2000) g \gexec
-- section: rows
select format('insert into t%s values (1, ''old'')', g) from generate_series(1, 2000) g \gexec
-- section: stream
begin;
select format('update t%s set v = ''new''', g) from generate_series(1, 2000) g \gexec
select format('insert into t%s values (2, ''late'')', g) from generate_series(2000, 1, -1) g \gexec
commit;
begin;
select format('truncate t%s', g) from generate_series(1, 2000, 100) g \gexec
commit;
