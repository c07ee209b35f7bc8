#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Installs the Debian packages that a part of the work needs: deps.sh build|test|lint|bench|runtime ...
# Only what is missing is installed, and nothing is said when nothing is missing. No database cluster is
# created or started by the PostgreSQL packages, and one that exists is left alone.
set -eu

build="build-essential pkg-config libpq-dev libyaml-dev libsqlite3-dev libmicrohttpd-dev
    libcurl4-openssl-dev libjansson-dev uthash-dev libxxhash-dev libssl-dev libzstd-dev"
test="libcmocka-dev postgresql-15 postgresql-15-wal2json postgresql-client-15 python3 python3-pytest python3-pytest-xdist python3-zstandard python3-cryptography util-linux"
lint="clang clang-format clang-tidy cppcheck pandoc libclang-rt-14-dev git"
bench="pgcopydb valgrind"
runtime="libpq5 libyaml-0-2 libsqlite3-0 libmicrohttpd12 libcurl4 libjansson4 libxxhash0 libssl3 libzstd1
    zlib1g ca-certificates"

wanted=
for group in "$@"; do
    case $group in
    build) wanted="$wanted $build" ;;
    test) wanted="$wanted $test" ;;
    lint) wanted="$wanted $lint" ;;
    bench) wanted="$wanted $bench" ;;
    runtime) wanted="$wanted $runtime" ;;
    *)
        echo "deps: unknown group '$group'; known: build test lint bench runtime" >&2
        exit 2
        ;;
    esac
done

# npm carries the servers of other major versions; one that was installed by other means will do.
case " $* " in
*" test "*) command -v npm >/dev/null 2>&1 || wanted="$wanted npm" ;;
esac

missing=
for package in $wanted; do
    state=$(dpkg-query -W -f='${db:Status-Abbrev}' "$package" 2>/dev/null || true)
    case $state in
    ii*) ;;
    *) missing="$missing $package" ;;
    esac
done
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null 2>&1; then
    echo "deps: missing:$missing; there is no apt-get here, install them by other means" >&2
    exit 1
fi
if [ "$(id -u)" -eq 0 ]; then
    as_root=
elif command -v sudo >/dev/null 2>&1; then
    as_root=sudo
else
    echo "deps: missing:$missing; run 'make deps' as root, or install sudo" >&2
    exit 1
fi

# postgresql-15 would create and start a cluster 'main' on port 5432 when it is installed.
case $missing in
*postgresql-15*)
    if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
        $as_root mkdir -p /etc/postgresql-common
        echo 'create_main_cluster = false' |
            $as_root tee /etc/postgresql-common/createcluster.conf >/dev/null
    fi
    ;;
esac

echo "deps: installing$missing"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
run() {
    # A lock held by another apt (a machine that has just booted) is waited for.
    if ! $as_root env DEBIAN_FRONTEND=noninteractive UCF_FORCE_CONFFOLD=1 \
        apt-get -o DPkg::Lock::Timeout=300 "$@" >"$log" 2>&1; then
        tail -n 20 "$log" >&2
        echo "deps: 'apt-get $1' failed" >&2
        exit 1
    fi
}
run update -qq
# shellcheck disable=SC2086
run install -y -qq --no-install-recommends $missing
