-- What the rows have in the new key cannot be computed again, and they have no other key: the table is copied anew.
create table public.again (a int);
insert into public.again values (1), (2);
alter table public.again add column id serial, add primary key (id);
update public.again set a = a + 10;
