// How every shim answers.
#pragma once

#include <errno.h>

/// Returns what a system call returned, or -errno.
#define ANSWER(call)                               \
    do {                                           \
        __typeof__(call) result_ = (call);         \
        return result_ < 0 ? -errno : result_;     \
    } while (0)
