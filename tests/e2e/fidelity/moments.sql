-- title: dates, times and intervals from BC to the end of the calendar
-- item: values.datetime values.interval
-- section: schema
create table moments (id int primary key, d date, t time, tz timetz, ts timestamp, tsz timestamptz);
create table spans (id int primary key, i interval, y interval year to month, s interval(2));
create table rounded (id int primary key, t time(0), ts timestamp(3), tz timestamptz(0));
-- section: rows
insert into moments values (1, 'infinity', '24:00:00', '24:00:00-15:59:59', 'infinity', 'infinity'),
  (2, '-infinity', '00:00', '00:00+15:59:59', '-infinity', '-infinity'),
  (3, '4714-11-24 BC', '23:59:59.999999', '12:00:00+05:53:28', '4714-11-24 00:00 BC', '4714-11-24 00:00:00+00 BC'),
  (4, '5874897-12-31', '00:00:00.000001', '23:59:59.999999-00:00:01', '294276-12-31 23:59:59.999999',
   '294276-12-31 23:59:59.999999+00'),
  (5, '0001-01-01', null, '12:00-04:56:02', '0001-12-31 23:59:59 BC', '1883-11-18 12:00:00 America/New_York'),
  (6, '2000-02-29', '12:34:56.789', null, '1999-12-31 24:00', '2000-03-26 02:30 Europe/Berlin'), (7, null, null, null, null, null),
  (8, '1582-10-10', '00:00:60', '10:00+00', '2016-12-31 23:59:60', '1900-01-01 00:00:00+05:53:28');
insert into spans values (1, '178000000 years', '178000000 years', '1.234567 s'), (2, '-178000000 years', '-1 mon', '-1.999 s'),
  (3, '2147483647 days -2147483648 months', null, null), (4, '-2147483648 days', '0', '0'),
  (5, '1 mon -31 days 744:00:00', '1 year -12 months', '24:00'), (6, '30 days', '1 year', null), (7, '1 month', null, null),
  (8, '2147483647:59:59.999999', null, null), (9, '-2147483647:59:59.999999', null, null), (10, '720 hours', null, null);
insert into rounded values (1, '23:59:59.5', '2020-01-01 00:00:00.0005', '2020-01-01 00:00:00.5+00');
-- section: stream
insert into moments select id + 100, d, t, tz, ts, tsz from moments;
update moments set d = tsz::date, t = '24:00' where id in (5, 6, 8);
set timezone = 'Asia/Kathmandu';
set datestyle = 'SQL, DMY';
set intervalstyle = 'sql_standard';
insert into moments values (200, '31/12/1999', '01:02', '01:02', '31/12/1999 10:00', '31/12/1999 10:00'),
  (201, '2000-01-01', '01:02', '01:02:03+05:41:16', now(), now());
insert into spans select id + 100, i, y, s from spans;
insert into spans values (200, '-1 2:03:04', null, null);
-- Equal for the type, and yet another value.
update spans set i = '1 month' where id in (6, 10);
update spans set i = '24 hours' where id = 105;
insert into rounded select id + 100, t, ts, tz from rounded;
update rounded set t = '00:00:00.4' where id = 1;
