# shellcheck shell=bash
# The release executable, as it is packaged: Swift's library linked in, so that it starts in a few milliseconds and needs
# nothing of the toolchain where it runs.

# build_executable: sets `executable` to its path.
build_executable() {
    command -v swift >/dev/null || fail "swift is not in PATH; Swift 6.3 is needed, see https://www.swift.org/install"
    local build=(swift build -c release --static-swift-stdlib --product nspawn-runner)
    cd "${repository_directory:?}" || fail "cannot enter $repository_directory"
    note "building the release executable"
    supervise "${build[@]}" >&2
    executable=$("${build[@]}" --show-bin-path)/nspawn-runner
    [[ -x $executable ]] || fail "no executable at $executable"
}
