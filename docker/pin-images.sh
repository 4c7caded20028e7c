#!/usr/bin/env bash
# Pulls the public images that the gateway is built on and run with, and pins them in .env by the digests that came. Run
# again it takes newer ones: a digest is of the tag that stands before it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/deploy/common.sh
. scripts/deploy/common.sh

# pin VARIABLE NAME: by the name that the variable has now, else by the one given.
pin() {
  local name said digest
  name=$(env_value "$1")
  name=${name%@*}
  name=${name:-$2}
  echo "docker pull $name …" >&2
  # What docker says of the failure itself goes before our sentence.
  said=$(docker pull "$name") || fail "无法拉取 $name；已固定的镜像保持不变。" "$name cannot be pulled; what is pinned stays."
  digest=$(sed -n 's/^Digest: \(sha256:[0-9a-f]\{64\}\)$/\1/p' <<<"$said")
  [ -n "$digest" ] || fail "$name 没有摘要：它不来自镜像仓库。" "$name has no digest: it did not come from a registry."
  set_env_value "$1" "$name@$digest"
  echo "$1=$name@$digest"
}

[ -f "$env_file" ] || fail "还没有 .env；请先运行 ./deploy-auto.sh。" "There is no .env yet; run ./deploy-auto.sh first."
command -v docker >/dev/null || fail "没有找到 docker。" "There is no docker here."
pin NODE_IMAGE node:24-bookworm-slim
pin POSTGRES_IMAGE postgres:17-bookworm
pin HAPROXY_IMAGE haproxy:3.2
