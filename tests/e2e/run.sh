#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Runs end-to-end tests with Debian's Python, which has pytest; arguments are pytest's:
#   tests/e2e/run.sh -k sakila -x          tests/e2e/run.sh test_errors.py::test_full_disk
#   tests/e2e/run.sh -n 3 -m "not long"    three at a time: most of a test is waiting
set -eu
cd "$(dirname "$0")"
PYTHONDONTWRITEBYTECODE=1 exec /usr/bin/python3 -m pytest -q "$@"
