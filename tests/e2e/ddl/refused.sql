-- Texts that cannot be told for sure, and statements that the target refuses.
-- expect: stop routine written in SQL
-- then: skip
-- target: create table ref.by_sql (a int primary key); create table ref.there (z int)
-- expect: stop together with other statements in one string
-- then: skip
-- target: create table ref.two1 (a int primary key); create table ref.two2 (a int primary key)
-- expect: stop together with other statements in one string
-- then: skip
-- target: select 1
-- expect: stop already exists
-- then: apply
-- target: drop table ref.there
create schema ref;
create function ref.make() returns void language sql as 'create table ref.by_sql (a int primary key)';
select ref.make();
insert into ref.by_sql values (1);
do $$ begin execute 'create table ref.two1 (a int primary key); create table ref.two2 (a int primary key)'; end $$;
insert into ref.two2 values (1);
create table ref.there (a int primary key);
insert into ref.there values (5);
