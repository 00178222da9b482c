#define _GNU_SOURCE
#include "processes.h"

#include "answer.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int clinux_unshare_mounts(void) { ANSWER(unshare(CLONE_NEWNS)); }

static int write_text(const char *path, const char *text) {
    int descriptor = open(path, O_WRONLY | O_CLOEXEC);
    if (descriptor < 0) return -errno;
    int result = write(descriptor, text, strlen(text)) < 0 ? -errno : 0;
    close(descriptor);
    return result;
}

static void end_child(pid_t child) {
    kill(child, SIGKILL);
    while (waitpid(child, NULL, 0) < 0 && errno == EINTR) {
    }
}

int clinux_user_namespace(uint32_t base, uint32_t count) {
    int ready[2];
    if (pipe2(ready, O_CLOEXEC) < 0) return -errno;
    pid_t child = fork();
    if (child < 0) {
        int error = errno;
        close(ready[0]);
        close(ready[1]);
        return -error;
    }
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        int32_t result = unshare(CLONE_NEWUSER) < 0 ? -errno : 0;
        if (write(ready[1], &result, sizeof result) < 0) _exit(1);
        for (;;) pause();
    }
    close(ready[1]);
    int32_t result = -EIO;
    ssize_t got;
    do got = read(ready[0], &result, sizeof result);
    while (got < 0 && errno == EINTR);
    close(ready[0]);
    if (got != sizeof result) result = -EIO;
    char path[64], map[64];
    snprintf(map, sizeof map, "0 %u %u", base, count);
    static const char *const files[] = {"uid_map", "gid_map"};
    for (int i = 0; i < 2 && result == 0; i++) {
        snprintf(path, sizeof path, "/proc/%d/%s", child, files[i]);
        result = write_text(path, map);
    }
    if (result == 0) {
        snprintf(path, sizeof path, "/proc/%d/ns/user", child);
        result = open(path, O_RDONLY | O_CLOEXEC);
        if (result < 0) result = -errno;
    }
    end_child(child);
    return result;
}

int clinux_set_file_system_ids(uint32_t user, uint32_t group) {
    // Neither call reports an error; the second, with an id that is never valid, only asks.
    setfsgid(group);
    setfsuid(user);
    if (user != 0) {
        // The kernel has dropped these with the id (capabilities(7)); the root directory of an image may be read-only
        // for its owner, or somebody else's, and root inside could write there too.
        struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
        struct __user_cap_data_struct data[2];
        if (syscall(SYS_capget, &header, data) < 0) return -errno;
        data[0].effective |= data[0].permitted & ((1u << CAP_DAC_OVERRIDE) | (1u << CAP_FOWNER));
        if (syscall(SYS_capset, &header, data) < 0) return -errno;
    }
    return (uint32_t)setfsgid((gid_t)-1) == group && (uint32_t)setfsuid((uid_t)-1) == user ? 0 : -EPERM;
}

int clinux_pidfd_open(pid_t pid) { ANSWER((int)syscall(SYS_pidfd_open, pid, 0)); }
int clinux_pidfd_send_signal(int pidfd, int signal) {
    ANSWER((int)syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0));
}

int clinux_kill_group(pid_t group, int signal) { ANSWER(kill(-group, signal)); }

int clinux_wait(pid_t pid) {
    int status;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR) return -errno;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
}

int clinux_execute(const char *path, char *const arguments[], char *const environment[]) {
    syscall(SYS_close_range, 3u, ~0u, 4u /* CLOSE_RANGE_CLOEXEC */);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    for (int number = 1; number < NSIG; number++)
        if (number != SIGKILL && number != SIGSTOP) signal(number, SIG_DFL);
    execve(path, arguments, environment);
    return -errno;
}

int clinux_signal_descriptor(uint64_t signals) {
    sigset_t set;
    sigemptyset(&set);
    for (int number = 1; number <= 64; number++)
        if (signals & (1ULL << (number - 1))) sigaddset(&set, number);
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0) return -errno;
    ANSWER(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
}
int clinux_read_signal(int descriptor) {
    struct signalfd_siginfo information;
    ssize_t count = read(descriptor, &information, sizeof information);
    if (count < 0) return errno == EAGAIN ? 0 : -errno;
    return count == sizeof information ? (int)information.ssi_signo : -EIO;
}
void clinux_ignore_signal(int number) { signal(number, SIG_IGN); }

