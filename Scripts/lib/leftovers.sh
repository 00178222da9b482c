# shellcheck shell=bash
# Clean means clean: what the machine had before, it has afterwards, and nothing else.

# remember_state FILE [DIRECTORY…]
remember_state() {
    local file=$1
    shift
    "${library_directory:?}/state" "$@" >"$file"
}

# no_leftovers FILE [DIRECTORY…]: prints what is there now and was not then; true if there is nothing. Waits a little,
# since the kernel frees a loop device, and systemd forgets a machine, a moment after the last process is gone.
no_leftovers() {
    local before=$1 attempt leftovers=
    shift
    for ((attempt = 0; attempt < 25; attempt++)); do
        leftovers=$(LC_ALL=C comm -13 "$before" <("${library_directory:?}/state" "$@"))
        [[ -n $leftovers ]] || return 0
        sleep 0.2
    done
    printf 'left behind: %s\n' "${leftovers//$'\n'/$'\n'left behind: }"
    return 1
}
