#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# The checks can fail: each is shown one small offence in a tree of its own.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
export TIDEGATE_LINT_TOP=$tree PYTHONDONTWRITEBYTECODE=1
failed=0

fresh() {
    rm -rf "${tree:?}"/*
    mkdir -p "$tree"/{agent/{base,pg,spool,source},sinks/{a,b},decoders,config,tests/lint}
    : >"$tree/tests/lint/waivers.txt"
    put agent/base/x.h 'int x(void);'
}
# put PATH TEXT [COMMENT]: a file that is in order but for TEXT
put() { printf '/* SPDX-License-Identifier: Apache-2.0\n *\n * %s\n */\n%b\n' "${3:-Words that stand here alone: $RANDOM $SRANDOM.}" "$2" >"$tree/$1"; }
# must CHECK STATUS WHAT
must() {
    local status=0
    /usr/bin/python3 "$here/$1.py" >"$tree/out" 2>&1 || status=$?
    if [ "$status" -ne "$2" ]; then
        echo "$1: $3: exit $status, expected $2"
        cat "$tree/out"
        failed=1
    fi
    fresh
}

fresh
must includes 0 "a sound tree"
put agent/base/y.c '#include "agent/spool/s.h"'; put agent/spool/s.h 'int s;'
must includes 1 "an include upwards"
put agent/spool/s.c '#include "agent/pg/p.h"'; put agent/pg/p.h 'int p;'
must includes 1 "an include of the same floor"
put agent/base/y.h '#include "agent/base/z.h"'; put agent/base/z.h '#include "agent/base/y.h"'
must includes 1 "a circle"
put sinks/a/s.c '#include "sinks/b/s.h"'; put sinks/b/s.h 'int b;'
must includes 1 "one sink looking into another"
put sinks/a/s.c 'const struct sink_ops sink_a = {0};'; put sinks/b/t.c 'void *p = &sink_a;'
must includes 1 "a plugin named outside the registry"
put sinks/a/s.c 'const struct sink_ops sink_a = {0};'; put sinks/registry.c 'void *p = &sink_a;'
must includes 0 "a plugin named in the registry"
put agent/base/y.c '#include "agent/base/x.h"\n#include <stdio.h>'
must includes 1 "a wrong order of includes"

must budgets 0 "a sound tree"
put agent/base/y.c "$(yes 'int a;' | head -n 601)"
must budgets 1 "a long file"
put agent/base/y.c "void\nf(int a, int b, int c, int d, int e, int f, int g)\n{\n}"
must budgets 1 "seven parameters"
put agent/base/y.c "void\nf(void (*a)(int, int, int, int, int, int))\n{\n}"
must budgets 0 "one parameter that has six"
put agent/base/y.c "void\nf(void)\n{\n$(yes '    g();' | head -n 80)\n}"
must budgets 1 "a long function"
put agent/base/y.c "void\nf(void)\n{\nif (a) {\nif (a) {\nif (a) {\nif (a) {\nif (a) {\n}\n}\n}\n}\n}\n}"
must budgets 1 "five blocks in each other"
put agent/base/y.c "int $(yes a | head -n 60 | tr '\n' 'b');"
must budgets 1 "a long line"
echo 'agent/base/x.h columns 200' >"$tree/tests/lint/waivers.txt"
must budgets 1 "a waiver that is not needed"
put agent/base/y.c "$(yes 'int a;' | head -n 601)"
echo 'agent/base/y.c file 605' >"$tree/tests/lint/waivers.txt"
must budgets 0 "a long file with a waiver"

must comments 0 "a sound tree"
echo 'int y;' >"$tree/agent/base/y.c"
must comments 1 "no licence"
put agent/base/y.c 'int y;' 'The same words in two files.'; put agent/base/z.c 'int z;' 'The same words in two files.'
must comments 1 "two files with one comment"
exit $failed
