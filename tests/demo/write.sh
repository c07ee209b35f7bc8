#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Writes at a fixed rate until the source refuses it: write.sh SOURCE_URI RATE CLIENTS
set -u
here=$(cd "$(dirname "$0")" && pwd)
exec pgbench -n -b tpcb-like@4 -f "$here/shop_writer.sql@1" --rate="$2" -c "$3" -j 1 -T 3600 "$1"
