#!/bin/sh
# LMAC=.venv/bin/lmac record.sh NAME TASK [OPTION...]: carries out a run, keeps its recording as
# tests/recordings/NAME.
set -eu
name=$1
shift

cd "$(dirname "$0")/../.."
rm -rf "build/recordings/$name"
code=0
"$LMAC" run "$@" --id "$name" -k runs_folder=build/recordings || code=$?
case $code in
    # Whether the model's work is any good is not the question; that nothing else failed is.
    0 | 1 | 3) ;;
    *) exit "$code" ;;
esac

kept=tests/recordings/$name
rm -rf "$kept"
mkdir "$kept"
for file in journal.jsonl blobs.pack report.json; do
    cp "build/recordings/$name/$file" "$kept/"
done
du -sk "$kept"
