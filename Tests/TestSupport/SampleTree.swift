import Foundation
import SystemPackage

/// Makes a tree with one of everything that is hard to copy but legal, and an os-release: the top of an image.
///
/// - Parameter path: An empty directory, as seen by programs of the host.
public func makeSampleTree(at path: FilePath, on kind: VolumeKind) throws {
    try shell(sampleTree, in: path.string)
    // tmpfs had no extended attributes of users before Linux 6.6.
    if kind != .tmpfs { try shell("setfattr -n user.k -v v xattr", in: path.string) }
    // Without copy-on-write: FICLONE into a file that has it fails with EINVAL.
    if kind == .btrfs { try shell("touch nocow; chattr +C nocow; head -c 70000 /dev/urandom >> nocow", in: path.string) }
    try run("sync", ["-f", path.string])
}

private let sampleTree = #"""
    umask 022
    mkdir -p usr/lib usr/bin etc var/tmp a/b/c empty
    echo 'ID=sample' > usr/lib/os-release; ln -s ../usr/lib/os-release etc/os-release
    head -c 300000 /dev/urandom > big; head -c 17 /dev/urandom > tiny; : > nothing
    for i in $(seq 40); do echo "$i" > "a/b/file$i"; done
    echo one > plain; ln plain a/hard; ln plain a/b/c/harder; ln -s plain link0; ln -P link0 a/link1
    ln -s /nowhere/at/all dangling; ln -s ../../.. a/b/up; chown -h 33:34 dangling
    echo s > setuid; chown 33:34 setuid; chmod 6755 setuid; echo g > a/setgid; chown 0:8 a/setgid; chmod 2711 a/setgid
    chmod 1777 var/tmp; mkdir groupdir; chown 5:6 groupdir; chmod 2770 groupdir; echo x > groupdir/x; mkdir groupdir/sub
    mkdir closed; echo y > closed/y; chmod 000 closed; echo z > unreadable; chmod 000 unreadable
    echo c > capability; setcap cap_net_raw+ep capability
    echo x > xattr; setfattr -n trusted.t -v w xattr; setfattr -n trusted.d -v e empty; setfattr -h -n trusted.l -v z dangling
    echo a > acl; setfacl -m u:5:rw,g:7:r acl; mkdir defaults; setfacl -d -m u:5:rwx defaults; echo d > defaults/d; mkdir defaults/sub
    mkfifo -m 640 fifo; mknod -m 600 null c 1 3; mknod -m 660 loop b 7 99; chown 1:2 fifo null
    python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("socket")'; setfattr -n trusted.f -v f fifo
    truncate -s 2M sparse; printf end >> sparse; printf begin | dd of=sparse conv=notrunc status=none
    truncate -s 1M hole; printf middle | dd of=hole bs=64k seek=4 conv=notrunc status=none
    echo u > "$(printf 'bad\377name')"; mkdir "$(printf 'bad\376dir')"; echo v > "$(printf 'bad\376dir/\300')"
    echo n > "$(printf 'new\nline')"; echo q > "quote ' \" \\ \$(id) %i"; echo w > "--dash"
    long=$(head -c 255 /dev/zero | tr '\0' n); echo l > "$long"; mkdir "d/$long" 2>/dev/null || { mkdir d; mkdir "d/$long"; }
    ln -s "$(head -c 1000 /dev/zero | tr '\0' t)" longlink
    touch -h -d '2001-02-03 04:05:06.123456789' dangling fifo null socket; touch -d '1969-12-31 23:00:00.5' tiny
    touch -d '2038-02-03 04:05:06.999999999' big plain setuid; touch -d '2010-01-01 00:00:00.25' a a/b a/b/c empty defaults groupdir .
    """#
