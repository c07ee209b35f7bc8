-- title: bytea, bit strings, uuid and text with every character that text may have
-- item: values.bytea values.bit values.uuid values.text values.null
-- section: schema
create table bin (id int primary key, b bytea, bits bit(9), vb varbit, vb5 varbit(5), u uuid);
create table txt (id int primary key, t text, v varchar(5), c char(5), n name, q "char", e text not null default '');
-- section: rows
insert into bin select 1, string_agg(set_byte('\x00', 0, g), '' order by g), B'101010101', B'1', B'', gen_random_uuid()
from generate_series(0, 255) g;
insert into bin values (2, '', B'000000000', B'', B'10101', '00000000-0000-0000-0000-000000000000'),
  (3, null, null, null, null, null), (4, '\x00', B'111111111', repeat('10', 5000)::varbit, B'0', 'ffffffff-ffff-ffff-ffff-ffffffffffff'),
  (5, '\x5c5c00', null, B'0', null, null), (6, '\\', null, B'00', null, null);
insert into txt select g, chr(g), chr(g), chr(g), chr(g), (g % 127 + 1)::int::"char", '' from generate_series(1, 700) g;
insert into txt values (1001, '', '', '', '', '', ''), (1002, null, null, null, null, null, ''),
  (1003, E'\\N', E'\\N', 'null', 'NULL', 'N', E'\\.'), (1004, E'\\.', E'\\.', E'\\.', E'\\.', '\', E'a\nb\rc\td\be\ff\vg'),
  (1005, E'\r\n', E'\t', '   ', ' ', ' ', '   '), (1006, U&'\+01F600\+10FFFF\FEFF\200B', '☃☃☃☃☃', 'ß', 'ä', 'z', U&'a\0301'),
  (1007, U&'\00e1', null, 'a', null, E'\\377', 'trailing '), (1008, '"', '''', '","', '{}', '"', '("a","b")'),
  (1009, repeat('€', 50000), 'x', null, repeat('n', 63), null, 'x');
-- section: stream
insert into bin select id + 100, b, bits, vb, vb5, u from bin;
update bin set b = b || '\x00ff', vb = vb || B'1' where id < 100;
update bin set b = null, u = gen_random_uuid() where id = 102;
insert into txt select id + 2000, t, v, c, n, q, e from txt;
update txt set t = c, v = left(t, 5), e = coalesce(t, '') || e where id between 1000 and 2000;
update txt set t = '', v = null where id % 50 = 0;
update txt set t = null, v = '' where id % 50 = 1;
delete from txt where id % 7 = 0;
