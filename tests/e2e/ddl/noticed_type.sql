-- settings: {"ddl": {"capture": false}}
insert into old values (2, 'y');
alter table old alter column v type varchar(20) collate "C";
insert into old values (5, 'short');
update old set v = 'w' where id = 1;
