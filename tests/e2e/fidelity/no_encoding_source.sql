-- title: a source without an encoding cannot become UTF8: its bytes may be anything
-- item: encodings
-- encoding: SQL_ASCII
-- target encoding: UTF8
-- refused: encoding
-- section: schema
create table texts (id int primary key, t text);
