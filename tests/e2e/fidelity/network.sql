-- title: inet, cidr, macaddr, pg_lsn and the like
-- item: values.network values.lsn
-- section: schema
create table net (id int primary key, i inet, c cidr, m macaddr, m8 macaddr8, l pg_lsn, x xid8, t tid, s pg_snapshot);
-- section: rows
insert into net values (1, '::1/64', '10/8', '08:00:2b:01:02:03', '08:00:2b:01:02:03:04:05', '16/B374D848', '18446744073709551615', '(0,1)', '10:20:10,14,15'),
  (2, '255.255.255.255', '::/0', 'ff:ff:ff:ff:ff:ff', 'ff:ff:ff:ff:ff:ff:ff:ff', 'FFFFFFFF/FFFFFFFF', '0', '(4294967295,65535)', '1:1:'),
  (3, '0.0.0.0/0', '0.0.0.0/0', '00:00:00:00:00:00', '00:00:00:00:00:00:00:00', '0/0', '1', '(0,0)', null),
  (4, '192.168.1.5/24', '2001:db8::/32', null, null, null, null, null, null),
  (5, '::ffff:1.2.3.4/128', '::ffff:1.2.3.0/120', null, '0800.2b01.0203', null, null, null, null);
-- section: stream
insert into net select id + 100, i, c, m, m8, l, x, t, s from net;
update net set i = i + 1 where id in (3, 4);
update net set i = set_masklen(i, 31), c = '10.1.0.0/16', m = trunc(m), l = l - 0, t = '(7,7)' where id in (2, 104);
