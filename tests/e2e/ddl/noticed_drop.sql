-- settings: {"ddl": {"capture": false}}
insert into old values (2, 'y');
alter table old drop column v;
insert into old values (3);
