-- settings: {"ddl": {"capture": false, "tables": "stop"}}
-- expect: stop noticed by a row.*add column "n" integer.*asked
-- then: apply
-- expect: stop new column "w" text, no column "v".*another name
-- then: skip
-- target: select 1
-- target: alter table old rename column v to w
-- expect: stop add column "fits" s.mood.*asked
-- then: skip
-- target: create schema s; create type s.mood as enum ('sad'); alter table old add column fits s.mood
insert into old values (2, 'y');
alter table old add column n int;
insert into old values (3, 'z', 7);
alter table old rename column v to w;
insert into old values (4, 'z', 7);
create schema s; create type s.mood as enum ('sad');
alter table old add column fits s.mood;
insert into old values (5, 'z', 7, 'sad');
