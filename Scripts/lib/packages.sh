# shellcheck shell=bash
# Debian packages. Only what is missing is installed, so that a machine with everything needs neither network nor time.

# shellcheck disable=SC2034 # read by the scripts that include this file
build_packages=(libbtrfsutil-dev libmount-dev libsystemd-dev pkg-config)
# shellcheck disable=SC2034
run_packages=(systemd-container btrfs-progs mmdebstrap eatmydata util-linux mount procps)
# shellcheck disable=SC2034
test_packages=(xfsprogs e2fsprogs rsync acl attr libcap2-bin strace hyperfine jq git python3 shellcheck)

package_is_installed() {
    [[ $(dpkg-query --show --showformat '${db:Status-Status}' "$1" 2>/dev/null) == installed ]]
}

install_packages() {
    local package missing=()
    for package in "$@"; do
        package_is_installed "$package" || missing+=("$package")
    done
    [[ ${#missing[@]} -gt 0 ]] || return 0
    command -v apt-get >/dev/null || fail "missing packages: ${missing[*]}; install them, this is no Debian"
    require_root
    note "installing ${missing[*]}"
    # The lists are renewed only when they are needed: none there, or so old that the archive has dropped what they name.
    apt_install "${missing[@]}" >/dev/null 2>&1 || {
        apt_get update
        apt_install "${missing[@]}"
    }
}

apt_install() { apt_get install --yes --no-install-recommends "$@"; }

apt_get() { DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 "$@" >&2; }
