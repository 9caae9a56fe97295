// What the Linux engine needs of the kernel and Swift cannot see by itself: system calls behind variadic functions and
// macros, packed structures, and acquire/release accesses to memory shared with the kernel. Declarations of io_uring stand
// here in full, since many systems' headers are older than their kernels. No logic.

#ifndef CLIFELINELINUX_H
#define CLIFELINELINUX_H

#if defined(__linux__)

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

static inline void lifeline_name_thread(const char *name) {
    prctl(PR_SET_NAME, name, 0, 0, 0);
}

// MARK: epoll

static inline int lifeline_epoll_ctl(int epoll, int operation, int descriptor, uint32_t events, uint64_t data) {
    struct epoll_event event;
    event.events = events;
    event.data.u64 = data;
    return epoll_ctl(epoll, operation, descriptor, &event);
}

static inline uint32_t lifeline_epoll_events(const struct epoll_event *events, int index) {
    return events[index].events;
}

static inline uint64_t lifeline_epoll_data(const struct epoll_event *events, int index) {
    return events[index].data.u64;
}

static const uint32_t lifeline_epollin = EPOLLIN;
static const uint32_t lifeline_epollout = EPOLLOUT;
static const uint32_t lifeline_epollerr = EPOLLERR;
static const uint32_t lifeline_epollhup = EPOLLHUP;

// MARK: Sockets

/// Accepts a connection that does not block and is not inherited.
static inline int lifeline_accept(int listener) {
    return (int)syscall(SYS_accept4, listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

static inline int lifeline_socket(int domain) {
    return socket(domain, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

static inline int lifeline_eventfd(void) {
    return eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
}

static inline int lifeline_set_nonblocking(int descriptor) {
    int flags = fcntl(descriptor, F_GETFL);
    return flags < 0 ? flags : fcntl(descriptor, F_SETFL, flags | O_NONBLOCK);
}

static inline int lifeline_set_blocking(int descriptor) {
    int flags = fcntl(descriptor, F_GETFL);
    return flags < 0 ? flags : fcntl(descriptor, F_SETFL, flags & ~O_NONBLOCK);
}

static inline int lifeline_duplicate(int descriptor) {
    return fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
}

/// How many bytes have arrived at a socket and not been received.
static inline int lifeline_available(int descriptor) {
    int count = 0;
    return ioctl(descriptor, FIONREAD, &count) == 0 ? count : 0;
}

/// Receives what has arrived, without waiting for more.
static inline ssize_t lifeline_receive(int descriptor, void *bytes, size_t count) {
    return recv(descriptor, bytes, count, MSG_DONTWAIT);
}

/// Sends two pieces, the second of which may be empty, with one call.
static inline ssize_t lifeline_send2(
    int descriptor, const void *first, size_t firstCount, const void *second, size_t secondCount) {
    struct iovec pieces[2] = {{(void *)first, firstCount}, {(void *)second, secondCount}};
    struct msghdr message = {0};
    message.msg_iov = pieces;
    message.msg_iovlen = secondCount > 0 ? 2 : 1;
    return sendmsg(descriptor, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static inline ssize_t lifeline_send(int descriptor, const void *bytes, size_t count) {
    return send(descriptor, bytes, count, MSG_NOSIGNAL | MSG_DONTWAIT);
}

// MARK: io_uring (linux/io_uring.h, as of Linux 6.12)

struct lifeline_sqe {
    uint8_t opcode;
    uint8_t flags;
    uint16_t ioprio;
    int32_t fd;
    uint64_t off;
    uint64_t addr;
    uint32_t len;
    uint32_t op_flags;
    uint64_t user_data;
    uint16_t buf_group;
    uint16_t personality;
    /// Also `file_index` and `splice_fd_in`, for other operations.
    uint32_t optlen;
    uint64_t addr3;
    uint64_t pad;
};

struct lifeline_cqe {
    uint64_t user_data;
    int32_t res;
    uint32_t flags;
};

struct lifeline_sq_offsets {
    uint32_t head, tail, ring_mask, ring_entries, flags, dropped, array, resv1;
    uint64_t user_addr;
};

struct lifeline_cq_offsets {
    uint32_t head, tail, ring_mask, ring_entries, overflow, cqes, flags, resv1;
    uint64_t user_addr;
};

struct lifeline_uring_params {
    uint32_t sq_entries, cq_entries, flags, sq_thread_cpu, sq_thread_idle, features, wq_fd;
    uint32_t resv[3];
    struct lifeline_sq_offsets sq_off;
    struct lifeline_cq_offsets cq_off;
};

/// An entry of a ring of provided buffers; the first one's `resv` is the ring's tail.
struct lifeline_uring_buf {
    uint64_t addr;
    uint32_t len;
    uint16_t bid;
    uint16_t resv;
};

struct lifeline_uring_buf_reg {
    uint64_t ring_addr;
    uint32_t ring_entries;
    uint16_t bgid;
    uint16_t flags;
    uint64_t resv[3];
};

/// Which operations the kernel knows.
struct lifeline_uring_probe {
    uint8_t last_op, ops_len;
    uint16_t resv;
    uint32_t resv2[3];
    struct {
        uint8_t op, resv;
        uint16_t flags;
        uint32_t resv2;
    } ops[256];
};

static inline int lifeline_uring_knows(const struct lifeline_uring_probe *probe, uint8_t operation) {
    return operation < probe->ops_len && (probe->ops[operation].flags & 1) != 0;  // IO_URING_OP_SUPPORTED
}

struct lifeline_timespec {
    int64_t tv_sec;
    long long tv_nsec;
};

struct lifeline_uring_getevents_arg {
    uint64_t sigmask;
    uint32_t sigmask_sz;
    uint32_t min_wait_usec;
    uint64_t ts;
};

static inline int lifeline_uring_setup(uint32_t entries, struct lifeline_uring_params *parameters) {
    return (int)syscall(425, entries, parameters);
}

static inline int lifeline_uring_enter(
    int ring, uint32_t submit, uint32_t complete, uint32_t flags, const void *argument, size_t argumentSize) {
    return (int)syscall(426, ring, submit, complete, flags, argument, argumentSize);
}

static inline int lifeline_uring_register(int ring, uint32_t opcode, const void *argument, uint32_t count) {
    return (int)syscall(427, ring, opcode, argument, count);
}

static inline uint32_t lifeline_load_acquire(const uint32_t *address) {
    return __atomic_load_n(address, __ATOMIC_ACQUIRE);
}

static inline void lifeline_store_release(uint32_t *address, uint32_t value) {
    __atomic_store_n(address, value, __ATOMIC_RELEASE);
}

static inline void lifeline_store_release16(uint16_t *address, uint16_t value) {
    __atomic_store_n(address, value, __ATOMIC_RELEASE);
}

#endif
#endif
