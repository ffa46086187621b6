#!/bin/sh
# Makes .venv hold this checkout with all that it needs. Silent and quick when it does already.
set -eu
cd "$(dirname "$0")/.."

record=.venv/.lmac-installed
# Its own place too: a folder that was moved or copied has scripts that name the old one.
wanted="$(pwd) $(cksum <pyproject.toml)"

fail() {
    printf 'setup: %s\n  next: %s\n' "$1" "$2" >&2
    exit 2
}

# With sudo only if that asks nothing.
as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo -n "$@"; fi
}

pick_python() {
    for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11 /usr/bin/python3}; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    fail "Python 3.11 or newer is needed; found: $("${PYTHON:-python3}" --version 2>&1 | tail -n 1)" \
        "install one (Debian 12, Ubuntu 24.04: apt-get install python3 python3-venv), or name it: make setup PYTHON=/path/to/python3"
}

# Debian and Ubuntu ship Python without what makes virtual environments.
provide_ensurepip() {
    if "$1" -c 'import ensurepip, venv' 2>/dev/null; then return; fi
    package="python$("$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv"
    if ! command -v apt-get >/dev/null || ! as_root true 2>/dev/null; then
        fail "$1 cannot make virtual environments" "sudo apt-get install $package, then the same command again"
    fi
    echo "setup: installing $package, which Debian leaves out of Python"
    install_package "$package" || fail "apt-get could not install $package" "read the lines above"
}

install_package() {
    set -- env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$1"
    # The lists of a fresh machine are empty or stale.
    as_root "$@" >/dev/null 2>&1 || { as_root apt-get update -qq && as_root "$@" >/dev/null; }
}

is_sound() {
    [ -x .venv/bin/python ] || return 1
    .venv/bin/python -c 'import pip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || return 1
    case "$(cat "$record" 2>/dev/null)" in
        "" | "$(pwd) "*) ;;
        *) return 1 ;;
    esac
}

if [ -x .venv/bin/lmac ] && [ "$(cat "$record" 2>/dev/null)" = "$wanted" ]; then exit 0; fi

# Through a link another checkout's environment would be emptied.
if [ -L .venv ]; then fail ".venv is a link to $(readlink .venv)" "remove the link: rm .venv"; fi

if ! is_sound; then
    python=$(pick_python)
    provide_ensurepip "$python"
    "$python" -m venv --clear .venv
fi
echo "setup: installing LMAC, its embedded model server and its development tools into .venv (a minute or so)"
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-input -e '.[embedded,dev]' ||
    fail "pip could not install them" "check the network and pip's index (pip config list), then the same command again"
echo "$wanted" >"$record"
