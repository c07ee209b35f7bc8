-- The demo's second schema: every-day types, keys of several kinds, a trigger, a partitioned table.
create schema shop;
set search_path = shop;
create type state as enum ('new', 'paid', 'sent');
create domain email as text check (value like '%@%');

create table customer (
    id bigint generated always as identity primary key,
    mail email not null unique, name text not null, tags text[] not null default '{}',
    settings jsonb not null default '{}', born date, balance numeric(12, 2) not null default 0,
    picture bytea, created timestamptz not null default now());
create table product (
    code uuid primary key default gen_random_uuid(), title text not null, price numeric(10, 2) not null,
    weight double precision, available int4range, gross numeric generated always as (price * 1.19) stored);
create table "order" (
    id serial primary key, customer bigint not null references customer,
    state state not null default 'new', note text, placed timestamptz not null default now());
create table line (
    "order" integer not null references "order" on delete cascade, no smallint not null,
    product uuid not null references product, amount integer not null check (amount > 0),
    primary key ("order", no));
create table event (at timestamptz not null, kind text, body json) partition by range (at);
create table event_old partition of event for values from ('2000-01-01') to ('2024-01-01');
create table event_new partition of event default;
create index on event (at);
create index on customer using gin (settings);

create function touch() returns trigger language plpgsql as
    $$ begin new.note = coalesce(new.note, '') || '.'; return new; end $$;
create trigger touch before update on "order" for each row execute function touch();
create view open_order as select * from "order" where state <> 'sent';

insert into customer (mail, name, tags, settings, born, balance, picture)
select 'c' || g || '@example.org', 'Kunde ' || g || ' "Ü"', array['a' || g % 7, 'b,c'],
    jsonb_build_object('lang', 'de', 'n', g), date '1970-01-01' + g % 15000, g / 3.0,
    decode(repeat(md5(g::text), 4), 'hex')
from generate_series(1, 50000) g;
insert into product (title, price, weight, available)
select 'Ding ' || g, g % 900 + 0.99, g / 7.0, int4range(g, g + 10) from generate_series(1, 2000) g;
insert into "order" (customer, note) select 1 + g % 50000, repeat('n', g % 40) from generate_series(1, 40000) g;
insert into line select o.id, 1, p.code, 1 + o.id % 5 from "order" o
    join (select code, row_number() over () as n from product) p on p.n = 1 + o.id % 2000;
insert into event select timestamptz '2023-06-01' + g * interval '20 minutes', 'visit',
    json_build_object('page', g) from generate_series(1, 40000) g;
analyze;
