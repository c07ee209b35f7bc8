select nextval('plain'), nextval('cached'), nextval('falling'), nextval('"Mixed ""Case"'), nextval('"Odd schema".apart'),
    nextval('cycled'), nextval('cycled_down'), nextval('small'), nextval('whole'), nextval('narrowed'), nextval('negative'),
    nextval('owned_by_hand') from generate_series(1, 3);
insert into owner (v) values ('x'), ('y');
insert into identified default values;
insert into uses default values;
