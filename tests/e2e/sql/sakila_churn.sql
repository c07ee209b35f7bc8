-- One round of ordinary and less ordinary work on the sakila database. {i} is the number of the round.
\set i {i}
begin;
insert into actor (first_name, last_name) select 'A' || g, 'Round ' || :i from generate_series(1, 20) g;
update actor set last_name = upper(last_name) where actor_id % 7 = :i % 7;
delete from actor where actor_id > 400 and actor_id % 3 = 0;
commit;

-- The trigger on film rewrites its tsvector; special_features is an array.
update film set description = 'round ' || :i || ' ' || repeat(md5(film_id::text), 3),
    special_features = array['Trailers', 'Round ' || :i]
where film_id % 50 = :i % 50;

-- Rules send these rows into the child tables, which have no primary key.
begin;
insert into payment (customer_id, staff_id, rental_id, amount, payment_date)
select 1 + (:i + g) % 599, 1, 1 + :i % 1000, 0.5 + g, timestamp '2007-01-11 10:00' + g % 5 * interval '1 month'
from generate_series(1, 10) g;
update payment set amount = amount + 0.01 where payment_id % 500 = :i % 500;
delete from payment where payment_id % 900 = :i % 900;
commit;

begin;
savepoint a;
insert into city (city, country_id) values ('Undone', 1);
rollback to a;
insert into city (city, country_id) values ('Done ' || :i, 1 + :i % 100);
commit;

begin;
insert into country (country) values ('Never');
rollback;

update staff set picture = decode(repeat(lpad(to_hex(:i % 256), 2, '0'), 4000), 'hex') where staff_id = 2;
update staff set email = 'round' || :i || '@example.org' where staff_id = 2;

-- Every third round a child table is emptied, and refilled in the same transaction every sixth.
begin;
select :i % 3 = 0 as third, :i % 6 = 0 as sixth \gset
\if :third
truncate payment_p2007_05;
\endif
\if :sixth
insert into payment_p2007_05 (customer_id, staff_id, rental_id, amount, payment_date)
select 1 + g, 2, g, g, '2007-05-05' from generate_series(1, 50) g;
\endif
commit;
