-- title: json as written, jsonb in odd forms, xml, jsonpath
-- item: values.json values.xml
-- section: schema
create table docs (id int primary key, j json, b jsonb, x xml, p jsonpath);
-- section: rows
insert into docs values (1, '{"b": 1,  "a" : [null], "b": 2}', '{"b": 1, "a": [null], "b": 2}', '<a b="c">d</a>', '$.a[*] ? (@ > 1)'),
  (2, 'null', 'null', '', '$'), (3, null, null, null, null), (4, ' [ ] ', '[]', 'only text &amp; entity', 'strict $.a.b'),
  (5, '"\u00e4 \ud83d\ude00"', '"\u00e4 \ud83d\ude00"', '<?xml version="1.0"?><a/>', 'lax $[0 to last]'),
  (6, '1.10e5', '1.10e5', '<?xml version="1.0" encoding="UTF-8" standalone="yes"?><ä>ö</ä>', null),
  (7, '12345678901234567890.12345678901234567890', '12345678901234567890.12345678901234567890', '<!-- c --><a/><b/>', null),
  (8, '"\u0000"', '"\\u0000"', '<a><![CDATA[<&>]]></a>', null), (9, '{"": {"": {}}}', '{"": {"": {}}}', E'<a>\r\n\t</a>', null),
  (10, '1e400', '1.000', '<a/>', null);
insert into docs select 20, to_json(array_agg(g)), jsonb_object_agg('k' || g, repeat(g::text, 30)), xmlelement(name a, repeat('x', 9000)), null
from generate_series(1, 2000) g;
-- section: stream
insert into docs select id + 100, j, b, x, p from docs;
update docs set j = null, x = null where id = 1;
update docs set b = b || '{"new": [1, 2.50, "ü"]}' where jsonb_typeof(b) = 'object';
update docs set b = jsonb_set(b, '{k7}', 'null') where id in (20, 120);
update docs set p = '$.x' where id = 2;
-- Equal for jsonb, and yet another value.
update docs set b = '1.0' where id = 110;
