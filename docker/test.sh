#!/usr/bin/env bash
# Proves the Docker deployment on whatever engine answers: a fresh clone is deployed, set up, called, updated, scaled, robbed
# of a process under load, and brought back from a backup. Not part of `npm test`: it needs an engine, Node and ten minutes.
# What it starts has the containers' usual names, so it refuses to run beside an installation; it removes all of it again.
set -euo pipefail
source_folder=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
work=$(mktemp -d)
export COMPOSE_PROJECT_NAME=codex-test LANG=en_US.UTF-8
web_port=${TEST_PORT:-3900} api_port=${TEST_API_PORT:-8900}
web=http://localhost:$web_port/v1 api=http://localhost:$api_port/v1
figures=()

say() { printf '\n── %s\n' "$*"; }
broken() {
  echo "BROKEN: $*" >&2
  print_complaints >&2
  exit 1
}
# What the gateways had to complain of: the first lines of each kind, and how many there are.
print_complaints() {
  local id
  for id in $(docker ps -aq --filter "label=com.docker.compose.project=$COMPOSE_PROJECT_NAME" --filter name=gateway); do
    docker logs "$id" 2>/dev/null | grep -E '"level":"(warn|error)"' >"$work/complaints" || continue
    echo "-- $(docker inspect "$id" --format '{{.Name}}'): $(wc -l <"$work/complaints") warnings and errors"
    head -n 20 "$work/complaints"
  done
}
# timed NAME COMMAND…: runs it with its output in a file of its own, and notes how long it took.
timed() {
  local name=$1 started=$SECONDS
  shift
  "$@" >"$work/out" 2>&1 || { tail -n 40 "$work/out" >&2 && broken "$name"; }
  figures+=("$name: $((SECONDS - started)) s")
}
compose() { if docker compose version >/dev/null 2>&1; then docker compose "$@"; else docker-compose "$@"; fi; }
client() { node "$source_folder/docker/test-client.mjs" "$@"; }
number_in() { node -p 'JSON.parse(process.argv[1])[process.argv[2]]' "$1" "$2"; }
set_env() { sed -i "/^$1=/d" .env && echo "$1=$2" >>.env; }
sql() { docker exec codex-postgres psql -U codex -d codex_gateway -tAc "$1"; }
# until_true COMMAND…: waits at most a minute.
until_true() {
  for _ in $(seq 60); do
    "$@" && return
    sleep 1
  done
  broken "not within a minute: $*"
}
# interrupted_at STEP: Ctrl-C, a second after the run has come to the step. A job of its own, as a terminal makes it.
interrupted_at() {
  local run status=0
  set -m
  ./deploy-auto.sh --port "$web_port" --api-port "$api_port" >"$work/interrupted" 2>&1 &
  run=$!
  set +m
  until grep -q "^\[$1/7\]" "$work/interrupted"; do
    kill -0 "$run" 2>/dev/null || { cat "$work/interrupted" >&2 && broken "the run ends before step $1"; }
    sleep 0.2
  done
  sleep 1
  kill -INT -- "-$run"
  wait "$run" || status=$?
  if [ "$status" != 130 ] || ! grep -q 'Interrupted; run ./deploy-auto.sh again' "$work/interrupted"; then
    cat "$work/interrupted" >&2
    broken "interrupted in step $1 it ends with $status"
  fi
  echo "interrupted in step $1: $(tail -n 1 "$work/interrupted")"
}
# shows_logs SERVICE…: --logs prints lines of each of them, and Ctrl-C ends it without a word.
shows_logs() {
  local service
  timeout --signal=INT 15 ./deploy-auto.sh --logs >"$work/logs" 2>"$work/logs.complaints" || true
  # docker-compose 1.29 colours names even in a file.
  sed -i 's/\x1b\[[0-9;]*m//g' "$work/logs"
  for service in "$@"; do grep -q "^$service .*|" "$work/logs" || broken "--logs shows nothing of $service"; done
  ! grep -q 'Interrupted' "$work/logs.complaints" || broken "--logs takes its end for an interrupted deployment"
}
is_healthy() { [ "$(docker inspect "$1" --format '{{.State.Health.Status}}')" = healthy ]; }
is_settled() { [ "$(sql "SELECT count(*) FROM hold WHERE state = 'open'")" = 0 ]; }
clean_up() {
  cd "$work/clone" 2>/dev/null && compose down --volumes --remove-orphans >/dev/null 2>&1
  rm -rf "$work"
}

