#define _GNU_SOURCE
#include "mounts.h"

#include "answer.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

// <sys/mount.h> cannot stand beside <linux/mount.h> (glibc 2.36); these two are all that is used of it.
extern int mount(const char *, const char *, const char *, unsigned long, const void *);
extern int umount2(const char *, int);
#define DETACH 2 /* MNT_DETACH, umount2(2) */

const uint64_t clinux_mount_attr_rdonly = MOUNT_ATTR_RDONLY, clinux_mount_attr_nosuid = MOUNT_ATTR_NOSUID,
               clinux_mount_attr_nodev = MOUNT_ATTR_NODEV, clinux_mount_attr_noexec = MOUNT_ATTR_NOEXEC;

int clinux_clone_tree(int directory, const char *path, int recursive) {
    ANSWER((int)syscall(SYS_open_tree, directory, path,
                   OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW | (recursive ? AT_RECURSIVE : 0)));
}
int clinux_attach_mount(int mount, int target) {
    ANSWER((int)syscall(SYS_move_mount, mount, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH));
}
int clinux_set_mount_attributes(int mount, uint64_t set, uint64_t clear, int user_namespace, int recursive) {
    struct mount_attr attributes = {.attr_set = set, .attr_clr = clear};
    if (user_namespace >= 0) {
        attributes.attr_set |= MOUNT_ATTR_IDMAP;
        attributes.userns_fd = (uint64_t)user_namespace;
    }
    ANSWER((int)syscall(SYS_mount_setattr, mount, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), &attributes, sizeof attributes));
}
int clinux_set_propagation(const char *path, int slave, int recursive) {
    struct mount_attr attributes = {.propagation = slave ? MS_SLAVE : MS_PRIVATE};
    ANSWER((int)syscall(SYS_mount_setattr, AT_FDCWD, path, recursive ? AT_RECURSIVE : 0, &attributes, sizeof attributes));
}

int clinux_fsopen(const char *type) { ANSWER((int)syscall(SYS_fsopen, type, FSOPEN_CLOEXEC)); }
int clinux_fsconfig_string(int context, const char *key, const char *value) {
    ANSWER((int)syscall(SYS_fsconfig, context, FSCONFIG_SET_STRING, key, value, 0));
}
int clinux_fsconfig_flag(int context, const char *key) {
    ANSWER((int)syscall(SYS_fsconfig, context, FSCONFIG_SET_FLAG, key, NULL, 0));
}
int clinux_fsconfig_descriptor(int context, const char *key, int descriptor) {
    ANSWER((int)syscall(SYS_fsconfig, context, FSCONFIG_SET_FD, key, NULL, descriptor));
}
int clinux_fsconfig_create(int context) {
    ANSWER((int)syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0));
}
int clinux_fsmount(int context, uint64_t attributes) {
    ANSWER((int)syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, attributes));
}
void clinux_fs_message(int context, char *message, uint32_t capacity) {
    ssize_t count = read(context, message, capacity - 1);
    if (count < 0) count = 0;
    message[count] = 0;
    // "e overlay: …" and a line feed: the letter is the class (error, warning, information).
    if (count > 2 && message[1] == ' ') memmove(message, message + 2, (size_t)count - 1);
    message[strcspn(message, "\n")] = 0;
}

int clinux_mount(const char *source, const char *target, const char *type, uint64_t flags, const char *options) {
    ANSWER(mount(source, target, type, (unsigned long)flags, options));
}
int clinux_unmount(const char *target, int detach) { ANSWER(umount2(target, detach ? DETACH : 0)); }
