# shellcheck shell=bash
# File systems in sparse files, mounted through loop devices: the same on every host, whatever its own file system is.

# make_volume KIND FILE SIZE: KIND is btrfs, xfs, xfs-noreflink or ext4; SIZE is as truncate(1) takes it.
make_volume() {
    local kind=$1 file=$2 size=$3
    rm -f "$file"
    truncate --size "$size" "$file"
    case $kind in
        btrfs) mkfs.btrfs --quiet "$file" >/dev/null ;;
        xfs) mkfs.xfs -q -m reflink=1 "$file" ;;
        xfs-noreflink) mkfs.xfs -q -m reflink=0 "$file" ;;
        ext4) mkfs.ext4 -q -F "$file" ;;
        *) fail "unknown kind of volume: $kind (btrfs, xfs, xfs-noreflink, ext4)" ;;
    esac
}

# mount_volume FILE DIRECTORY: `-o loop` marks the device to be freed with the last unmount, so nothing else has to.
mount_volume() {
    local file=$1 directory=$2 attempt
    mkdir -p "$directory"
    for attempt in 1 2 3 4 5; do
        ensure_loop_node
        if mount -o loop "$file" "$directory" 2>/dev/null; then return 0; fi
        # Another process can take the free device between the question and the mount.
        sleep "0.$attempt"
    done
    mount -o loop "$file" "$directory"
}

# unmount_volume DIRECTORY: does nothing if it is not mounted; waits a little for a file system that is still in use.
unmount_volume() {
    local directory=$1 attempt
    for ((attempt = 0; attempt < 50; attempt++)); do
        mountpoint --quiet "$directory" || return 0
        umount "$directory" 2>/dev/null && return 0
        sleep 0.1
    done
    umount "$directory"
}

# In a container there is no devtmpfs, and nobody makes the node of a new loop device.
ensure_loop_node() {
    local device
    [[ -c /dev/loop-control ]] || mknod -m 0600 /dev/loop-control c 10 237
    device=$(losetup --find)
    [[ -b $device ]] || mknod -m 0660 "$device" b 7 "${device#/dev/loop}"
}