uint64_t clinux_monotonic_nanoseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

int clinux_poll(struct clinux_poll *descriptors, uint32_t count, int timeout) {
    _Static_assert(sizeof(struct clinux_poll) == sizeof(struct pollfd) &&
                       offsetof(struct clinux_poll, ready) == offsetof(struct pollfd, revents),
                   "the same layout, so that Swift needs no <poll.h>");
    ANSWER(poll((struct pollfd *)descriptors, count, timeout));
}

static socklen_t abstract_address(struct sockaddr_un *address, const char *name) {
    size_t length = strlen(name);
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (length == 0 || length + 1 > sizeof address->sun_path) return 0;
    memcpy(address->sun_path + 1, name, length);
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + length);
}
int clinux_notification_socket(const char *abstract_name) {
    struct sockaddr_un address;
    socklen_t length = abstract_address(&address, abstract_name);
    if (length == 0) return -ENAMETOOLONG;
    int descriptor = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (descriptor < 0) return -errno;
    int yes = 1;
    if (setsockopt(descriptor, SOL_SOCKET, SO_PASSCRED, &yes, sizeof yes) < 0 ||
        bind(descriptor, (void *)&address, length) < 0) {
        int error = errno;
        close(descriptor);
        return -error;
    }
    return descriptor;
}
ssize_t clinux_receive_notification(int socket, char *message, size_t capacity, pid_t *pid, uint32_t *user) {
    union {
        char bytes[CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(64 * sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec part = {message, capacity};
    struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    ssize_t count = recvmsg(socket, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (count < 0) return -errno;
    *pid = 0;
    *user = UINT32_MAX;
    for (struct cmsghdr *item = CMSG_FIRSTHDR(&header); item; item = CMSG_NXTHDR(&header, item)) {
        if (item->cmsg_level != SOL_SOCKET) continue;
        if (item->cmsg_type == SCM_CREDENTIALS) {
            struct ucred sender;
            memcpy(&sender, CMSG_DATA(item), sizeof sender);
            *pid = sender.pid;
            *user = sender.uid;
        } else if (item->cmsg_type == SCM_RIGHTS) {
            // Nobody asked for descriptors (nspawn may hand some to a service manager): close them.
            for (size_t i = 0; i < (item->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++) {
                int stray;
                memcpy(&stray, CMSG_DATA(item) + i * sizeof(int), sizeof stray);
                close(stray);
            }
        }
    }
    return count;
}

// --- A connection from inside a machine ---

static int differs(pid_t pid, const char *name) {
    char path[64];
    struct stat theirs, ours;
    snprintf(path, sizeof path, "/proc/%d/ns/%s", pid, name);
    if (stat(path, &theirs) < 0) return -errno;
    snprintf(path, sizeof path, "/proc/self/ns/%s", name);
    if (stat(path, &ours) < 0) return -errno;
    return theirs.st_ino != ours.st_ino || theirs.st_dev != ours.st_dev;
}

static int send_descriptor(int socket, int descriptor) {
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = {{0}};
    char byte = 0;
    struct iovec part = {&byte, 1};
    struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    struct cmsghdr *item = CMSG_FIRSTHDR(&header);
    item->cmsg_level = SOL_SOCKET;
    item->cmsg_type = SCM_RIGHTS;
    item->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(item), &descriptor, sizeof descriptor);
    return sendmsg(socket, &header, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/// Runs in the grandchild, inside the namespaces: the byte answers 0 and a descriptor, or nothing but the error.
static int connect_and_send(int socket_to_parent, const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) return ENAMETOOLONG;
    strcpy(address.sun_path, path);
    int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0) return errno;
    if (connect(descriptor, (void *)&address, sizeof address) < 0) return errno;
    return -send_descriptor(socket_to_parent, descriptor);
}

static int helper(int socket_to_parent, pid_t leader, const char *path) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    // What the caller has open (the store, a script) is none of the machine's business, which sees the grandchild.
    prctl(PR_SET_DUMPABLE, 0);
    if (dup2(socket_to_parent, 3) < 0) return errno;
    socket_to_parent = 3;
    syscall(SYS_close_range, 4u, ~0u, 0u);
    int pidfd = (int)syscall(SYS_pidfd_open, leader, 0);
    if (pidfd < 0) return errno;
    int user = differs(leader, "user"), mounts = differs(leader, "mnt"), processes = differs(leader, "pid");
    if (user < 0 || mounts < 0 || processes < 0) return ESRCH;
    int flags = (user ? CLONE_NEWUSER : 0) | (mounts ? CLONE_NEWNS : 0) | (processes ? CLONE_NEWPID : 0);
    if (flags && setns(pidfd, flags) < 0) return errno;
    if (user && (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)) return errno;
    // Once more: only a child is in the new process namespace, so that the other side can tell our pid.
    pid_t child = fork();
    if (child < 0) return errno;
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        _exit(connect_and_send(socket_to_parent, path));
    }
    int status;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR) return errno;
    return WIFEXITED(status) ? WEXITSTATUS(status) : EIO;
}

int clinux_connect_inside(int leader, const char *path, int timeout) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) return -errno;
    pid_t child = fork();
    if (child < 0) {
        int error = errno;
        close(pair[0]);
        close(pair[1]);
        return -error;
    }
    if (child == 0) _exit(helper(pair[1], leader, path));
    close(pair[1]);
    struct pollfd item = {.fd = pair[0], .events = POLLIN};
    int ready;
    do ready = poll(&item, 1, timeout);
    while (ready < 0 && errno == EINTR);
    int result = ready == 0 ? -ETIMEDOUT : 0;
    if (ready > 0) {
        union {
            char bytes[CMSG_SPACE(sizeof(int))];
            struct cmsghdr align;
        } control;
        char byte;
        struct iovec part = {&byte, 1};
        struct msghdr header = {
            .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
        ssize_t count = recvmsg(pair[0], &header, MSG_CMSG_CLOEXEC);
        struct cmsghdr *entry = count > 0 ? CMSG_FIRSTHDR(&header) : NULL;
        if (entry && entry->cmsg_type == SCM_RIGHTS) memcpy(&result, CMSG_DATA(entry), sizeof result);
    }
    close(pair[0]);
    int status = 0;
    // The grandchild is visible inside, and a job may have stopped it; it dies with its parent.
    if (result != 0) kill(child, SIGKILL);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    if (result == 0) result = WIFEXITED(status) && WEXITSTATUS(status) ? -WEXITSTATUS(status) : -EIO;
    return result;
}

