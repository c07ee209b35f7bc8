#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Fills the demo's source: load.sh SOURCE_URI SCALE
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
pgbench -i -q -s "$2" "$1" 2>/dev/null
psql -X -q -v ON_ERROR_STOP=1 -d "$1" -f "$here/shop.sql" >/dev/null
