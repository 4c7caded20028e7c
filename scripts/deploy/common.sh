# shellcheck shell=bash
# For deploy-auto.sh: what it says, how it fails, and the one file that it writes, .env.

env_file=$PWD/.env
current_step=0
language=zh
case "${LANG:-}" in en*) language=en ;; esac

# Each text is given in Chinese and in English.
say() { if [ "$language" = en ]; then echo "$2"; else echo "$1"; fi; }

# Without the end of the line: the ✓ follows.
say_progress() { if [ "$language" = en ]; then printf '%s ' "$2"; else printf '%s ' "$1"; fi; }

rule() { echo "================================"; }

step() {
  current_step=$1
  echo
  say "[$1/7] $2..." "[$1/7] $3 …"
}

# One sentence, and a non-zero exit.
fail() {
  trap - ERR
  { say "✗ $1" "✗ $2"; } >&2
  exit 1
}

interrupted() {
  trap - ERR INT TERM HUP
  { say "✗ 部署已中断；再次运行 ./deploy-auto.sh 即可继续完成。" "✗ Interrupted; run ./deploy-auto.sh again to finish."; } >&2
  exit 130
}

failed_unforeseen() {
  # Of a Ctrl-C that ends a command this shell may hear a moment later than the command: then `interrupted` has the word.
  [ "$?" != 130 ] || interrupted
  sleep 0.2
  fail "第 $current_step 步失败，原因见上面的输出；解决后再次运行 ./deploy-auto.sh 即可继续完成。" \
    "Step $current_step failed, as the lines above say; put it right and run ./deploy-auto.sh again to finish."
}

checked_port() {
  case "$1" in
    '' | *[!0-9]* | ??????*) ;;
    *) if [ "$1" -ge 1 ] && [ "$1" -le 65535 ]; then
      echo "$1"
      return
    fi ;;
  esac
  fail "$1 不是有效的端口（1-65535）。" "$1 is no port (1-65535)."
}

# What the environment says of a variable, else .env; nothing where it is set nowhere.
env_value() {
  local value=${!1:-}
  if [ -z "$value" ] && [ -f "$env_file" ]; then
    value=$(sed -n "s/^$1=//p" "$env_file" | tail -n 1)
    value=${value#[\"\']}
    value=${value%[\"\']}
  fi
  echo "$value"
}

# The port that PORT or API_PORT will have after this run.
port_of() {
  local value=""
  case "$1" in
    PORT) value=$given_port ;;
    API_PORT) value=$given_api_port ;;
  esac
  [ -n "$value" ] || value=$(env_value "$1")
  if [ -z "$value" ]; then case "$1" in PORT) value=3000 ;; *) value=8080 ;; esac; fi
  echo "$value"
}

# Writes .env anew with one value changed; a crash leaves the old file or the new one. Others cannot read it.
set_env_value() {
  local next=$env_file.next
  rm -f "$next"
  (
    umask 077
    {
      [ ! -f "$env_file" ] || grep -v "^$1=" "$env_file" || true
      echo "$1=$2"
    } >"$next"
  ) || fail "$env_file 无法写入。" "$env_file cannot be written."
  mv "$next" "$env_file"
}

random_secret() { od -An -N32 -tx1 /dev/urandom | tr -d ' \n'; }

# Makes what is missing and keeps what is there: a second run changes no secret.
write_configuration() {
  local is_new=false
  [ -f "$env_file" ] || is_new=true
  [ -n "$(env_value POSTGRES_PASSWORD)" ] || set_env_value POSTGRES_PASSWORD "$(random_secret)"
  if [ -z "$(env_value SECRET_KEY)" ]; then
    # Data that were made under a generated key are of use with that key alone.
    local made
    made=$(native_data_folder)/secret-key
    if [ -f "$made" ]; then set_env_value SECRET_KEY "$(cat "$made")"; else set_env_value SECRET_KEY "$(random_secret)"; fi
    [ ! -f "$made.previous" ] || set_env_value SECRET_KEY_PREVIOUS "$(cat "$made.previous")"
  fi
  [ -n "$(env_value JWT_SECRET)" ] || set_env_value JWT_SECRET "$(random_secret)"
  [ -z "$given_port" ] || set_env_value PORT "$given_port"
  [ -z "$given_api_port" ] || set_env_value API_PORT "$given_api_port"
  chmod 600 "$env_file"
  if [ "$is_new" = true ]; then
    say "✓ 配置文件已生成
注意: 数据库密码和JWT密钥已自动生成" "✓ Written to .env
Note: the database password, the secret key and the JWT secret were generated; keep a copy of .env elsewhere"
  else
    say "✓ 配置文件已存在，密码和密钥保持不变" "✓ .env is there already; its password and keys stay"
  fi
}

require_writable_folder() {
  if [ ! -w "$1" ] || { [ -f "$env_file" ] && [ ! -w "$env_file" ]; }; then
    fail "当前用户没有写入 $1 的权限；请换用该目录的所有者运行。" \
      "This user may not write in $1; run it as the folder's owner."
  fi
}

# require_space FOLDER MEGABYTES; a folder that is not there yet is asked of the nearest one above.
require_space() {
  local folder=$1 free
  while [ ! -d "$folder" ]; do folder=$(dirname "$folder"); done
  free=$(df -Pk "$folder" 2>/dev/null | awk 'NR == 2 { print int($4 / 1024) }')
  [ -n "$free" ] || return 0
  [ "$free" -ge "$2" ] || fail "磁盘空间不足：$1 只剩 $free MB，需要 $2 MB。" \
    "The disk is full: $1 has $free MB left, and $2 MB are needed."
}

port_is_taken() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

refuse_port() {
  local option=--port
  [ "$1" = PORT ] || option=--api-port
  fail "端口 $2 已被其他程序占用；请释放该端口，或用 $option 换一个端口。" \
    "Port $2 is taken by another program; free it, or choose another one by $option."
}

require_two_ports() {
  [ "$(port_of PORT)" != "$(port_of API_PORT)" ] ||
    fail "网页端口和API端口不能相同（$(port_of PORT)）；请用 --port 或 --api-port 换一个端口。" \
      "The pages and the API need two ports, not $(port_of PORT) for both; choose another one by --port or --api-port."
}

# wait_for SECONDS COMMAND…: prints a dot per second, and a space behind them; non-zero where the time ran out. COMMAND
# answers 2 for "it will never be".
wait_for() {
  local until=$((SECONDS + $1)) status=1 space=""
  shift
  while [ "$SECONDS" -lt "$until" ]; do
    status=0
    "$@" || status=$?
    case "$status" in 0 | 2) break ;; esac
    printf .
    space=" "
    sleep 1
  done
  printf %s "$space"
  [ "$status" = 0 ]
}
