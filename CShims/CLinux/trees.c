#define _GNU_SOURCE
#include "trees.h"

#include "answer.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

const uint32_t clinux_flag_immutable = FS_IMMUTABLE_FL, clinux_flag_append = FS_APPEND_FL,
               clinux_flag_nodump = FS_NODUMP_FL, clinux_flag_compress = FS_COMPR_FL, clinux_flag_nocow = FS_NOCOW_FL;
const uint64_t clinux_status_flagged =
    STATX_ATTR_IMMUTABLE | STATX_ATTR_APPEND | STATX_ATTR_NODUMP | STATX_ATTR_COMPRESSED;

int clinux_openat(int directory, const char *name, int flags, uint32_t mode) {
    ANSWER(openat(directory, name, flags | O_CLOEXEC, mode));
}
ssize_t clinux_read(int descriptor, void *buffer, size_t capacity) { ANSWER(read(descriptor, buffer, capacity)); }
ssize_t clinux_write(int descriptor, const void *bytes, size_t length) { ANSWER(write(descriptor, bytes, length)); }
int clinux_fremovexattr(int descriptor, const char *name) { ANSWER(fremovexattr(descriptor, name)); }

// The kernel reads and writes an int, whatever the macro's type says (ioctl_iflags(2)).
int clinux_get_inode_flags(int descriptor, uint32_t *flags) {
    int value = 0;
    if (ioctl(descriptor, FS_IOC_GETFLAGS, &value) < 0) return -errno;
    *flags = (uint32_t)value;
    return 0;
}
int clinux_set_inode_flags(int descriptor, uint32_t flags) {
    int value = (int)flags;
    ANSWER(ioctl(descriptor, FS_IOC_SETFLAGS, &value));
}

int clinux_clear_thread_umask(void) {
    if (unshare(CLONE_FS) < 0) return -errno;
    umask(0);
    return 0;
}
