-- What no change feed carries.
select lo_put(20002, 1048570, '\x010203040506070809');
select lo_put(20005, 5, convert_to(repeat(' and grows', 300000), 'UTF8'));
begin; select lo_truncate(lo_open(20006, 131072), 3); commit;
begin; select lo_truncate(lo_open(20003, 131072), 2048 * 10); commit;
begin; select lo_truncate(lo_open(20001, 131072), 70000); commit;
select lo_unlink(20007);
comment on large object 20008 is null;
comment on large object 20009 is 'has one now';
grant select, update on large object 20010 to public;
delete from note where id = 7;
select lo_unlink(10007);
insert into note select g, lo_from_bytea(10000 + g, decode(repeat(md5(g::text), 10), 'hex')) from generate_series(41, 60) g;
update image set raster = lo_from_bytea(30003, 'replaced') where title = 'one';
delete from image where title = 'two';
begin; select lo_put(20008, 0, 'rolled back'); rollback;
