-- title: tables without an identity are refused when that is asked for
-- item: tables.identity
-- refused: replica-identity
-- settings: {"tables": {"without_identity": "refuse"}}
-- section: schema
create table none (a int);
create table by_nothing (id int primary key);
alter table by_nothing replica identity nothing;
