-- title: a character of the source that has no equivalent in UTF8
-- item: encodings
-- encoding: EUC_JP
-- stops: no equivalent in encoding .UTF8
-- section: schema
create table texts (id int primary key, t text);
-- section: rows
insert into texts values (1, 'fine');
-- section: stream
insert into texts values (2, convert_from('\xf5a1', 'EUC_JP'));