int clinux_random(void *bytes, size_t length) {
    return getrandom(bytes, length, 0) == (ssize_t)length ? 0 : -EIO;
}

char *const *clinux_environment(void) { return environ; }

int clinux_spawn(const char *path, char *const arguments[], char *const environment[], const int standard[3],
                 int new_session) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int error = posix_spawn_file_actions_init(&actions);
    if (error) return -error;
    error = posix_spawnattr_init(&attributes);
    if (error) {
        posix_spawn_file_actions_destroy(&actions);
        return -error;
    }
    // First to numbers above 2, so that no move overwrites one that is still needed.
    int moved[3] = {-1, -1, -1};
    for (int i = 0; i < 3 && !error; i++) {
        moved[i] = fcntl(standard[i], F_DUPFD_CLOEXEC, 3);
        if (moved[i] < 0) error = errno;
    }
    for (int i = 0; i < 3 && !error; i++) error = posix_spawn_file_actions_adddup2(&actions, moved[i], i);
    if (!error) error = posix_spawn_file_actions_addclosefrom_np(&actions, 3);
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    if (!error) error = posix_spawnattr_setsigmask(&attributes, &none);
    if (!error) error = posix_spawnattr_setsigdefault(&attributes, &all);
    short flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
    if (new_session) flags |= POSIX_SPAWN_SETSID;
    if (!error) error = posix_spawnattr_setflags(&attributes, flags);
    pid_t child = 0;
    if (!error) error = posix_spawn(&child, path, &actions, &attributes, arguments, environment);
    for (int i = 0; i < 3; i++)
        if (moved[i] >= 0) close(moved[i]);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return error ? -error : child;
}

int clinux_replace_standard(int descriptor, int number) { ANSWER(dup2(descriptor, number)); }
