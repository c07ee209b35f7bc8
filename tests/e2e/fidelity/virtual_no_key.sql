-- title: without a key the source would refuse updates of a table with virtual generated columns
-- item: tables.generated
-- versions: source 18+
-- refused: virtual-columns
-- section: schema
create table v (a int, b int generated always as (a * 2) virtual);
