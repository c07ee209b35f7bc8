-- title: a source in EUC_JP, a target in UTF8
-- item: encodings
-- encoding: EUC_JP
-- section: schema
create table texts (id int primary key, t text, c varchar(4), j json, a text[]);
create table "表" ("鍵" text primary key, "値" text);
-- section: rows
insert into texts values (1, '日本語', 'カナ', '{"鍵": "値"}', '{日,NULL,本}'), (2, '～、。', 'ｶﾅ', null, '{}'), (3, repeat('漢字', 3000), '漢', null, null);
insert into "表" values ('一', '壱'), ('二', '弐');
-- section: stream
insert into texts select id + 10, t, c, j, a from texts;
update texts set t = t || '終', a = a || '終'::text where id < 10;
update "表" set "鍵" = '三', "値" = '参' where "鍵" = '二';
delete from "表" where "鍵" = '一';
