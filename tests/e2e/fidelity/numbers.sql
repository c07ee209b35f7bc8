-- title: integers, numeric and floating point at their limits
-- item: values.numeric values.float values.money
-- section: schema
create table ints (id int primary key, s smallint, n integer, b bigint, o oid, x xid, c cid, yes boolean);
create table numerics (id int primary key, n numeric, fixed numeric(12, 2));
create table special (id int primary key, n numeric);
create table floats (id int primary key, s real, d double precision);
create table cash (id int primary key, m money);
-- section: rows
insert into ints values (1, -32768, -2147483648, -9223372036854775808, 0, '0', '0', true),
  (2, 32767, 2147483647, 9223372036854775807, 4294967295, '4294967295', '4294967295', false),
  (3, null, null, null, null, null, null, null), (4, 0, 0, 0, 1, '1', '1', null);
insert into numerics values (1, repeat('9', 131072)::numeric, -9999999999.99),
  (2, ('0.' || repeat('1234567890', 1638) || '123')::numeric, 0.00), (3, 0, 0.01), (4, 0.000, null),
  (5, -0.0000000000000000000000000000000000000001, 1), (6, 1.10, 2), (7, 1.1, 3), (8, 1.100000, 4),
  (9, ('1' || repeat('0', 131071) || '.' || repeat('0', 16382) || '1')::numeric, 5), (10, -1e100, 6), (11, 1e-100, 7);
insert into special values (1, 'NaN'), (2, 'Infinity'), (3, '-Infinity');
insert into floats values (1, 'NaN', 'NaN'), (2, 'Infinity', '-Infinity'), (3, '-0', '-0'), (4, 0, 0),
  (5, 3.4028235e38, 1.7976931348623157e308), (6, -3.4028235e38, -1.7976931348623157e308),
  (7, 1.17549435e-38, 2.2250738585072014e-308), (8, 1e-45, 4.9406564584124654e-324), (9, -1e-45, -5e-324),
  (10, 0.1, 0.1), (11, 0.30000000000000004, 0.30000000000000004), (12, 16777217, 9007199254740993), (13, null, null);
insert into cash values (1, '92233720368547758.07'), (2, '-92233720368547758.08'), (3, '0'), (4, '-0.01'), (5, null);
-- section: stream
insert into ints select id + 100, s, n, b, o, x, c, yes from ints;
update ints set s = n % 100, n = 7, b = -(b + 1), yes = not yes where id in (1, 4);
insert into numerics select id + 100, n, fixed from numerics;
update numerics set n = -n, fixed = -fixed where id < 100;
insert into special select id + 100, n from special;
update special set n = -n where id < 100;
insert into floats select id + 100, s, d from floats;
-- A NaN's sign is no value, and lost in text.
update floats set s = -s, d = -d where id between 2 and 99;
insert into cash select id + 100, m from cash;
update cash set m = null where id = 3;
-- Equal for the type, and yet another value.
update numerics set n = 1.1000 where id = 106;
update numerics set n = 0 where id = 104;
update floats set d = 0, s = 0 where id = 103;
