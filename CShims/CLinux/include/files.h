// Calls on files and directories which Glibc's module hides, or whose result would be left in errno.
// Every function answers with a value >= 0 or with -errno: Swift may run code between a call and a read of errno.
#pragma once

#include <linux/magic.h>
#include <stdint.h>
#include <sys/types.h>

/// openat2(2), Linux 5.6. `resolve` is a set of the RESOLVE_* flags below. The descriptor is close-on-exec.
int clinux_openat2(int directory, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve);

/// Constants that the module does not show because they are macros of <fcntl.h> under _GNU_SOURCE or of <linux/openat2.h>.
extern const uint64_t clinux_resolve_beneath, clinux_resolve_in_root, clinux_resolve_no_symlinks,
    clinux_resolve_no_magiclinks, clinux_resolve_no_xdev;
extern const int clinux_o_path, clinux_o_noatime;

/// What an inode is, in numbers of one width whatever the C library does: the part of statx(2) that is used.
struct clinux_status {
    uint64_t inode, size, blocks, device, special_device, attributes;
    uint32_t mode, links, user, group;
    int64_t access_seconds, modification_seconds;
    uint32_t access_nanoseconds, modification_nanoseconds;
};

/// statx(2) of `path` in `directory`, or of `directory` itself if `path` is empty. The last component is never followed.
int clinux_status(int directory, const char *path, struct clinux_status *status);

/// fstatfs(2): what a file system is and how much of it is free. Answers for `O_PATH` descriptors too.
struct clinux_file_system {
    uint64_t type, block_size, blocks, available_blocks, inodes, free_inodes;
};
int clinux_file_system(int descriptor, struct clinux_file_system *status);

int clinux_mkdirat(int directory, const char *name, uint32_t mode);
int clinux_mknodat(int directory, const char *name, uint32_t mode, uint64_t device);
int clinux_symlinkat(const char *target, int directory, const char *name);
int clinux_linkat(int source_directory, const char *source, int directory, const char *name);
/// `remove_directory` is AT_REMOVEDIR.
int clinux_unlinkat(int directory, const char *name, int remove_directory);
/// Length of the target, which is not terminated.
ssize_t clinux_readlinkat(int directory, const char *name, char *target, size_t capacity);

/// renameat2(2), Linux 3.15. Flags below.
int clinux_renameat2(int old_directory, const char *old_name, int new_directory, const char *new_name, uint32_t flags);
extern const uint32_t clinux_rename_noreplace, clinux_rename_exchange;

/// fchownat(2) that never follows `name`; of `directory` itself if `name` is empty.
int clinux_fchownat(int directory, const char *name, uint32_t user, uint32_t group);
int clinux_fchmod(int descriptor, uint32_t mode);
/// utimensat(2) that never follows `name`; of `directory` itself if `name` is empty.
int clinux_utimensat(int directory, const char *name, int64_t access_seconds, uint32_t access_nanoseconds,
                     int64_t modification_seconds, uint32_t modification_nanoseconds);

/// getdents64(2): bytes put into `buffer`, 0 at the end of the directory.
ssize_t clinux_getdents(int directory, void *buffer, size_t capacity);

/// One record of clinux_getdents at `offset`; answers the offset of the next. `name` points into `buffer`.
struct clinux_entry {
    uint64_t inode;
    const char *name;
    size_t name_length;
    uint8_t type;
};
size_t clinux_entry(const void *buffer, size_t offset, struct clinux_entry *entry);

ssize_t clinux_flistxattr(int descriptor, char *names, size_t capacity);
ssize_t clinux_fgetxattr(int descriptor, const char *name, void *value, size_t capacity);
int clinux_fsetxattr(int descriptor, const char *name, const void *value, size_t size);
/// The three for what cannot be opened (symbolic links, devices, sockets); the last component is not followed.
ssize_t clinux_llistxattr(const char *path, char *names, size_t capacity);
ssize_t clinux_lgetxattr(const char *path, const char *name, void *value, size_t capacity);
int clinux_lsetxattr(const char *path, const char *name, const void *value, size_t size);

/// FICLONE: share all extents of `source` with `target` (ioctl_ficlone(2)). A macro with a shift, so a function here.
int clinux_ficlone(int target, int source);
/// copy_file_range(2) at both files' own offsets.
ssize_t clinux_copy_file_range(int source, int target, size_t length);
/// lseek(2) with SEEK_DATA or SEEK_HOLE; -ENXIO past the last of them.
int64_t clinux_seek_data(int descriptor, int64_t offset);
int64_t clinux_seek_hole(int descriptor, int64_t offset);
int64_t clinux_seek(int descriptor, int64_t offset);
int clinux_ftruncate(int descriptor, int64_t length);

/// flock(2). `operation` is LOCK_SH, LOCK_EX, LOCK_UN with LOCK_NB.
int clinux_flock(int descriptor, int operation);
/// An open-file-description write lock on the whole file (F_OFD_SETLK, Linux 3.15): what systemd's lock files use.
int clinux_record_lock(int descriptor);
int clinux_fsync(int descriptor);

/// A sealed memory file with these bytes at offset 0 (memfd_create(2), Linux 3.17): nobody can change it afterwards.
int clinux_sealed_memory(const char *name, const void *bytes, size_t length);
/// The same from everything that can still be read from `source`, at most `limit` bytes; -EFBIG if there is more.
int clinux_sealed_memory_from(const char *name, int source, size_t limit);

int clinux_pipe(int *read_end, int *write_end, int capacity);
/// Sets or clears O_NONBLOCK.
int clinux_set_nonblocking(int descriptor, int nonblocking);

uint32_t clinux_device_major(uint64_t device);
uint32_t clinux_device_minor(uint64_t device);
