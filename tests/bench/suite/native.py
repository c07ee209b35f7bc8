# SPDX-License-Identifier: Apache-2.0
"""The server's own logical replication as a contender: a subscription that is made first and enabled later."""
from lib import proc
from lib.server import literal


class Subscription:
    """Of database `db` on the target to publication bench_pub, with a slot that holds the backlog from now on."""

    def __init__(self, world, name, db, source_port=None):
        self.world, self.name, self.db = world, name, db
        world.source.sql(f"select pg_create_logical_replication_slot({literal(name)}, 'pgoutput')", "bench")
        world.target.sql(
            f"create subscription {name} connection {literal(world.source.uri('bench', port=source_port))} "
            f"publication bench_pub with (create_slot = false, slot_name = {literal(name)}, enabled = false, "
            "copy_data = false, binary = true, streaming = on)", db)

    def enable_sql(self):
        return f"alter subscription {self.name} enable"

    def errors(self):
        return self.world.target.one(
            "select coalesce(sum(apply_error_count), 0) from pg_stat_subscription_stats "
            f"where subname = {literal(self.name)}", self.db)

    def disable(self):
        self.world.target.sql(f"alter subscription {self.name} disable", self.db)
        active = f"select count(*) from pg_replication_slots where slot_name = {literal(self.name)} and active"
        proc.until(lambda: self.world.source.one(active, "bench") == "0", 60, "end of the native walsender")
