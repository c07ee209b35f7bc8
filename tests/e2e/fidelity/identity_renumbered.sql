-- title: an update that gives a GENERATED ALWAYS identity column a new number
-- item: tables.identity_columns
-- stops: BY DEFAULT
-- section: schema
create table always (id int generated always as identity primary key, v text);
-- section: rows
insert into always (v) values ('a'), ('b');
-- section: stream
update always set id = default where id = 1;
