#define _GNU_SOURCE
#include "files.h"

#include "answer.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

const uint64_t clinux_resolve_beneath = RESOLVE_BENEATH, clinux_resolve_in_root = RESOLVE_IN_ROOT,
               clinux_resolve_no_symlinks = RESOLVE_NO_SYMLINKS, clinux_resolve_no_magiclinks = RESOLVE_NO_MAGICLINKS,
               clinux_resolve_no_xdev = RESOLVE_NO_XDEV;
const int clinux_o_path = O_PATH, clinux_o_noatime = O_NOATIME;
const uint32_t clinux_rename_noreplace = RENAME_NOREPLACE, clinux_rename_exchange = RENAME_EXCHANGE;

int clinux_openat2(int directory, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve) {
    struct open_how how = {.flags = flags | O_CLOEXEC, .mode = mode, .resolve = resolve};
    ANSWER((int)syscall(SYS_openat2, directory, path, &how, sizeof how));
}

int clinux_status(int directory, const char *path, struct clinux_status *status) {
    struct statx extended;
    if (statx(directory, path, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH, STATX_BASIC_STATS, &extended) < 0)
        return -errno;
    *status = (struct clinux_status){
        .inode = extended.stx_ino,
        .size = extended.stx_size,
        .blocks = extended.stx_blocks,
        .device = makedev(extended.stx_dev_major, extended.stx_dev_minor),
        .special_device = makedev(extended.stx_rdev_major, extended.stx_rdev_minor),
        .attributes = extended.stx_attributes,
        .mode = extended.stx_mode,
        .links = extended.stx_nlink,
        .user = extended.stx_uid,
        .group = extended.stx_gid,
        .access_seconds = extended.stx_atime.tv_sec,
        .modification_seconds = extended.stx_mtime.tv_sec,
        .access_nanoseconds = extended.stx_atime.tv_nsec,
        .modification_nanoseconds = extended.stx_mtime.tv_nsec,
    };
    return 0;
}

int clinux_file_system(int descriptor, struct clinux_file_system *status) {
    struct statfs raw;
    if (fstatfs(descriptor, &raw) < 0) return -errno;
    *status = (struct clinux_file_system){
        .type = (uint64_t)(uint32_t)raw.f_type,
        .block_size = (uint64_t)raw.f_bsize,
        .blocks = raw.f_blocks,
        .available_blocks = raw.f_bavail,
        .inodes = raw.f_files,
        .free_inodes = raw.f_ffree,
    };
    return 0;
}

int clinux_mkdirat(int directory, const char *name, uint32_t mode) { ANSWER(mkdirat(directory, name, mode)); }
int clinux_mknodat(int directory, const char *name, uint32_t mode, uint64_t device) {
    ANSWER(mknodat(directory, name, mode, device));
}
int clinux_symlinkat(const char *target, int directory, const char *name) {
    ANSWER(symlinkat(target, directory, name));
}
int clinux_linkat(int source_directory, const char *source, int directory, const char *name) {
    ANSWER(linkat(source_directory, source, directory, name, 0));
}
int clinux_unlinkat(int directory, const char *name, int remove_directory) {
    ANSWER(unlinkat(directory, name, remove_directory ? AT_REMOVEDIR : 0));
}
ssize_t clinux_readlinkat(int directory, const char *name, char *target, size_t capacity) {
    ANSWER(readlinkat(directory, name, target, capacity));
}
int clinux_renameat2(int old_directory, const char *old_name, int new_directory, const char *new_name, uint32_t flags) {
    ANSWER((int)syscall(SYS_renameat2, old_directory, old_name, new_directory, new_name, flags));
}

int clinux_fchownat(int directory, const char *name, uint32_t user, uint32_t group) {
    ANSWER(fchownat(directory, name, user, group, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH));
}
int clinux_fchmod(int descriptor, uint32_t mode) { ANSWER(fchmod(descriptor, mode)); }
int clinux_utimensat(int directory, const char *name, int64_t access_seconds, uint32_t access_nanoseconds,
                     int64_t modification_seconds, uint32_t modification_nanoseconds) {
    struct timespec times[2] = {{access_seconds, access_nanoseconds}, {modification_seconds, modification_nanoseconds}};
    // A null path is the descriptor itself; glibc's wrapper refuses it, the kernel does not.
    ANSWER((int)syscall(SYS_utimensat, directory, *name ? name : NULL, times, *name ? AT_SYMLINK_NOFOLLOW : 0));
}

