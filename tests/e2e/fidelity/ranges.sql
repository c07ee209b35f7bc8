-- title: ranges and multiranges, of built-in and own types
-- item: values.range values.multirange
-- section: schema
create type floatrange as range (subtype = float8, subtype_diff = float8mi);
create type textrange as range (subtype = text, collation = "C");
create domain percent as numeric check (value between 0 and 100);
create type percents as range (subtype = percent);
create table spans (id int primary key, i int4range, b int8range, n numrange, d daterange, ts tsrange, tz tstzrange,
  f floatrange, t textrange, p percents);
create table many (id int primary key, i int4multirange, n nummultirange, d datemultirange, ts tsmultirange, tz tstzmultirange,
  b int8multirange, f floatmultirange, t textmultirange, a int4range[], am int4multirange[]);
create table no_key (r int4range, m nummultirange, f floatrange, n int);
-- section: rows
insert into spans values (1, 'empty', 'empty', 'empty', 'empty', 'empty', 'empty', 'empty', 'empty', 'empty'),
  (2, '(,)', '(,)', '(,)', '(,)', '(,)', '(,)', '(,)', '(,)', '(,)'), (3, '[1,3]', '(1,9223372036854775807)', '(1.10,2.0]',
   '[2020-01-01,infinity]', '["2020-01-01 00:00",infinity)', '[-infinity,"2020-01-01 00:00+05"]', '(-0,NaN]', '["a,b","c\"d)"]', '[0,100.00]'),
  (4, null, null, null, null, null, null, null, null, null), (5, '[,5)', '[5,]', '(-Infinity,Infinity)', '(,2020-01-01]', '(,infinity]', '(,)',
   '[1e-320,)', '[,"")', '(0,)');
insert into many values (1, '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}'),
  (2, '{(,)}', '{(,)}', '{[2020-01-01,2020-02-01),[2021-01-01,)}', '{(,)}', '{(,)}', '{(,)}', '{(,)}', '{(,)}', '{empty,"[1,2)",NULL}', '{"{[1,2)}","{}"}'),
  (3, '{[1,2],[5,9)}', '{[1.10,1.10],(2,3)}', null, null, null, '{[1,2)}', '{[1,2],(3,4)}', '{["a,","b}"],("{",)}', '[3:4]={"(,)",empty}', null);
insert into no_key values ('[1,2)', '{[1.0,2.0)}', '[1,2)', 1), ('[1,2)', '{[1.00,2.0)}', '[1,2)', 1), ('empty', '{}', 'empty', 2), ('empty', '{}', 'empty', 2);
-- section: stream
insert into spans select id + 100, i, b, n, d, ts, tz, f, t, p from spans;
update spans set i = i * '[0,10)', f = '[1,2]', t = '(b,c]', p = '[1,2]' where id in (1, 2, 3, 5);
insert into many select id + 100, i, n, d, ts, tz, b, f, t, a, am from many;
update many set i = i + '{[100,200)}', f = f + '{[-5,-4)}', t = '{}', am = array['{[7,8)}'::int4multirange] where id < 100;
update no_key set n = 5 where ctid = (select ctid from no_key where m::text = '{[1.00,2.0)}');
delete from no_key where ctid = (select max(ctid) from no_key where n = 2);
