#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# `make demo` in containers, by docker/compose.yaml. Everything is removed at the end.
set -euo pipefail
cd "$(dirname "$0")"
docker info >/dev/null 2>&1 || { echo "docker/demo.sh: no container engine answers; 'make demo' needs none" >&2; exit 1; }
trap 'docker compose --profile steps down --volumes --timeout 5 >/dev/null 2>&1' EXIT
docker compose build --quiet
docker compose up --detach agent
docker compose logs --follow --no-log-prefix agent &
docker compose --profile steps run --rm --no-deps cutover
docker compose --profile steps run --rm --no-deps compare
