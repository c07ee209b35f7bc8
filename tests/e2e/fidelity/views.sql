-- title: materialized views hold what the base tables hold at the cutover
-- item: tables.matviews
-- section: schema
create table base (id int primary key, v int);
create materialized view summary as select count(*) as n, sum(v) as s from base;
create materialized view over_it as select n * 2 as twice from summary;
create unique index on over_it (twice);
create materialized view empty_one as select * from base with no data;
create view plain as select * from base where v > 5;
-- section: rows
insert into base select g, g from generate_series(1, 10) g;
refresh materialized view summary;
refresh materialized view over_it;
-- section: stream
insert into base values (100, 100);
refresh materialized view summary;
refresh materialized view over_it;
-- section: checks
select relname, relispopulated from pg_class where relnamespace = 'views'::regnamespace and relkind = 'm' order by 1;