! docker inspect codex-postgres >/dev/null 2>&1 || broken "there is an installation on this engine already"
trap clean_up EXIT
if [ -z "${NPM_CONFIG_REGISTRY:-}" ]; then
  NPM_CONFIG_REGISTRY=$(npm config get registry)
  export NPM_CONFIG_REGISTRY
fi
# An engine that can pull nothing gets the balancer from Debian, with the public image's contract as far as it is used.
if ! docker image inspect haproxy:3.2 >/dev/null 2>&1 && ! docker pull -q haproxy:3.2 >/dev/null 2>&1; then
  say "haproxy:3.2 cannot be pulled: a stand-in with Debian's HAProxy"
  docker build -q -t haproxy:3.2 - >/dev/null <<'DOCKERFILE'
FROM debian:bookworm-slim
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends haproxy >/dev/null
STOPSIGNAL SIGUSR1
CMD ["haproxy", "-W", "-db", "-f", "/usr/local/etc/haproxy/haproxy.cfg"]
DOCKERFILE
fi

say "A fresh clone is deployed: interrupted in its build, interrupted in its start, and finished by the next run"
git clone -q "$source_folder" "$work/clone"
cd "$work/clone"
interrupted_at 4
secrets=$(grep -E '^(SECRET_KEY|JWT_SECRET|POSTGRES_PASSWORD)=' .env | sha256sum)
started=$SECONDS
interrupted_at 5
figures+=("image built, interrupted in its start: $((SECONDS - started)) s")
timed "the run that finishes it" ./deploy-auto.sh
[ "$(grep -E '^(SECRET_KEY|JWT_SECRET|POSTGRES_PASSWORD)=' .env | sha256sum)" = "$secrets" ] || broken "a later run made other secrets"
link=$(grep -o 'http://[^ ]*/setup?token=.*' "$work/out")
[ "$(stat -c %a .env)" = 600 ] || broken ".env can be read by others"
base_bytes=$(docker image inspect node:24-bookworm-slim --format '{{.Size}}')
image_bytes=$(docker image inspect codex-gateway --format '{{.Size}}')
added=$(((image_bytes - base_bytes) / 1000000))
figures+=("image: $((image_bytes / 1000000)) MB, $added MB over its base")
[ "$added" -le 400 ] || broken "the image is $added MB over its base"

say "--status and --logs"
./deploy-auto.sh --status
shows_logs codex-postgres codex-backend codex-frontend

