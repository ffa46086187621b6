#!/bin/sh
# Makes the browser be there that the tests of the report page drive. One that is there is left alone.
set -eu

for browser in chromium chromium-browser google-chrome; do
    if command -v "$browser" >/dev/null; then exit 0; fi
done

# With sudo only if that asks nothing.
as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo -n "$@"; fi
}

if ! command -v apt-get >/dev/null || ! as_root true 2>/dev/null; then
    printf 'browser: %s\n  next: %s\n' "there is no chromium for the tests of the report page" \
        "install it (Debian: sudo apt-get install chromium), then the same command again" >&2
    exit 2
fi
echo "browser: installing chromium for the tests of the report page"
set -- env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends chromium
# The lists of a fresh machine are empty or stale.
as_root "$@" >/dev/null 2>&1 || { as_root apt-get update -qq && as_root "$@" >/dev/null; }
