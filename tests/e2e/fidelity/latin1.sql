-- title: a source in LATIN1, a target in UTF8
-- item: encodings
-- encoding: LATIN1
-- section: schema
create table texts (id int primary key, t text, c char(4), n name, j jsonb, x xml, a text[], "q" "char");
create table "Größe" ("Schlüssel" text primary key, v text);
create type "Stimmung" as enum ('schön', 'übel');
create table moods (m "Stimmung" primary key, n int);
create table no_key (t text, n int);
-- section: rows
insert into texts select g, chr(g), chr(g), chr(g), null, null, array[chr(g)], null from generate_series(33, 255) g where g not between 127 and 160;
insert into texts values (1000, 'äöüß', 'é', 'ñ', '{"ä": "ö"}', '<ä>ö</ä>', '{ä,NULL,"ö ü"}', 'x');
insert into "Größe" values ('ä', 'ö'), ('é', 'è');
insert into moods values ('schön', 1), ('übel', 2);
insert into no_key values ('ä', 1), ('ä', 1), ('a', 1);
-- section: stream
insert into texts select id + 2000, t, c, n, j, x, a, q from texts;
update texts set t = t || 'ÿ', a = a || 'ÿ'::text, j = '{"ÿ": "¡"}' where id < 100;
update "Größe" set "Schlüssel" = 'Ä' where "Schlüssel" = 'ä';
delete from "Größe" where "Schlüssel" = 'é';
update moods set n = 3 where m = 'übel';
delete from moods where m = 'schön';
update no_key set n = 2 where ctid = (select min(ctid) from no_key where t = 'ä');
