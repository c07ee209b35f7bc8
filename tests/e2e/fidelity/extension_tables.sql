-- title: configuration tables of an extension, which the extension itself fills on the target, too
-- item: tables.extension
-- section: schema
create extension if not exists seg schema public;
create table conf (id int primary key, v text);
alter extension seg add table conf;
update pg_extension set extconfig = array['conf'::regclass::oid], extcondition = array[''] where extname = 'seg';
-- section: rows
insert into conf values (1, 'by the extension'), (2, 'by the user');
-- section: target
create extension if not exists seg schema public;
create table conf (id int primary key, v text);
alter extension seg add table conf;
update pg_extension set extconfig = array['conf'::regclass::oid], extcondition = array[''] where extname = 'seg';
insert into conf values (1, 'by the extension');
-- section: stream
insert into conf values (3, 'later');
update conf set v = 'changed' where id = 1;
delete from conf where id = 2;
