// libmount, to read the mount table: it knows the escapes of /proc/self/mountinfo. Mounts are made by system calls,
// since the library would record them in files of its own (/run/mount/utab) and takes twice the time.
#pragma once

#include <libmount.h>

/// MNT_ITER_FORWARD is a member of an enumeration without a name.
static inline struct libmnt_iter *cmount_new_iterator(void) { return mnt_new_iter(MNT_ITER_FORWARD); }
