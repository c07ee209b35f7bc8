-- settings: {"ddl": {"default": "stop", "tables": "apply", "indexes": "ignore"}}
-- expect: stop .*waits for a decision.*create function.*asked
-- then: apply
-- expect: stop .*comment on table
-- then: skip
-- target: select 1
-- target: comment on table s is 'done by hand'
create table s (id int primary key);
insert into s values (1);
create function f() returns int language sql as 'select 1';
insert into s values (2);
comment on table s is 'done by hand';
alter table s add column x int default 7;
insert into s values (3);
