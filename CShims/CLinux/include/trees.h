// What copying and removing trees takes beyond files.h. Every function answers with a value >= 0 or with -errno.
#pragma once

#include <stdint.h>
#include <sys/types.h>

/// openat(2), which is variadic; close-on-exec.
int clinux_openat(int directory, const char *name, int flags, uint32_t mode);
ssize_t clinux_read(int descriptor, void *buffer, size_t capacity);
ssize_t clinux_write(int descriptor, const void *bytes, size_t length);
int clinux_fremovexattr(int descriptor, const char *name);

/// FS_IOC_GETFLAGS and FS_IOC_SETFLAGS: inode flags, as chattr(1) sets them.
int clinux_get_inode_flags(int descriptor, uint32_t *flags);
int clinux_set_inode_flags(int descriptor, uint32_t flags);
extern const uint32_t clinux_flag_immutable, clinux_flag_append, clinux_flag_nodump, clinux_flag_compress,
    clinux_flag_nocow;
/// STATX_ATTR_* of files on which one of these flags may be set; there is none for NOCOW.
extern const uint64_t clinux_status_flagged;

/// Gives the calling thread a umask of its own, and sets that to zero (unshare(2) with CLONE_FS): the other threads of the
/// process keep theirs.
int clinux_clear_thread_umask(void);
