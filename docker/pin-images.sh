#!/usr/bin/env bash
# Pulls the public images that the gateway is built on and run with, and pins them in .env by the digests that came.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
[ -f .env ] || { echo "There is no .env yet; run ./deploy-auto.sh first." >&2 && exit 1; }

# pin VARIABLE TAG: a digest is of the tag that the variable has now, else of the one given.
pin() {
  local tag digest next=.env.next
  tag=$(sed -n "s/^$1=//p" .env | tail -n 1)
  tag=${tag%@*}
  tag=${tag:-$2}
  docker pull -q "$tag" >/dev/null
  digest=$(docker image inspect "$tag" --format '{{range .RepoDigests}}{{println .}}{{end}}' | sed -n 's/.*@//p' | head -n 1)
  [ -n "$digest" ] || { echo "$tag has no digest: it did not come from a registry." >&2 && exit 1; }
  (umask 077 && { grep -v "^$1=" .env && echo "$1=$tag@$digest"; } >"$next") && mv "$next" .env
  echo "$1=$tag@$digest"
}

pin NODE_IMAGE node:24-bookworm-slim
pin POSTGRES_IMAGE postgres:17-bookworm
pin HAPROXY_IMAGE haproxy:3.2
