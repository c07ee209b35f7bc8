-- What the rows have in the new key cannot be computed again, and they have no other key.
-- expect: stop has to be copied again
-- then: skip
-- target: alter table public.again add column id int, add column tmp int; update public.again set id = a; alter table public.again drop column tmp; alter table public.again alter id set not null, add primary key (id); create sequence public.again_id_seq as integer owned by public.again.id; alter table public.again alter id set default nextval('public.again_id_seq')
create table public.again (a int);
insert into public.again values (1), (2);
alter table public.again add column id serial, add primary key (id);
update public.again set a = a + 10;
