#!/bin/sh
# Makes a Docker engine answer where LMAC will look for it: at DOCKER_HOST, or at its usual socket.
# An engine that answers already is left alone, without a word.
set -eu

address="${DOCKER_HOST:-unix:///var/run/docker.sock}"
start_seconds=90

fail() {
    printf 'engine: %s\n  next: %s\n' "$1" "$2" >&2
    exit 5
}

# "answers", "refuses" when this user may not speak to it, or "silent". Any answer to /_ping counts.
state() { # address
    case "$1" in
        unix://* | tcp://*) "$python" -c "$ping" "$1" ;;
        *) if docker --host "$1" version >/dev/null 2>&1; then echo answers; else echo silent; fi ;;
    esac
}

ping='
import socket, sys
from urllib.parse import urlsplit

address = sys.argv[1]
try:
    if address.startswith("unix://"):
        stream = socket.socket(socket.AF_UNIX)
        stream.settimeout(20)
        stream.connect(address[len("unix://"):])
    else:
        parts = urlsplit(address)
        stream = socket.create_connection((parts.hostname, parts.port or 2375), 20)
    if address.startswith("unix://"):
        stream.sendall(b"GET /_ping HTTP/1.0\r\nHost: engine\r\n\r\n")
        print("answers" if stream.recv(4) == b"HTTP" else "silent")
    else:
        # Over TLS only the client with its certificates can say more.
        print("answers")
except PermissionError:
    print("refuses")
except (OSError, ValueError):
    print("silent")
'

# With sudo only if that asks nothing.
as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo -n "$@"; fi
}

refused() {
    fail "the Docker engine at $address refuses this user" \
        "sudo usermod -aG docker $(id -un), log in anew, and the same command again"
}

may_install() {
    as_root true 2>/dev/null && { command -v dockerd || command -v apt-get; } >/dev/null
}

install_package() {
    set -- env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$1"
    # The lists of a fresh machine are empty or stale.
    as_root "$@" >>"$log" 2>&1 || { as_root apt-get update -qq >>"$log" 2>&1 && as_root "$@" >>"$log" 2>&1; }
}

# A log that this user can read afterwards, whoever writes it.
open_log() {
    log=/var/log/lmac-dockerd.log
    # In a shell of its own: a failed redirection of `:` ends the one it happens in.
    if (: >>"$log") 2>/dev/null; then return; fi
    folder="${XDG_CACHE_HOME:-$HOME/.cache}/lmac"
    mkdir -p "$folder"
    log="$folder/dockerd.log"
    : >>"$log"
}

# dockerd believes a pid file whose process is gone as soon as another program got that number.
drop_stale_pid_file() { # file, program
    [ -f "$1" ] || return 0
    pid=$(as_root cat "$1")
    if [ "$(cat "/proc/$pid/comm" 2>/dev/null)" != "$2" ]; then as_root rm -f "$1"; fi
}

is_running() {
    for comm in /proc/[0-9]*/comm; do
        if [ "$(cat "$comm" 2>/dev/null)" = "$1" ]; then return 0; fi
    done
    return 1
}

drop_leftovers() {
    drop_stale_pid_file /var/run/docker.pid dockerd
    drop_stale_pid_file /var/run/docker/containerd/containerd.pid containerd
    # dockerd waits for the containerd of a socket that is there, even if nobody listens.
    if [ -S /run/containerd/containerd.sock ] && ! is_running containerd; then
        as_root rm -f /run/containerd/containerd.sock
    fi
}

# Without systemd nobody has mounted them, and no container starts.
mount_cgroups() {
    if [ -e /sys/fs/cgroup/cgroup.controllers ] || [ -d /sys/fs/cgroup/memory ]; then return; fi
    command -v cgroupfs-mount >/dev/null || install_package cgroupfs-mount || return 0
    as_root cgroupfs-mount >>"$log" 2>&1 || true
}

start() {
    if [ -d /run/systemd/system ]; then
        as_root systemctl start docker >>"$log" 2>&1 || true
        return
    fi
    # One that is coming up is waited for, not doubled.
    if is_running dockerd && [ -f /var/run/docker.pid ]; then return; fi
    mount_cgroups
    as_root sh -c 'setsid nohup dockerd </dev/null >>"$0" 2>&1 &' "$log"
}

wait_for_engine() {
    waited=0
    while [ "$waited" -lt "$start_seconds" ]; do
        case "$(state "$address")" in
            answers) return ;;
            refuses) refused ;;
        esac
        # The first seconds belong to sudo, setsid and the daemon's own start.
        if [ "$waited" -gt 5 ] && ! is_running dockerd; then break; fi
        sleep 1
        waited=$((waited + 1))
    done
    echo "engine: the last lines of $log:" >&2
    tail -n 8 "$log" >&2
    fail "dockerd was started, and nothing answers at $address after $waited s" \
        "mend what its log says ($log), or set DOCKER_HOST to an engine that runs"
}

python=python3
command -v python3 >/dev/null || python="$(dirname "$0")/../.venv/bin/python"

case "$(state "$address")" in
    answers) exit 0 ;;
    refuses) refused ;;
esac
if [ -n "${DOCKER_HOST:-}" ] && [ "$address" != unix:///var/run/docker.sock ]; then
    fail "nothing answers at DOCKER_HOST=$address" "start that engine, or unset DOCKER_HOST"
fi
rootless="unix://${XDG_RUNTIME_DIR:-/run/user/$(id -u)}/docker.sock"
if [ "$(state "$rootless")" = answers ]; then
    fail "a rootless Docker engine answers at $rootless, where LMAC does not look by itself" \
        "export DOCKER_HOST=$rootless, and the same command again"
fi
if ! may_install; then
    fail "no Docker engine answers at $address, and none can be started from here (that takes root, or sudo without a password)" \
        "install and start one (Debian, Ubuntu: sudo apt-get install docker.io), or set DOCKER_HOST"
fi

open_log
if ! command -v dockerd >/dev/null; then
    echo "engine: installing docker.io with apt-get, since no Docker engine answers"
    install_package docker.io || { tail -n 8 "$log" >&2; fail "apt-get could not install docker.io" "read $log"; }
fi
if [ "$(state "$address")" != answers ]; then
    echo "engine: starting dockerd (log: $log)"
    drop_leftovers
    start
    wait_for_engine
fi
