-- title: names in quotes, with every kind of character, of 63 bytes, the same in several schemas
-- item: names.quoted names.length names.schemas
-- section: schema
create schema if not exists names_other;
create table "Mixed Case" (id int primary key, "Spalte ä" text, "a""b" text, "x.y" int, "select" int, " " text, "$1" int, "%s" text, "back\slash" text);
create table "we""ird.Table" ("a.b" int, "C" int, primary key ("C", "a.b"));
create table "täbelle_☃" ("ключ" int primary key, "値" text, "😀" text);
create table "select" ("from" int primary key, "where" text);
create table "a123456789b123456789c123456789d123456789e123456789f123456789xyz"
  ("a123456789b123456789c123456789d123456789e123456789f123456789xyz" int primary key, "äöüäöüäöüäöüäöüäöüäöüäöüäöüäöüä" text);
create table "semi;colon -- comment" (id int primary key, "new
line" text, "tab	" text, "'quote'" text, "{}" text, "a,b" text);
create table no_key ("A b" int, "c""d" text);
create table same (id int primary key, v text);
create table "SAME" (id int primary key, v text);
create table names_other.same (id int primary key, other int);
create table tableoid_like (id int primary key, oid int, xmin_ int, d int, u int, m int, o int, c int, p1 int);
create table no_key_like (d int, u int, m int, o int, c int, p1 int);
create type "Type x" as enum ('A b');
create table typed ("Type x" "Type x" primary key, n int);
-- section: rows
insert into "Mixed Case" values (1, 'a', 'b', 1, 2, 'c', 3, 'd', 'e'), (2, 'a', 'b', 1, 2, 'c', 3, 'd', 'e');
insert into "we""ird.Table" values (1, 1), (2, 1);
insert into "täbelle_☃" values (1, 'x', 'y'), (2, 'x', 'y');
insert into "select" values (1, 'x'), (2, 'y');
insert into "a123456789b123456789c123456789d123456789e123456789f123456789xyz" values (1, 'x');
insert into "semi;colon -- comment" values (1, 'a', 'b', 'c', 'd', 'e');
insert into no_key values (1, 'x'), (1, 'x');
insert into same values (1, 'mine');
insert into "SAME" values (1, 'LOUD');
insert into names_other.same values (1, 42);
insert into tableoid_like values (1, 1, 1, 1, 1, 1, 1, 1, 1);
insert into no_key_like values (1, 1, 1, 1, 1, 1), (1, 1, 1, 1, 1, 1);
insert into typed values ('A b', 1);
-- section: stream
update "Mixed Case" set "Spalte ä" = 'new', "a""b" = 'new', "x.y" = 7, "select" = 8, " " = 'n', "$1" = 9, "%s" = 'n', "back\slash" = 'n' where id = 1;
insert into "Mixed Case" select id + 10, "Spalte ä", "a""b", "x.y", "select", " ", "$1", "%s", "back\slash" from "Mixed Case";
update "we""ird.Table" set "a.b" = "a.b" + 10 where "a.b" = 1;
delete from "we""ird.Table" where "a.b" = 2;
insert into "täbelle_☃" values (3, 'z', 'z');
update "täbelle_☃" set "値" = '値', "ключ" = 10 where "ключ" = 1;
delete from "select" where "from" = 1;
update "select" set "where" = 'z';
insert into "a123456789b123456789c123456789d123456789e123456789f123456789xyz" values (2, 'y');
update "a123456789b123456789c123456789d123456789e123456789f123456789xyz" set "äöüäöüäöüäöüäöüäöüäöüäöüäöüäöüä" = 'z';
insert into "semi;colon -- comment" values (2, 'a', 'b', 'c', 'd', 'e');
update "semi;colon -- comment" set "new
line" = 'z', "{}" = 'y';
update no_key set "c""d" = 'y' where ctid = (select min(ctid) from no_key);
delete from no_key where "c""d" = 'x';
update same set v = 'still mine';
update "SAME" set v = 'STILL LOUD';
update names_other.same set other = other + 1;
update tableoid_like set oid = 2, d = 2, u = 2, m = 2, c = 2, p1 = 2;
update no_key_like set u = 2, m = 2, d = 2 where ctid = (select min(ctid) from no_key_like);
delete from no_key_like where u = 1;
update typed set n = n + 1;
truncate "SAME";
-- section: checks
select * from names_other.same;
