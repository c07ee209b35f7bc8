# SPDX-License-Identifier: Apache-2.0
"""Encrypted connections to both servers: a busy feed in one record a message, and rows larger than a record."""
import os
import subprocess

import pytest

from lib import paths

LOAD = """
create table small (id bigint primary key, t text);
create table large (id bigint primary key, t text);
alter table large alter t set storage external;
insert into small select n, 'row ' || n from generate_series(1, 2000) n;
insert into large select n, repeat(md5(n::text), 1200) from generate_series(1, 100) n;
"""
BUSY = """
insert into small select n, 'more ' || n from generate_series(2001, 60000) n;
update large set t = repeat(md5(t), 900 + id::int);
insert into large select n, repeat(md5(n::text), 500 + n % 600) from generate_series(101, 1200) n;
delete from small where id % 7 = 0;
"""


@pytest.fixture
def certificate(root):
    """Certificate and key as settings, readable for the servers' user."""
    crt, key = os.path.join(root, "tls.crt"), os.path.join(root, "tls.key")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                    "-keyout", key, "-out", crt], check=True, capture_output=True)
    user = paths.server_user()
    for path in (crt, key):
        os.chmod(path, 0o600)
        if user:
            os.chown(path, user.pw_uid, user.pw_gid)
    return {"ssl": "on", "ssl_cert_file": f"'{crt}'", "ssl_key_file": f"'{key}'"}


def test_the_main_job_over_tls(make_server, on_servers, certificate):
    source, target = make_server("tls_source", options=certificate), make_server("tls_target", options=certificate)
    w = on_servers(source, target, "tls", create=True)
    w.source.psql(LOAD, w.db)
    agent = w.agent(source_dsn=source.uri(w.db, sslmode="require"), target_dsn=target.uri(w.db, sslmode="require"))
    agent.start()
    agent.streaming()
    assert int(source.one("select count(*) from pg_stat_ssl s join pg_stat_activity a using (pid) "
                          "where s.ssl and a.application_name like 'tidegate%'", w.db)) >= 1
    for _ in range(3):
        w.source.psql(BUSY, w.db)
        agent.caught_up()
        w.assert_equal()
        w.source.psql("truncate small, large;" + LOAD.partition("external;")[2], w.db)
    agent.cutover()
    w.assert_equal()
