// The mount calls, old and new. <sys/mount.h> and <linux/mount.h> clash in glibc 2.36, so neither is shown to Swift.
// Every function answers with a value >= 0 or with -errno.
#pragma once

#include <stdint.h>

/// open_tree(2), Linux 5.2: a detached clone of the mount at `path` (with everything below it if `recursive`).
int clinux_clone_tree(int directory, const char *path, int recursive);
/// move_mount(2), Linux 5.2: attaches the detached mount `mount` to the directory `target`, an O_PATH descriptor.
int clinux_attach_mount(int mount, int target);
/// mount_setattr(2), Linux 5.12, with AT_EMPTY_PATH: sets and clears MOUNT_ATTR_* of `mount`;
/// `user_namespace` >= 0 maps its ids (MOUNT_ATTR_IDMAP).
int clinux_set_mount_attributes(int mount, uint64_t set, uint64_t clear, int user_namespace, int recursive);
extern const uint64_t clinux_mount_attr_rdonly, clinux_mount_attr_nosuid, clinux_mount_attr_nodev,
    clinux_mount_attr_noexec;
/// mount_setattr(2) that only changes how mount events propagate.
int clinux_set_propagation(const char *path, int slave, int recursive);

/// fsopen(2), fsconfig(2), fsmount(2), Linux 5.2.
int clinux_fsopen(const char *type);
int clinux_fsconfig_string(int context, const char *key, const char *value);
int clinux_fsconfig_flag(int context, const char *key);
int clinux_fsconfig_descriptor(int context, const char *key, int descriptor);
int clinux_fsconfig_create(int context);
int clinux_fsmount(int context, uint64_t attributes);
/// What the kernel says about the last error of `context`: a line without its class letter, or an empty string.
void clinux_fs_message(int context, char *message, uint32_t capacity);

/// mount(2) and umount2(2).
int clinux_mount(const char *source, const char *target, const char *type, uint64_t flags, const char *options);
int clinux_unmount(const char *target, int detach);
