-- One purchase, for pgbench.
\set c random(1, 50000)
\set o random(1, 40000)
begin;
insert into shop."order" (customer) values (:c) returning id \gset
insert into shop.line select :id, 1, code, 2 from shop.product limit 1;
update shop.customer set balance = balance - 1, settings = settings || '{"seen": true}' where id = :c;
update shop."order" set state = 'paid' where id = :o;
insert into shop.event values (now(), 'purchase', '{"ok": true}');
delete from shop."order" where id = :o and id % 10 = 0;
end;
