# shellcheck shell=bash
# For deploy-auto.sh: the gateway in the background on this machine's Node, and a process that watches over it. Data, log
# (gateway.log) and process ids (background.pid, background.watcher.pid) lie in the data folder, which nobody else may read;
# the database is the embedded one unless DATABASE_URL says another.

native_data_folder() {
  local folder
  folder=$(env_value DATA_FOLDER)
  case "${folder:=data}" in
    /*) echo "$folder" ;;
    *) echo "$PWD/$folder" ;;
  esac
}

native_has_data() { [ -d "$(native_data_folder)/postgres" ] || [ -f "$(native_data_folder)/background.watcher.pid" ]; }

native_log() { echo "$(native_data_folder)/gateway.log"; }

# The process id of the background gateway; nothing where none runs.
native_pid() { native_process background.pid 'apps/web/dist/\(boot/\)*main\.js'; }

# Of whoever starts it again when it dies.
native_watcher_pid() { native_process background.watcher.pid 'scripts/deploy/watch\.mjs'; }

# native_process FILE PROGRAM: a process id is given out again, so its program counts too.
native_process() {
  local pid
  pid=$(cat "$(native_data_folder)/$1" 2>/dev/null || true)
  [ -n "$pid" ] && ps -p "$pid" -o args= 2>/dev/null | grep -q "$2" && echo "$pid"
  return 0
}

# The ports that the running gateway has: those of the .env that it was started with.
native_holds_port() {
  local folder
  folder=$(native_data_folder)
  [ -n "$(native_pid)" ] && grep -qsx "$1" "$folder/background.ports"
}

native_check() {
  local folder name
  folder=$(native_data_folder)
  if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
    fail "没有可用的Docker引擎，也没有找到Node和npm；请安装Docker，或安装Node 20.19以上版本，然后重试。" \
      "There is neither a Docker engine nor Node with npm; install Docker, or Node 20.19 or newer, and try again."
  fi
  native_node_is_new || fail "Node版本过旧（$(node --version)），需要20.19以上版本；请升级Node后重试。" \
    "Node is too old ($(node --version)); 20.19 or newer is needed."
  say "✓ Node $(node --version) 已安装" "✓ Node $(node --version)"
  (umask 077 && mkdir -p "$folder") 2>/dev/null || fail "数据目录 $folder 无法创建：没有权限。" "The data folder $folder cannot be made: no permission."
  require_writable_folder "$folder"
  native_close_folder "$folder"
  require_space "$PWD" 1000
  require_space "$folder" 300
  require_two_ports
  for name in PORT API_PORT; do
    if port_is_taken "$(port_of $name)" && ! native_holds_port "$(port_of $name)"; then refuse_port $name "$(port_of $name)"; fi
  done
}

# What others could read in it by an earlier version. Root's PostgreSQL runs as nobody, who has to pass through the folder.
native_close_folder() {
  local mode=700 file
  [ "$(id -u)" != 0 ] || mode=711
  chmod "$mode" "$1" 2>/dev/null || true
  for file in "$1"/gateway.log* "$1"/background.* "$1"/gateway.pid; do
    [ ! -f "$file" ] || chmod 600 "$file" 2>/dev/null || true
  done
}

native_node_is_new() {
  local major minor
  IFS=. read -r major minor _ <<<"$(node --version | tr -d v)"
  [ "$major" -gt 20 ] || { [ "$major" -eq 20 ] && [ "$minor" -ge 19 ]; }
}

native_stop_for_update() {
  if is_docker_installation && docker_answers; then compose stop; fi
  native_stop
}

native_is_gone() { [ -z "$(native_pid)$(native_watcher_pid)" ]; }

# Lets the calls under way end: the gateway itself keeps to DRAIN_SECONDS.
native_stop() {
  local pid drain_seconds
  # The watcher hands the signal on; where it is gone, the gateway gets it itself.
  pid=$(native_watcher_pid)
  [ -n "$pid" ] || pid=$(native_pid)
  [ -n "$pid" ] || return 0
  drain_seconds=$(env_value DRAIN_SECONDS)
  kill -TERM "$pid"
  wait_for $((${drain_seconds:-120} + 30)) native_is_gone || fail \
    "正在运行的网关（进程 $pid）没有停止；请结束该进程后重试。" "The gateway that runs (process $pid) does not stop; end it and try again."
  rm -f "$(native_data_folder)"/background.{pid,watcher.pid,ports}
  say "✓ 已停止（进程 $pid）" "✓ Stopped (process $pid)"
}

native_configure() { forget_docker_installation; }

native_build() { node scripts/build.mjs; }

native_start() {
  local log
  log=$(native_log)
  umask 077
  touch "$log"
  chmod 600 "$log"
  log_start=$(($(wc -c <"$log") + 1))
  printf '%s\n%s\n' "$(port_of PORT)" "$(port_of API_PORT)" >"$(native_data_folder)/background.ports"
  # In a session of its own it outlives this shell and its terminal.
  node scripts/deploy/start-in-background.mjs "$(native_data_folder)"
  say "✓ 已在后台启动（进程 $(native_pid)）" "✓ Started in the background (process $(native_pid))"
}

native_wait() {
  say_progress "等待网关启动" "Waiting for the gateway"
  if wait_for 120 native_is_ready; then
    echo "✓"
    return
  fi
  echo "✗"
  local reason
  reason=$(tail -c +"$log_start" "$(native_log)" | grep -E '^Codex Gateway: ' | tail -n 1 | sed 's/^Codex Gateway: //')
  fail "网关没有启动：${reason:-日志 $(native_log) 中有原因。}" "The gateway did not start: ${reason:-$(native_log) says why.}"
}

native_is_ready() {
  [ -n "$(native_pid)$(native_watcher_pid)" ] || return 2
  answers_ready "$(port_of PORT)" && answers_ready "$(port_of API_PORT)"
}

# Without curl, which not every machine has.
answers_ready() {
  local line
  { exec 3<>"/dev/tcp/127.0.0.1/$1"; } 2>/dev/null || return 1
  printf 'GET /readyz HTTP/1.0\r\n\r\n' >&3
  IFS= read -r -t 5 line <&3 || true
  exec 3>&-
  case "$line" in *" 200 "*) return 0 ;; *) return 1 ;; esac
}

# Prints nothing where there is an owner.
native_setup_link() {
  local out
  if out=$(node apps/web/dist/cli/admin.js setup-link 2>&1); then
    echo "$out" | grep /setup
  elif ! echo "$out" | grep -q 'There is an owner already'; then
    echo "$out" >&2
    return 1
  fi
}

native_down() { native_stop; }

native_status() {
  local pid
  pid=$(native_pid)
  [ -n "$pid" ] || fail "网关没有运行。" "The gateway does not run."
  native_is_ready || fail "网关（进程 $pid）正在运行，但尚未就绪。" "The gateway (process $pid) runs, but is not ready."
  say "✓ 网关（进程 $pid）运行正常：端口 $(port_of PORT) 和 $(port_of API_PORT)" \
    "✓ The gateway (process $pid) is ready: ports $(port_of PORT) and $(port_of API_PORT)"
}

native_logs() {
  [ -f "$(native_log)" ] || fail "这里还没有部署。" "Nothing is deployed here."
  # In place of this shell, so that whoever ends it ends the following.
  exec tail -n 100 -F "$(native_log)"
}
