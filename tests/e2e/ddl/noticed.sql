-- settings: {"ddl": {"capture": false}}
-- Without event triggers rows tell how their table was altered.
insert into old values (2, 'y');
alter table old add column n int;
insert into old values (3, 'z', 7);
begin;
update old set v = 'early' where id = 2;
alter table old add column d int not null default 5, add column "odd ""name" numeric(6, 2) default 1.5;
update old set n = 1 where id = 3;
insert into old (id, d) values (4, 8);
commit;