say "The wizard, and metered calls through both ports"
key=$(client setup "$link" http://codex-demo-upstream:4010/v1)
[ "$(curl -so /dev/null -w '%{http_code}' "http://localhost:$web_port/setup")" = 404 ] || broken "/setup is still there"
set_env COMPOSE_FILE docker/compose.yaml:docker/compose.demo.yaml
timed "the demo's upstream" compose up -d --build codex-demo-upstream
until_true is_healthy codex-demo-upstream
client call "$api" "$key"
client call "$web" "$key"
[ "$(sql "SELECT count(*) FROM charge WHERE basis = 'exact'")" = 4 ] || broken "4 calls are not 4 exact charges"

say "The gateways work as a role that can do less than the owner of the database"
role=codex_gateway_app
[ "$(sql "SELECT rolsuper OR rolcreaterole OR rolcreatedb FROM pg_roles WHERE rolname = '$role'")" = f ] || broken "$role can do too much"
[ "$(sql "SELECT count(*) FROM pg_stat_activity WHERE datname = 'codex_gateway' AND usename = '$role'")" -ge 4 ] ||
  broken "the gateways are not connected as $role"
[ "$(sql "SELECT count(*) FROM pg_stat_activity WHERE datname = 'codex_gateway' AND usename = 'codex' AND pid <> pg_backend_pid()")" = 0 ] ||
  broken "a gateway is connected as the owner"
for table in charge ledger_entry audit_log; do
  [ "$(sql "SELECT has_table_privilege('$role', '$table', 'UPDATE, DELETE, TRUNCATE')")" = f ] || broken "$role can change $table"
done

say "Each container has its limits of memory and processes"
for id in $(docker ps -q --filter "label=com.docker.compose.project=$COMPOSE_PROJECT_NAME"); do
  limits=$(docker inspect "$id" --format '{{.HostConfig.Memory}} {{.HostConfig.PidsLimit}}')
  echo "$(docker inspect "$id" --format '{{.Name}}'): $limits"
  case "$limits" in 0\ * | *' 0' | *' -1' | *'<nil>'*) broken "a container has no limit" ;; esac
done
docker exec codex-backend node -e '
  const limit = require("v8").getHeapStatistics().heap_size_limit / 2 ** 20;
  console.log(`heap: ${Math.round(limit)} MB of 2048`);
  process.exit(limit < 1600 ? 0 : 1);' || broken "Node's heap may take more than its container has"

say "A gateway that is killed is started again by the engine, and what it had under way is settled"
killed_pid=$(docker inspect codex-backend --format '{{.State.Pid}}')
started=$(date +%s%3N)
kill -9 "$killed_pid"
until pid=$(docker inspect codex-backend --format '{{.State.Pid}}') && [ "$pid" != 0 ] && [ "$pid" != "$killed_pid" ]; do sleep 0.05; done
figures+=("killed gateway: started again after $(($(date +%s%3N) - started)) ms")
until curl -sfo /dev/null "http://localhost:$api_port/readyz"; do sleep 0.1; done
figures+=("killed gateway: ready again after $(($(date +%s%3N) - started)) ms")
is_told() { [ "$(sql "SELECT count(*) FROM alert WHERE kind = 'process_restarted'")" = 1 ]; }
until_true is_told
until_true is_healthy codex-backend

say "The second run is an update: same data, same secrets"
before=$(client credits "$api" "$key")
secrets=$(sha256sum .env)
timed "second run" ./deploy-auto.sh
grep -q 'There is one' "$work/out" || broken "the second run does not see the administrator"
[ "$(client credits "$api" "$key")" = "$before" ] || broken "the balance is another one"
[ "$(sha256sum .env)" = "$secrets" ] || broken ".env is another one"

say "Two gateways behind a balancer"
set_env COMPOSE_FILE docker/compose.yaml:docker/compose.scale.yaml:docker/compose.demo.yaml
set_env GATEWAYS 2
timed "scaling to two" ./deploy-auto.sh
mapfile -t gateways < <(docker ps -q --filter label=com.docker.compose.service=codex-gateway)
[ "${#gateways[@]}" = 2 ] || broken "there are ${#gateways[@]} gateways"
client call "$api" "$key"
./deploy-auto.sh --status

say "The gateways hear from their balancer in the network of their own, where they believe it"
for id in "${gateways[@]}"; do
  docker inspect "$id" --format '{{range .Config.Env}}{{println .}}{{end}}' | grep -q '^TRUSTED_PROXIES=.*10\.231\.77\.0/27' ||
    broken "a gateway does not know its balancer"
  # The kernel's list of connections, in hexadecimal: 10.231.77.x to port 8080.
  docker exec "$id" cat /proc/net/tcp | grep -qE ':1F90 [0-9A-F]{2}4DE70A:' || broken "the balancer comes by another network"
done

say "No container runs as root, or can write its root file system"
for id in $(docker ps -q --filter "label=com.docker.compose.project=$COMPOSE_PROJECT_NAME"); do
  name=$(docker inspect "$id" --format '{{.Name}}')
  users=$(docker top "$id" -eo uid,pid | awk 'NR > 1 { print $1 }' | sort -u | xargs)
  case " $users " in *" 0 "*) broken "$name runs as root" ;; esac
  ! docker exec -u 0 "$id" sh -c 'echo >/written' 2>/dev/null || broken "$name can write its root file system"
  echo "$name: uid $users, read-only"
