-- title: exclusion constraints, checks, triggers and rules: they do not act a second time
-- item: tables.exclusion tables.triggers
-- section: schema
create extension if not exists btree_gist schema public;
create table bookings (id int primary key, room int, during tsrange, exclude using gist (room with =, during with &&));
create table deferred_bookings (id int primary key, during int4range, exclude using gist (during with &&) deferrable initially deferred);
create table hash_once (v text, exclude using hash (v with =));
create table counted (id int primary key, v text, changed int default 0);
create table log (id bigserial primary key, what text);
create function counted_changed() returns trigger language plpgsql as $$
begin
  new.changed := new.changed + 1;
  insert into constraints.log (what) values (tg_op || new.id);
  return new;
end $$;
create trigger counted_changed before insert or update on counted for each row execute function counted_changed();
create trigger always_too after insert on counted for each row execute function suppress_redundant_updates_trigger();
drop trigger always_too on counted;
create table ruled (id int primary key, v int);
create table ruled_copy (id int, v int);
create rule ruled_too as on insert to ruled do also insert into constraints.ruled_copy values (new.id, new.v);
create rule ruled_gone as on delete to ruled do instead nothing;
create table hidden (id int primary key, who text);
alter table hidden enable row level security;
alter table hidden force row level security;
create policy nobody on hidden using (false);
-- section: rows
insert into bookings values (1, 1, '[2020-01-01,2020-01-02)'), (2, 1, '[2020-01-02,2020-01-03)'), (3, 2, null);
insert into deferred_bookings values (1, '[1,5)'), (2, '[5,9)');
insert into hash_once values ('a'), ('b'), (null), (null);
insert into counted values (1, 'a'), (2, 'b');
insert into ruled values (1, 1), (2, 2);
insert into hidden values (1, 'x');
-- section: stream
begin;
update bookings set during = '[2021-01-01,2021-01-02)' where id = 1;
update bookings set during = '[2020-01-01,2020-01-02)' where id = 2;
insert into bookings values (4, 1, '[2020-01-02,2020-01-03)');
commit;
begin;
update deferred_bookings set during = '[5,9)' where id = 1;
update deferred_bookings set during = '[1,5)' where id = 2;
commit;
update hash_once set v = 'c' where v = 'a';
delete from hash_once where v = 'b';
insert into hash_once values ('a');
insert into counted values (3, 'c');
update counted set v = v || 'x';
delete from counted where id = 1;
insert into ruled values (3, 3);
delete from ruled;
update ruled set v = 9;
insert into hidden values (2, 'y');
update hidden set who = 'z';
