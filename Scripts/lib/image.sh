# shellcheck shell=bash
# Debian trees for tests, each made once by mmdebstrap and kept as a tar in the cache. To renew them, empty the cache.

debian_suite=bookworm
# shellcheck disable=SC2034 # read by the scripts that include this file
machine_packages=(systemd systemd-sysv dbus git python3-minimal procps)

# cached_tar NAME PACKAGE…: prints the path of a tar of a minimal Debian with these packages, which it makes if it has to.
# Two at once are well: one makes it, the other waits.
cached_tar() {
    local name=$1 tar lock_descriptor
    : "${cache_directory:?script.sh is to be included first}"
    shift
    tar=$cache_directory/$name-$debian_suite-$(tar_key "$@").tar
    mkdir -p "$cache_directory"
    exec {lock_descriptor}>"$cache_directory/.$name.lock"
    flock "$lock_descriptor"
    if [[ ! -s $tar ]]; then
        note "making $tar by mmdebstrap (once)"
        make_tar "$tar.new" "$@"
        mv "$tar.new" "$tar"
    fi
    exec {lock_descriptor}>&-
    printf '%s\n' "$tar"
}

# The key has everything that decides what is in the tar; the number rises when make_tar changes.
tar_key() { printf '%s\n' 1 "$debian_suite" "$@" | sort | sha256sum | cut -c 1-12; }

make_tar() {
    local tar=$1 packages
    shift
    packages=$(IFS=, && printf '%s' "$*")
    rm -f "$tar"
    # Its work goes into the cache, since a TMPDIR with nodev or noexec cannot hold a Debian. An empty machine-id makes each
    # machine choose its own without taking its start for the first boot of an installation.
    # shellcheck disable=SC2016 # mmdebstrap expands $1
    TMPDIR=$cache_directory mmdebstrap --quiet --format=tar --variant=minbase --include="$packages" \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' \
        --customize-hook=': >"$1/etc/machine-id"' \
        "$debian_suite" "$tar" ${NSPAWN_RUNNER_TEST_MIRROR:+"$NSPAWN_RUNNER_TEST_MIRROR"} </dev/null >&2
}

# unpack_tar TAR DIRECTORY: without /dev, which systemd-nspawn fills itself.
unpack_tar() {
    mkdir -p "$2"
    tar --extract --file "$1" --directory "$2" --preserve-permissions --numeric-owner --xattrs --xattrs-include='*' \
        --exclude './dev/*'
}