done

say "One is stopped and started under load: no call fails"
client load "$api" "$key" 20 >"$work/load" &
load=$!
sleep 4
started=$SECONDS
docker stop -t 150 "${gateways[0]}" >/dev/null
figures+=("stop under load, with its drain: $((SECONDS - started)) s")
docker start "${gateways[0]}" >/dev/null
wait "$load"
cat "$work/load"
figures+=("restart under load: $(number_in "$(cat "$work/load")" answered) calls answered, $(number_in "$(cat "$work/load")" failed) failed")
[ "$(number_in "$(cat "$work/load")" failed)" = 0 ] || broken "calls failed while a gateway restarted"
until_true is_healthy "${gateways[0]}"

say "One is killed under load: no more calls fail than it had, and the books stay right"
client load "$api" "$key" 20 >"$work/load" &
load=$!
sleep 4
docker kill "${gateways[1]}" >/dev/null
wait "$load"
cat "$work/load"
figures+=("kill under load: $(number_in "$(cat "$work/load")" answered) calls answered, $(number_in "$(cat "$work/load")" failed) failed")
[ "$(number_in "$(cat "$work/load")" failed)" -le 8 ] || broken "more calls failed than the killed gateway can have had"
started=$SECONDS
until_true is_settled
figures+=("until the dead one's calls were settled: $((SECONDS - started)) s")
docker start "${gateways[1]}" >/dev/null
docker exec codex-frontend node apps/web/dist/cli/verify.js

say "A backup is restored into empty volumes"
before=$(client credits "$api" "$key")
started=$SECONDS
docker exec codex-frontend node apps/web/dist/cli/backup.js - >"$work/backup.sql.gz"
figures+=("backup of $(sql 'SELECT count(*) FROM charge') charges: $((SECONDS - started)) s, $(($(stat -c %s "$work/backup.sql.gz") / 1000)) kB")
timed "--down" ./deploy-auto.sh --down
[ -z "$(docker ps -q --filter "label=com.docker.compose.project=$COMPOSE_PROJECT_NAME")" ] || broken "--down leaves containers"
! ./deploy-auto.sh --status || broken "--status says that all is well after --down"
docker volume rm "${COMPOSE_PROJECT_NAME}_postgres" "${COMPOSE_PROJECT_NAME}_data" >/dev/null
started=$SECONDS
compose run --rm -T codex-frontend node apps/web/dist/cli/restore.js - <"$work/backup.sql.gz"
figures+=("restore, with the database's first start: $((SECONDS - started)) s")
timed "deployment after the restore" ./deploy-auto.sh
grep -q 'There is one' "$work/out" || broken "the restored installation has no administrator"
[ "$(client credits "$api" "$key")" = "$before" ] || broken "the restored balance is another one"
client call "$api" "$key"
docker exec codex-frontend node apps/web/dist/cli/verify.js
docker logs codex-frontend 2>/dev/null | while read -r line; do
  node -e 'JSON.parse(process.argv[1])' "$line" || broken "a line of the log is no JSON: $line"
done

say "Figures: engine $(docker version --format '{{.Server.Version}}'), compose $(compose version --short)"
printf '%s\n' "${figures[@]}"
