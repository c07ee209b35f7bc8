-- title: large values that an update leaves alone are not in the feed
-- item: values.toast
-- section: schema
create table big (id int primary key, n int, t text, j jsonb, b bytea, l text[]);
alter table big alter t set storage external, alter b set storage external;
create table big_full (id int, n int, t text, j jsonb);
alter table big_full alter t set storage external;
alter table big_full replica identity full;
create table big_none (n int, t text);
alter table big_none alter t set storage external;
create table big_key (k text primary key, n int);
create table big_index (k text not null unique, v text, n int);
alter table big_index alter k set storage external, alter v set storage external;
alter table big_index replica identity using index big_index_k_key;
create table big_moved (id int, part int, t text, primary key (id, part)) partition by list (part);
create table big_moved_1 partition of big_moved for values in (1);
create table big_moved_2 partition of big_moved for values in (2);
alter table big_moved_1 alter t set storage external;
alter table big_moved_2 alter t set storage external;
-- section: rows
insert into big select g, 0, repeat(md5(g::text), 400), jsonb_build_object('a', repeat(md5(g::text), 200)), decode(repeat(md5(g::text), 300), 'hex'),
  array[repeat(md5(g::text), 200), null] from generate_series(1, 12) g;
insert into big_full select id, n, t, j from big;
insert into big_full select id, n, t, j from big where id < 4;
insert into big_none select n, t from big;
insert into big_none select n, t from big where id < 4;
insert into big_key select md5(g::text), 0 from generate_series(1, 5) g;
insert into big_index select repeat(md5(g::text), 70), repeat(md5(g::text), 300), 0 from generate_series(1, 5) g;
insert into big_moved select id, 1, t from big;
-- section: stream
update big set n = n + 1;
update big set t = 'short' where id = 1;
update big set t = repeat('y', 20000), j = null where id = 2;
update big set id = id + 100 where id in (3, 4);
update big set l = l || 'x'::text where id = 5;
begin;
update big set n = 7 where id = 6;
update big set n = 8, b = b || '\x00' where id = 6;
delete from big where id = 6;
commit;
insert into big select id + 200, n, t, j, b, l from big;
update big_full set n = n + 1 where id > 3;
update big_full set n = n + 1 where ctid = (select min(ctid) from big_full where id = 2);
delete from big_full where ctid = (select max(ctid) from big_full where id = 1);
update big_none set n = 1 where ctid = (select min(ctid) from big_none);
delete from big_none where ctid = (select max(ctid) from big_none);
update big_key set n = 1;
update big_key set k = repeat(md5(k), 50) where k like 'c%';
update big_key set n = 2;
update big_index set n = 1;
update big_index set k = k || 'x' where n = 1;
update big_index set v = 'short' where k like 'c%';
update big_moved set part = 2 where id % 2 = 0;
update big_moved set part = 3 - part, id = id + 1000 where id in (1, 2);
delete from big_moved where id = 4;
