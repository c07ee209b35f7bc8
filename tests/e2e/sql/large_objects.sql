-- Large objects of several kinds, referred to in the usual ways.
create extension lo;
create table image (title text primary key, raster lo);
create trigger t_raster before update or delete on image for each row execute function lo_manage(raster);
create table note (id integer primary key, body oid);
insert into note select g, lo_from_bytea(10000 + g, decode(repeat(md5(g::text), g * 40), 'hex')) from generate_series(1, 40) g;
select lo_create(20001);
select lo_from_bytea(20002, decode(repeat('00ff', 1500000), 'hex'));
select lo_from_bytea(20003, convert_to(repeat('abc', 1000000), 'UTF8'));
-- A hole, and one that reaches far.
select lo_create(20004), lo_put(20004, 3000000, 'behind a hole');
select lo_from_bytea(20005, 'grows'), lo_from_bytea(20006, 'shrinks: ' || convert_to(repeat('x', 5000), 'UTF8'));
select lo_from_bytea(20007, 'goes'), lo_from_bytea(20008, 'stays'), lo_from_bytea(20009, 'comment'), lo_from_bytea(20010, 'rights');
comment on large object 20008 is 'it''s one';
insert into image values ('one', lo_from_bytea(30001, 'first')), ('two', lo_from_bytea(30002, 'second'));
