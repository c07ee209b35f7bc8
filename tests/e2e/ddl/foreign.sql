create schema abroad;
create schema home;
create table abroad.a (id int primary key, v text);
create table abroad.b (id int primary key, n numeric(10, 2) not null default 1);
insert into abroad.a values (1, 'x');
create extension postgres_fdw schema home;
do $$ begin execute format('create server loop foreign data wrapper postgres_fdw options (host %L, port %L, dbname %L)',
  split_part(current_setting('unix_socket_directories'), ',', 1), current_setting('port'), current_database()); end $$;
create user mapping for public server loop options ("user" 'postgres');
import foreign schema abroad limit to (a, b) from server loop into home options (import_default 'true');
alter foreign table home.a options (add fetch_size '7');
create table home.beside (id int primary key);
insert into home.beside select id from home.a;
