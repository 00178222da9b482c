// libbtrfsutil tells what failed by its code and why by errno. Both are taken at once here, since Swift may run code
// between a call and a read of errno. Only names that every version has: Debian 12 exports no btrfs_util_subvolume_*.
#pragma once

#include <btrfsutil.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

/// `code` is an enum btrfs_util_error, 0 if all went well; `error` is errno as the library left it.
struct cbtrfsutil_result {
    int code, error;
};

static inline struct cbtrfsutil_result cbtrfsutil_result(enum btrfs_util_error code) {
    struct cbtrfsutil_result result = {(int)code, code == BTRFS_UTIL_OK ? 0 : errno};
    return result;
}

static inline struct cbtrfsutil_result cbtrfsutil_create(int parent, const char *name) {
    return cbtrfsutil_result(btrfs_util_create_subvolume_fd(parent, name, 0, NULL, NULL));
}

/// `read_only` and `recursive` exclude one another.
static inline struct cbtrfsutil_result cbtrfsutil_snapshot(int source, int parent, const char *name, int read_only,
                                                          int recursive) {
    int flags = (read_only ? BTRFS_UTIL_CREATE_SNAPSHOT_READ_ONLY : 0) |
                (recursive ? BTRFS_UTIL_CREATE_SNAPSHOT_RECURSIVE : 0);
    return cbtrfsutil_result(btrfs_util_create_snapshot_fd2(source, parent, name, flags, NULL, NULL));
}

/// With all subvolumes inside it.
static inline struct cbtrfsutil_result cbtrfsutil_delete(int parent, const char *name) {
    return cbtrfsutil_result(btrfs_util_delete_subvolume_fd(parent, name, BTRFS_UTIL_DELETE_SUBVOLUME_RECURSIVE));
}

static inline struct cbtrfsutil_result cbtrfsutil_is_subvolume(int descriptor) {
    return cbtrfsutil_result(btrfs_util_is_subvolume_fd(descriptor));
}
static inline struct cbtrfsutil_result cbtrfsutil_get_read_only(int descriptor, bool *read_only) {
    return cbtrfsutil_result(btrfs_util_get_subvolume_read_only_fd(descriptor, read_only));
}
static inline struct cbtrfsutil_result cbtrfsutil_set_read_only(int descriptor, bool read_only) {
    return cbtrfsutil_result(btrfs_util_set_subvolume_read_only_fd(descriptor, read_only));
}
static inline struct cbtrfsutil_result cbtrfsutil_info(int descriptor, struct btrfs_util_subvolume_info *info) {
    return cbtrfsutil_result(btrfs_util_subvolume_info_fd(descriptor, 0, info));
}
static inline struct cbtrfsutil_result cbtrfsutil_sync(int descriptor) {
    return cbtrfsutil_result(btrfs_util_sync_fd(descriptor));
}

/// An iterator over the subvolumes inside the one of `descriptor`, each after what contains it. `descriptor` must stay
/// open as long as the iterator.
static inline struct cbtrfsutil_result cbtrfsutil_iterate(int descriptor,
                                                         struct btrfs_util_subvolume_iterator **iterator) {
    return cbtrfsutil_result(btrfs_util_create_subvolume_iterator_fd(descriptor, 0, 0, iterator));
}
/// `path` is to be freed; at the end the code is BTRFS_UTIL_ERROR_STOP_ITERATION.
static inline struct cbtrfsutil_result cbtrfsutil_next(struct btrfs_util_subvolume_iterator *iterator, char **path,
                                                      uint64_t *id) {
    return cbtrfsutil_result(btrfs_util_subvolume_iterator_next(iterator, path, id));
}
