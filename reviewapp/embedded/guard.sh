#!/bin/sh
# Reads which sessions are alive ("watch 123", "forget 123"). When the pipe closes, the
# supervisor is gone: the sessions get a few seconds, and then are killed.
trap '' INT TERM HUP

leaders=' '
while read -r word leader; do
    case $word in
        watch) leaders="$leaders$leader " ;;
        forget) leaders="${leaders%% $leader *} ${leaders#* $leader }" ;;
    esac
done

signal_all() {
    found=
    for leader in $leaders; do
        kill -s "$1" -- "-$leader" 2>/dev/null && found=yes
    done
}

signal_all TERM
tenths=50
while [ "$tenths" -gt 0 ]; do
    signal_all 0
    [ -n "$found" ] || exit 0
    sleep 0.1
    tenths=$((tenths - 1))
done
signal_all KILL
