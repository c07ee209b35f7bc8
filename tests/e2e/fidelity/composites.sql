-- title: composites, nested, with NULL fields and dropped attributes; enums; domains over all of these
-- item: values.composite values.enum values.domain
-- section: schema
create type mood as enum ('sad', 'ok');
alter type mood add value 'better' after 'sad';
alter type mood rename value 'ok' to 'o k';
create type inner_pair as (gone int, x integer, label text);
alter type inner_pair drop attribute gone;
create type outer_pair as (p inner_pair, m mood, list inner_pair[], n numeric);
alter type outer_pair add attribute late text;
create domain positive as integer check (value > 0);
create domain more_positive as positive check (value < 1000000);
create domain pair_domain as inner_pair check ((value).x is distinct from 13);
create domain mood_domain as mood;
create domain moods as mood[] check (array_length(value, 1) < 9);
create domain spans as int4range;
create domain stamp as timestamptz(3);
create domain doc as jsonb;
create domain tag as name collate "C";
create table made (id int primary key, p inner_pair, o outer_pair, m mood, ps inner_pair[], os outer_pair[]);
create table limited (id more_positive primary key, p pair_domain, m mood_domain, ms moods, s spans, t stamp, d doc, g tag,
  pl positive[], pd pair_domain[]);
create table keyed (m mood, p positive, primary key (m, p));
create table row_typed (id int primary key, made made);
-- section: rows
insert into made values (1, row(1, 'a, "b" (c)'), row(row(null, ''), 'o k', array[row(1, 'x')::inner_pair, null], 1.10, 'late'), 'better',
  array[row(2, null)::inner_pair], array[row(null, null, null, null, null)::outer_pair]),
  (2, row(null, null), row(null, null, '{}', null, null), 'sad', '{}', '{}'), (3, null, null, null, null, null),
  (4, row(5, E'new\nline\\'), null, 'o k', array[null, row(1, '(')]::inner_pair[], null);
insert into limited values (1, row(1, 'a'), 'sad', '{sad,NULL}', '[1,5)', '2020-01-01 00:00:00.1239+00', '{"a": 1.0}', 'tag', '{1,2,NULL}', array[row(1, 'b')::pair_domain]),
  (999999, null, null, null, null, null, null, null, null, null);
insert into keyed values ('sad', 1), ('better', 1), ('o k', 1);
insert into row_typed values (1, (select made from made where id = 1)), (2, null);
-- section: stream
insert into made select id + 100, p, o, m, ps, os from made;
update made set p.x = 77, o.p = row(8, 'eight'), o.late = null where id in (1, 4);
update made set ps = ps || row(9, 'nine')::inner_pair, os = os || row(row(1, 'x')::inner_pair, 'better', null, 2.50, '')::outer_pair where id in (1, 2, 104);
insert into limited select id + 100, p, m, ms, s, t, d, g, pl, pd from limited where id < 1000;
update limited set id = id + 1, m = 'better', ms = '{}', s = 'empty', pd = pd || row(2, 'c')::pair_domain, pl = '{9}' where id < 1000;
update keyed set m = 'better', p = 2 where m = 'sad';
delete from keyed where m = 'o k';
insert into row_typed select id + 100, made from row_typed;
insert into row_typed select 200, made from made where id = 104;
