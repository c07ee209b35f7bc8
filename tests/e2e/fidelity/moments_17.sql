-- title: intervals without end, new in PostgreSQL 17
-- item: values.interval
-- versions: 17+
-- section: schema
create table spans (id int primary key, i interval, many interval[]);
-- section: rows
insert into spans values (1, 'infinity', '{infinity,-infinity,NULL}'), (2, '-infinity', '{}');
-- section: stream
insert into spans values (3, 'infinity', '{1 day,infinity}');
update spans set i = -i;