ssize_t clinux_getdents(int directory, void *buffer, size_t capacity) {
    ANSWER((ssize_t)syscall(SYS_getdents64, directory, buffer, capacity));
}
size_t clinux_entry(const void *buffer, size_t offset, struct clinux_entry *entry) {
    const struct dirent64 *record = (const void *)((const char *)buffer + offset);
    *entry = (struct clinux_entry){record->d_ino, record->d_name, strlen(record->d_name), record->d_type};
    return offset + record->d_reclen;
}

ssize_t clinux_flistxattr(int descriptor, char *names, size_t capacity) { ANSWER(flistxattr(descriptor, names, capacity)); }
ssize_t clinux_fgetxattr(int descriptor, const char *name, void *value, size_t capacity) {
    ANSWER(fgetxattr(descriptor, name, value, capacity));
}
int clinux_fsetxattr(int descriptor, const char *name, const void *value, size_t size) {
    ANSWER(fsetxattr(descriptor, name, value, size, 0));
}
ssize_t clinux_llistxattr(const char *path, char *names, size_t capacity) { ANSWER(llistxattr(path, names, capacity)); }
ssize_t clinux_lgetxattr(const char *path, const char *name, void *value, size_t capacity) {
    ANSWER(lgetxattr(path, name, value, capacity));
}
int clinux_lsetxattr(const char *path, const char *name, const void *value, size_t size) {
    ANSWER(lsetxattr(path, name, value, size, 0));
}

int clinux_ficlone(int target, int source) { ANSWER(ioctl(target, FICLONE, source)); }
ssize_t clinux_copy_file_range(int source, int target, size_t length) {
    ANSWER(copy_file_range(source, NULL, target, NULL, length, 0));
}
int64_t clinux_seek_data(int descriptor, int64_t offset) { ANSWER(lseek(descriptor, offset, SEEK_DATA)); }
int64_t clinux_seek_hole(int descriptor, int64_t offset) { ANSWER(lseek(descriptor, offset, SEEK_HOLE)); }
int64_t clinux_seek(int descriptor, int64_t offset) { ANSWER(lseek(descriptor, offset, SEEK_SET)); }
int clinux_ftruncate(int descriptor, int64_t length) { ANSWER(ftruncate(descriptor, length)); }

int clinux_flock(int descriptor, int operation) { ANSWER(flock(descriptor, operation)); }
int clinux_record_lock(int descriptor) {
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    ANSWER(fcntl(descriptor, F_OFD_SETLK, &whole));
}
int clinux_fsync(int descriptor) { ANSWER(fsync(descriptor)); }

static int seal(int descriptor) {
    if (lseek(descriptor, 0, SEEK_SET) < 0 ||
        fcntl(descriptor, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0) {
        int error = errno;
        close(descriptor);
        return -error;
    }
    return descriptor;
}
static int write_all(int descriptor, const char *bytes, size_t length) {
    while (length > 0) {
        ssize_t written = write(descriptor, bytes, length);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return -errno;
        bytes += written;
        length -= (size_t)written;
    }
    return 0;
}
int clinux_sealed_memory(const char *name, const void *bytes, size_t length) {
    int descriptor = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (descriptor < 0) return -errno;
    int result = write_all(descriptor, bytes, length);
    if (result < 0) {
        close(descriptor);
        return result;
    }
    return seal(descriptor);
}
int clinux_sealed_memory_from(const char *name, int source, size_t limit) {
    int descriptor = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (descriptor < 0) return -errno;
    char buffer[65536];
    size_t total = 0;
    for (;;) {
        ssize_t count = read(source, buffer, sizeof buffer);
        if (count < 0 && errno == EINTR) continue;
        if (count == 0) return seal(descriptor);
        int error = 0;
        if (count < 0) error = -errno;
        else if ((total += (size_t)count) > limit) error = -EFBIG;
        else error = write_all(descriptor, buffer, (size_t)count);
        if (error < 0) {
            close(descriptor);
            return error;
        }
    }
}

int clinux_pipe(int *read_end, int *write_end, int capacity) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0) return -errno;
    // Larger than the default where the limit of the user allows it; its failure does not matter.
    if (capacity > 0) (void)fcntl(ends[1], F_SETPIPE_SZ, capacity);
    *read_end = ends[0];
    *write_end = ends[1];
    return 0;
}
int clinux_set_nonblocking(int descriptor, int nonblocking) {
    int flags = fcntl(descriptor, F_GETFL);
    if (flags < 0) return -errno;
    ANSWER(fcntl(descriptor, F_SETFL, nonblocking ? flags | O_NONBLOCK : flags & ~O_NONBLOCK));
}

uint32_t clinux_device_major(uint64_t device) { return major(device); }
uint32_t clinux_device_minor(uint64_t device) { return minor(device); }
