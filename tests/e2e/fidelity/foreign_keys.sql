-- title: foreign keys that refer to themselves, in circles, deferred, with actions; NOT VALID ones over dirty data
-- item: tables.foreign_keys tables.not_valid
-- section: schema
create table tree (id int primary key, parent int references tree on delete cascade on update cascade, v text);
create table left_side (id int primary key, other int);
create table right_side (id int primary key, other int not null references left_side deferrable initially deferred);
alter table left_side add foreign key (other) references right_side deferrable initially deferred;
create table parents (id int primary key, k text unique);
create table kids (id int primary key, parent int references parents on delete set null on update cascade, k text references parents (k) on update cascade on delete set default);
create table zombie (id int primary key, parent int, v int, word text);
create table zombie_parents (id int primary key);
-- section: rows
insert into tree values (1, 1, 'self'), (2, 1, 'a'), (3, 2, 'b'), (4, 3, 'c'), (5, null, 'root'), (6, 5, 'x');
begin;
insert into left_side values (1, 1), (2, null);
insert into right_side values (1, 1), (2, 1);
commit;
insert into parents values (1, 'one'), (2, 'two'), (3, 'three');
insert into kids values (1, 1, 'one'), (2, 2, 'two'), (3, 3, null), (4, null, 'three');
insert into zombie values (1, 1, 5, 'fine'), (2, 99, -5, null), (3, null, null, 'too long');
insert into zombie_parents values (1);
alter table zombie add constraint parent_there foreign key (parent) references zombie_parents not valid;
alter table zombie add constraint positive check (v > 0) not valid;
alter table zombie add constraint short check (length(word) < 5) not valid;
-- section: stream
update tree set id = 20 where id = 2;
delete from tree where id = 3;
insert into tree values (7, 7, 'self'), (8, 7, 'y');
delete from tree where id = 5;
begin;
insert into left_side values (3, 3);
insert into right_side values (3, 3);
update left_side set other = 3 where id = 2;
delete from right_side where id = 2;
commit;
begin;
delete from left_side where id = 1;
update right_side set other = 2 where id = 1;
commit;
update parents set id = 10, k = 'ten' where id = 1;
delete from parents where id = 2;
delete from parents where id = 3;
insert into zombie values (4, 1, 1, 'ok');
delete from zombie where id = 2;
update zombie set word = 'ok', v = 1 where id = 3;
