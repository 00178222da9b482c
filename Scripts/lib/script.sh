# shellcheck shell=bash
# What every script of the project shares: where it is, how it speaks, and how it takes its steps back.

# shellcheck disable=SC2034 # read by the scripts that include this file
library_directory=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
# shellcheck disable=SC2034
repository_directory=$(readlink -f "$library_directory/../..")
# shellcheck disable=SC2034
cache_directory=${NSPAWN_RUNNER_TEST_CACHE:-/var/cache/nspawn-runner-test}
script_name=${0##*/}
# Debian gives only root the directories of mkfs, losetup and mount, and not every shell of root has them.
export PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

note() { printf '==> %s\n' "$*" >&2; }

fail() {
    printf '%s: %s\n' "$script_name" "$*" >&2
    exit 1
}

usage_error() {
    printf '%s: %s\n' "$script_name" "$*" >&2
    exit 64
}

require_root() { [[ $EUID -eq 0 ]] || fail "needs root, for mounts and machines"; }

# Prints the comment at the head of a script, which is its manual.
print_usage() { sed -n '2,/^[^#]/{/^#/{s/^# \{0,1\}//;p}}' "$1"; }

# Steps taken back when the script ends, last first, whatever ends it (SIGKILL apart).
exit_steps=()
supervised_process=

at_exit() {
    local step
    printf -v step '%q ' "$@"
    exit_steps=("$step" ${exit_steps[@]+"${exit_steps[@]}"})
}

take_steps_back() {
    local status=$? step
    trap '' INT TERM HUP
    trap - EXIT
    set +e
    stop_supervised
    for step in ${exit_steps[@]+"${exit_steps[@]}"}; do
        eval "$step"
    done
    exit "$status"
}

trap take_steps_back EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# Runs a command in a process group of its own and waits for it. A signal to this shell is handled at once, not when the
# command ends, and takes the command's whole group with it. Job control, rather than `&` alone, because a shell without
# it starts its background commands with SIGINT ignored, and they would hand that on to everything they start.
supervise() {
    local status=0
    set -m
    # A group in the background would be stopped at its first read from the terminal.
    if [[ -t 0 ]]; then "$@" </dev/null & else "$@" <&0 & fi
    supervised_process=$!
    set +m
    wait "$supervised_process" || status=$?
    # What the command left behind in its group (a killed test leaves children) ends with it.
    stop_supervised
    return "$status"
}

stop_supervised() {
    local attempt
    [[ -n $supervised_process ]] || return 0
    kill -TERM -- "-$supervised_process" 2>/dev/null || true
    for ((attempt = 0; attempt < 100; attempt++)); do
        group_is_alive "$supervised_process" || break
        sleep 0.1
    done
    kill -KILL -- "-$supervised_process" 2>/dev/null || true
    wait "$supervised_process" 2>/dev/null || true
    supervised_process=
}

# A zombie is no longer alive: its parent may be long in waiting for it.
group_is_alive() {
    [[ -n $(pgrep --pgroup "$1" --runstates D,I,R,S,T,t) ]]
}
