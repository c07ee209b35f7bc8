-- title: a target whose encoding lacks characters of the source is refused
-- item: encodings
-- encoding: UTF8
-- target encoding: LATIN1
-- refused: encoding
-- section: schema
create table texts (id int primary key, t text);
-- section: rows
insert into texts values (1, '☃');
