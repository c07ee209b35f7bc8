-- title: all geometric types
-- item: values.geometric
-- section: schema
create table shapes (id int primary key, p point, l line, s lseg, b box, pa path, po polygon, c circle);
create table no_key (p point, b box, po polygon, n int);
-- section: rows
insert into shapes values (1, '(1.5,-2)', '{1,2,3}', '[(0,0),(1,1)]', '(1,1),(0,0)', '[(0,0),(1,1),(2,0)]', '((0,0),(1,1),(1,0))', '<(0,0),5>'),
  (2, '(NaN,Infinity)', '{0,-1,0}', '[(1e300,-1e-300),(0,0)]', '(-0,0),(0,-0)', '((0,0),(1,1))', '((0,0))', '<(1e308,1),0>'),
  (3, '(-0,0.1)', null, null, null, '[(0,0)]', null, '<(0,0),NaN>'), (4, null, null, null, null, null, null, null);
insert into no_key values ('(1,1)', '(1,1),(0,0)', '((0,0),(1,1))', 1), ('(1,1)', '(2,0.5),(0,0)', '((0,0),(1,1))', 1),
  ('(1,1)', '(1,1),(0,0)', '((0,0),(1,1))', 1), ('(1.0000000001,1)', '(1,1),(0,0)', null, 2);
-- section: stream
insert into shapes select id + 100, p, l, s, b, pa, po, c from shapes;
update shapes set p = p + '(1,1)', b = '(5,5),(3,3)', c = '<(1,2),3>' where id in (1, 3);
-- Boxes of the same area, points that are nearly the same: the right row, and one of the equal ones.
update no_key set n = 20 where ctid = (select ctid from no_key where b ~= '(2,0.5),(0,0)' limit 1);
delete from no_key where ctid = (select min(ctid) from no_key where n = 1);
update no_key set p = '(1,1)' where n = 2;
