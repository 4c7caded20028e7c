#!/usr/bin/env bash
# Deploys Codex Gateway, and updates it when run again: with Docker where an engine answers, else natively on Node.
# The seven steps are in this file; how each is done is in scripts/deploy/docker.sh and scripts/deploy/native.sh.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

# shellcheck source=scripts/deploy/common.sh
. scripts/deploy/common.sh
# shellcheck source=scripts/deploy/docker.sh
. scripts/deploy/docker.sh
# shellcheck source=scripts/deploy/native.sh
. scripts/deploy/native.sh

usage() {
  say "用法: ./deploy-auto.sh [选项]

  （无选项）         部署；再次运行即为更新，数据、密钥和配置保持不变
  --port 端口        网页端口（默认 3000），保存在 .env 中
  --api-port 端口    API端口（默认 8080），保存在 .env 中
  --native           不使用Docker，直接在本机的Node上运行
  --down             停止服务（等待进行中的调用结束；数据保留）
  --status           显示服务状态
  --logs             持续显示日志
  --lang zh|en       输出语言
  --help             显示本说明" "Usage: ./deploy-auto.sh [options]

  (no option)        deploys; run again it updates, and keeps data, keys and configuration
  --port PORT        port of the pages (3000), kept in .env
  --api-port PORT    port of the API (8080), kept in .env
  --native           without Docker, on this machine's Node
  --down             stops what runs (calls under way are finished, data stay)
  --status           says what runs
  --logs             follows the logs
  --lang zh|en       language of the output
  --help             this text"
}

action=deploy wants_native=false given_port="" given_api_port=""

read_options() {
  while [ $# -gt 0 ]; do
    case "$1" in
      --port | --api-port | --lang)
        [ $# -ge 2 ] || fail "$1 需要一个值。" "$1 needs a value."
        case "$1" in
          --port) given_port=$(checked_port "$2") ;;
          --api-port) given_api_port=$(checked_port "$2") ;;
          --lang) language=$2 ;;
        esac
        shift
        ;;
      --native) wants_native=true ;;
      --down | --status | --logs | --help) action=${1#--} ;;
      *) fail "未知选项 $1；运行 ./deploy-auto.sh --help 查看用法。" "Unknown option $1; ./deploy-auto.sh --help lists them." ;;
    esac
    shift
  done
  case "$language" in zh | en) ;; *) language=en && fail "" "--lang is zh or en." ;; esac
}

# Sets `mode` to docker or native. An installation stays where its data are.
choose_mode() {
  mode=docker
  if [ "$wants_native" = true ]; then
    mode=native
  elif is_docker_installation; then
    docker_answers || fail \
      "此安装运行在Docker中，但Docker引擎没有响应；请先启动Docker，然后重试。" \
      "This installation runs in Docker, whose engine does not answer; start Docker and try again."
  elif native_has_data; then
    mode=native
    said_mode="现有数据属于本机部署，继续使用本机部署。"
    said_mode_en="The data here belong to a native deployment, which goes on."
  elif ! docker_answers; then
    docker_refuses_user && fail \
      "当前用户没有访问Docker的权限；请把该用户加入docker组或使用sudo，也可以用 --native 不使用Docker部署。" \
      "This user may not talk to Docker; join the group docker or use sudo, or deploy without Docker by --native."
    mode=native
    said_mode="没有可用的Docker引擎，改为本机部署（Node与内嵌PostgreSQL）。"
    said_mode_en="No Docker engine answers, so it is deployed natively (Node, embedded PostgreSQL)."
  fi
}

deploy() {
  rule
  say "  Codex Gateway 一键部署" "  Codex Gateway deployment"
  rule

  step 1 "检查系统要求" "Checking requirements"
  [ -z "${said_mode:-}" ] || say "$said_mode" "$said_mode_en"
  require_writable_folder "$PWD"
  "${mode}_check"

  step 2 "停止现有服务" "Stopping what runs"
  "${mode}_stop_for_update"

  step 3 "生成配置文件" "Writing the configuration"
  write_configuration
  "${mode}_configure"

  if [ "$mode" = docker ]; then step 4 "构建Docker镜像" "Building the Docker images"; else step 4 "构建程序" "Building"; fi
  "${mode}_build"

  step 5 "启动服务" "Starting"
  "${mode}_start"

  step 6 "等待服务就绪" "Waiting until it is ready"
  "${mode}_wait"

  step 7 "检查管理员账户" "Looking for an administrator"
  local link
  link=$("${mode}_setup_link")
  if [ -n "$link" ]; then
    say "未找到管理员账户" "There is none yet"
  else
    say "✓ 管理员账户已存在" "✓ There is one"
  fi
  say_where "$link"
}

say_where() {
  local web
  web=$(env_value PUBLIC_URL)
  [ -n "$web" ] || web=http://localhost:$(port_of PORT)
  echo
  rule
  say "部署完成！" "Deployed!"
  rule
  echo
  say "访问地址：
  前端:        $web
  管理员面板:  $web/admin
  后端API:     http://localhost:$(port_of API_PORT)" "Addresses:
  Pages:          $web
  Administration: $web/admin
  API:            http://localhost:$(port_of API_PORT)/v1"
  [ -n "$1" ] || return 0
  echo
  say "首次安装（此链接只能使用一次）：" "Set it up (the link works once):"
  echo "  $1"
}

read_options "$@"
if [ "$action" = help ]; then
  usage
  exit 0
fi
trap 'interrupted' INT TERM HUP
trap 'failed_unforeseen' ERR
set -E
choose_mode
case "$action" in
  deploy) deploy ;;
  logs)
    # They end by Ctrl-C, which interrupts no deployment.
    trap - INT TERM HUP ERR
    "${mode}_logs"
    ;;
  *) "${mode}_${action}" ;;
esac
