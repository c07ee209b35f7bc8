-- title: both sides without an encoding (SQL_ASCII): bytes pass as they are
-- item: encodings
-- encoding: SQL_ASCII
-- target encoding: SQL_ASCII
-- section: schema
create table texts (id int primary key, t text, v varchar(3), a text[]);
create table by_text (t text primary key, n int);
-- section: rows
insert into texts values (1, E'\xff\xfe\x80', E'\xe4', array[E'\xc3', null]), (2, E'\xc3\xa4', E'\xa0', '{}');
insert into texts select g, convert_from(set_byte('\x00', 0, g), 'SQL_ASCII'), null, null from generate_series(3, 255) g;
insert into by_text values (E'\xe4', 1), (E'\xf6', 2);
-- section: stream
insert into texts select id + 1000, t, v, a from texts;
update texts set t = t || E'\xdf' where id < 20;
update by_text set t = t || E'\x99' where n = 1;
delete from by_text where t = E'\xf6';
