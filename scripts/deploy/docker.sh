# shellcheck shell=bash disable=SC2154 # env_file is common.sh's
# For deploy-auto.sh: the gateway in containers. .env names the compose files, so that a plain `docker compose ps` in this
# folder, and the next run of deploy-auto.sh, speak of the same services.

# An installation in Docker is one whose .env names compose files.
is_docker_installation() { [ -n "$(env_value COMPOSE_FILE)" ]; }

forget_docker_installation() {
  is_docker_installation || return 0
  local next=$env_file.next
  (umask 077 && grep -v '^COMPOSE_FILE=' "$env_file" >"$next") && mv "$next" "$env_file"
}

docker_answers() { command -v docker >/dev/null && within_seconds 20 docker info >/dev/null 2>&1; }

docker_refuses_user() {
  command -v docker >/dev/null || return 1
  local said
  said=$(within_seconds 20 docker info 2>&1 || true)
  case "$said" in *'permission denied while trying to connect'*) return 0 ;; *) return 1 ;; esac
}

# An engine that hangs counts as one that does not answer.
within_seconds() {
  if command -v timeout >/dev/null; then timeout "$@"; else shift && "$@"; fi
}

# Sets `composer` to the words that every call of compose begins with.
find_composer() {
  composer=(docker compose)
  docker compose version >/dev/null 2>&1 || composer=(docker-compose)
  composer+=(--env-file "$env_file")
}

compose() {
  find_composer
  "${composer[@]}" "$@"
}

docker_check() {
  local name
  say "✓ Docker已安装" "✓ Docker answers"
  docker compose version >/dev/null 2>&1 || command -v docker-compose >/dev/null || fail \
    "缺少 docker compose；请安装 docker-compose-plugin（或 docker-compose 1.29）后重试，也可以用 --native 不使用Docker部署。" \
    "docker compose is missing; install docker-compose-plugin (or docker-compose 1.29), or deploy without Docker by --native."
  require_space "$PWD" 100
  # The engine may be another machine's; then its folder is not here to be asked.
  local engine_folder
  engine_folder=$(docker info --format '{{.DockerRootDir}}')
  [ ! -d "$engine_folder" ] || require_space "$engine_folder" 3000
  require_two_ports
  for name in PORT API_PORT; do
    if port_is_taken "$(port_of $name)" && ! docker_holds_port "$(port_of $name)"; then refuse_port $name "$(port_of $name)"; fi
  done
}

docker_project() {
  local project
  project=$(env_value COMPOSE_PROJECT_NAME)
  echo "${project:-codex}"
}

docker_holds_port() {
  [ -n "$(docker ps -q --filter "label=com.docker.compose.project=$(docker_project)" --filter "publish=$1")" ]
}

# What runs goes on serving until its successor is built; step 5 then replaces it, container by container, each of which
# first ends the calls it has. A build that fails leaves the service as it was.
docker_stop_for_update() {
  [ -n "$(docker ps -q --filter "label=com.docker.compose.project=$(docker_project)")" ] || return 0
  say "现有服务继续运行，新镜像构建完成后再替换（进行中的调用会先完成）" \
    "What runs goes on until its successor is built; calls under way are finished first"
}

docker_configure() {
  is_docker_installation || set_env_value COMPOSE_FILE docker/compose.yaml
  [ -n "$(env_value COMPOSE_PROJECT_NAME)" ] || set_env_value COMPOSE_PROJECT_NAME "$(docker_project)"
}

docker_build() {
  local registry=()
  [ -z "${NPM_CONFIG_REGISTRY:-}" ] || registry=(--build-arg "NPM_CONFIG_REGISTRY=$NPM_CONFIG_REGISTRY")
  compose build ${registry[@]+"${registry[@]}"}
}

docker_start() {
  local services
  services=$(compose config --services)
  # A port of the machine exists once: with or without the balancer, whoever had the API's gives it up first.
  case "$services" in
    *codex-balancer*) docker_give_way codex-backend ;;
    *) docker_give_way codex-balancer ;;
  esac
  compose up -d --remove-orphans
}

docker_give_way() {
  local ids drain_seconds
  ids=$(docker_containers_of "$1")
  [ -n "$ids" ] || return 0
  drain_seconds=$(env_value DRAIN_SECONDS)
  # shellcheck disable=SC2086 # one id is one word
  docker stop --time $((${drain_seconds:-120} + 30)) $ids >/dev/null && docker rm $ids >/dev/null
}

docker_wait() {
  local service
  for service in $({ printf '%s\n' codex-postgres codex-backend codex-gateway codex-frontend && compose config --services; } |
    awk '!seen[$0]++'); do
    [ -n "$(docker_containers_of "$service")" ] || continue
    case "$service" in
      codex-postgres) say_progress "等待数据库启动" "Waiting for the database" ;;
      codex-backend | codex-gateway) say_progress "等待后端启动" "Waiting for the backend" ;;
      codex-frontend) say_progress "等待前端启动" "Waiting for the frontend" ;;
      *) say_progress "等待 $service 启动" "Waiting for $service" ;;
    esac
    if wait_for 180 docker_is_healthy "$service"; then
      echo "✓"
    else
      echo "✗"
      compose logs --tail 20 "$service" >&2 || true
      fail "$service 没有就绪；上面是它的最后日志。" "$service is not ready; above are its last lines."
    fi
  done
}

docker_containers_of() {
  docker ps -aq --filter "label=com.docker.compose.project=$(docker_project)" --filter "label=com.docker.compose.service=$1"
}

# Whether there is a container of the service, and each is healthy.
docker_is_healthy() {
  local ids id
  ids=$(docker_containers_of "$1")
  [ -n "$ids" ] || return 1
  for id in $ids; do
    case "$(docker inspect --format '{{if .State.Health}}{{.State.Health.Status}}{{else}}{{.State.Status}}{{end}}' "$id")" in
      healthy | running) ;;
      *) return 1 ;;
    esac
  done
}

# Prints nothing where there is an owner.
docker_setup_link() {
  local out
  if out=$(docker exec codex-frontend node apps/web/dist/cli/admin.js setup-link 2>&1); then
    echo "$out" | grep /setup
  elif ! echo "$out" | grep -q 'There is an owner already'; then
    echo "$out" >&2
    return 1
  fi
}

docker_down() {
  is_docker_installation || fail "这里还没有部署。" "Nothing is deployed here."
  compose down --remove-orphans
}

docker_status() {
  is_docker_installation || fail "这里还没有部署。" "Nothing is deployed here."
  compose ps
  local services service
  services=$(compose config --services)
  # Behind a balancer the gateways stand in for it.
  case "$services" in *codex-balancer*) services=${services/codex-backend/} ;; esac
  for service in $services; do
    docker_is_healthy "$service" || fail "$service 没有就绪。" "$service is not ready."
  done
  say "✓ 服务运行正常" "✓ All is ready"
}

docker_logs() {
  is_docker_installation || fail "这里还没有部署。" "Nothing is deployed here."
  find_composer
  # In place of this shell, so that whoever ends it ends the following.
  exec "${composer[@]}" logs -f --tail 100
}
