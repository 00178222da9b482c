// Processes, namespaces, signals and sockets. Every function answers with a value >= 0 or with -errno.
#pragma once

#include <stdint.h>
#include <sys/types.h>

/// unshare(2) of the calling process's mount namespace.
int clinux_unshare_mounts(void);

/// A new user namespace in which ids 0 up to `count` are `base` up to `base + count` outside; answers a descriptor of it.
/// A child process makes it, since a process cannot leave its own (user_namespaces(7)); the child is gone on return.
int clinux_user_namespace(uint32_t base, uint32_t count);

/// setfsuid(2) and setfsgid(2) of this thread: whose ownership the next file calls have. CAP_DAC_OVERRIDE and CAP_FOWNER
/// stay. Fails with -EPERM when the ids did not take.
int clinux_set_file_system_ids(uint32_t user, uint32_t group);

/// pidfd_open(2), Linux 5.3. It becomes readable when the process ends.
int clinux_pidfd_open(pid_t pid);
int clinux_pidfd_send_signal(int pidfd, int signal);

/// kill(2) of a whole process group.
int clinux_kill_group(pid_t group, int signal);

/// waitpid(2) for this child. Answers its exit code, or 256 + the number of the signal that ended it.
int clinux_wait(pid_t pid);

/// execve(2) after every descriptor above 2 was marked close-on-exec and all signals were unblocked and set to their default. Returns only on failure.
int clinux_execute(const char *path, char *const arguments[], char *const environment[]);

/// Blocks the signals of a bit set (bit n - 1 is signal n) and answers a signalfd(2) for them.
int clinux_signal_descriptor(uint64_t signals);
/// The next signal of it, 0 if there is none.
int clinux_read_signal(int descriptor);
void clinux_ignore_signal(int signal);

uint64_t clinux_monotonic_nanoseconds(void);

/// poll(2); `timeout` in milliseconds, -1 for ever. `ready` bits as poll's.
struct clinux_poll {
    int descriptor;
    short events, ready;
};
int clinux_poll(struct clinux_poll *descriptors, uint32_t count, int timeout);

/// A datagram socket bound to this abstract name (without the leading NUL), which tells who sent (SO_PASSCRED).
int clinux_notification_socket(const char *abstract_name);
/// The next message without waiting; answers its length. -EAGAIN if there is none.
ssize_t clinux_receive_notification(int socket, char *message, size_t capacity, pid_t *pid, uint32_t *user);

/// Connects to the UNIX stream socket `path` as the machine's own root, from inside the user, mount and process
/// namespaces of `leader`: its peer credentials are then those of the machine's uid 0. The descriptor comes back through
/// SCM_RIGHTS; the helper process is gone on return, at the latest after `timeout` milliseconds (-ETIMEDOUT).
int clinux_connect_inside(int leader, const char *path, int timeout);

/// getrandom(2).
int clinux_random(void *bytes, size_t length);

/// environ(7), which Swift 6 cannot read safely as a variable; copied by the caller before any other thread exists.
char *const *clinux_environment(void);

/// Starts `path` as a child in a session of its own (if `new_session`) with these three descriptors as its standard ones,
/// no other descriptor, no blocked signal. Answers its pid. posix_spawn(3) with closefrom.
int clinux_spawn(const char *path, char *const arguments[], char *const environment[], const int standard[3],
                 int new_session);

/// dup2(2) onto 0, 1 or 2, which stays open across exec.
int clinux_replace_standard(int descriptor, int number);
