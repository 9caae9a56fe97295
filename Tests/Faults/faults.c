// Makes one system call of a process fail: put before the C library with LD_PRELOAD.
//
//     LIFELINE_FAULT=NAME:FIRST:COUNT:ERRNO   the FIRST-th call of NAME, and those behind it, COUNT in all, fail with ERRNO
//     LIFELINE_FAULT_HIT=PATH                 a file that is made when the first call fails
//
// Only the program's own calls count, not those of the libraries that it is linked to: of the C library, and of Swift's runtime.
// NAME is the C library's function, or that of a call made by number: accept4, io_uring_setup, io_uring_enter,
// io_uring_register. A close that fails closes all the same, as Linux does.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>

static char chosen[32];
static long first, count;
static int code;
static atomic_long calls;
static uintptr_t program_start, program_end;
static const char *hit;

static void note(void) {
    // By number, and not with what may be the one that fails.
    static long (*real)(long, ...);
    if (!hit) return;
    if (!real) real = dlsym(RTLD_NEXT, "syscall");
    long descriptor = real(SYS_openat, AT_FDCWD, hit, O_CREAT | O_WRONLY, 0644);
    if (descriptor >= 0) real(SYS_close, descriptor);
}

static int find_program(struct dl_phdr_info *info, size_t size, void *unused) {
    (void)size, (void)unused;
    program_start = info->dlpi_addr;
    for (int index = 0; index < info->dlpi_phnum; index++) {
        uintptr_t end = info->dlpi_addr + info->dlpi_phdr[index].p_vaddr + info->dlpi_phdr[index].p_memsz;
        if (info->dlpi_phdr[index].p_type == PT_LOAD && end > program_end) program_end = end;
    }
    return 1;
}

__attribute__((constructor)) static void begin(void) {
    const char *fault = getenv("LIFELINE_FAULT");
    if (!fault) return;
    const char *end = strchr(fault, ':');
    if (!end || (size_t)(end - fault) >= sizeof chosen) return;
    memcpy(chosen, fault, end - fault);
    char *rest;
    first = strtol(end + 1, &rest, 10);
    count = strtol(rest + 1, &rest, 10);
    code = (int)strtol(rest + 1, NULL, 10);
    hit = getenv("LIFELINE_FAULT_HIT");
    // The program comes first.
    dl_iterate_phdr(find_program, NULL);
}

/// Whether this call is to fail; `errno` is set then.
static int fails_from(const void *caller, const char *name) {
    if (!first || (uintptr_t)caller < program_start || (uintptr_t)caller >= program_end) return 0;
    if (strcmp(name, chosen) != 0) return 0;
    long number = atomic_fetch_add(&calls, 1) + 1;
    if (number < first || number >= first + count) return 0;
    if (number == first) note();
    errno = code;
    return 1;
}

#define fails(name) fails_from(__builtin_return_address(0), name)

#define REAL(name) \
    static __typeof__(&name) real; \
    if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

#define CALL(result, name, parameters, arguments) \
    result name parameters { \
        REAL(name); \
        if (fails(#name)) return (result)-1; \
        return real arguments; \
    }

CALL(int, socket, (int a, int b, int c), (a, b, c))
CALL(int, bind, (int a, const struct sockaddr *b, socklen_t c), (a, b, c))
CALL(int, listen, (int a, int b), (a, b))
CALL(int, connect, (int a, const struct sockaddr *b, socklen_t c), (a, b, c))
CALL(int, accept4, (int a, struct sockaddr *b, socklen_t *c, int d), (a, b, c, d))
CALL(int, setsockopt, (int a, int b, int c, const void *d, socklen_t e), (a, b, c, d, e))
CALL(int, getsockopt, (int a, int b, int c, void *d, socklen_t *e), (a, b, c, d, e))
CALL(int, getsockname, (int a, struct sockaddr *b, socklen_t *c), (a, b, c))
CALL(int, getpeername, (int a, struct sockaddr *b, socklen_t *c), (a, b, c))
CALL(ssize_t, recv, (int a, void *b, size_t c, int d), (a, b, c, d))
CALL(ssize_t, send, (int a, const void *b, size_t c, int d), (a, b, c, d))
CALL(ssize_t, sendmsg, (int a, const struct msghdr *b, int c), (a, b, c))
CALL(ssize_t, read, (int a, void *b, size_t c), (a, b, c))
CALL(ssize_t, write, (int a, const void *b, size_t c), (a, b, c))
CALL(ssize_t, writev, (int a, const struct iovec *b, int c), (a, b, c))
CALL(int, shutdown, (int a, int b), (a, b))
CALL(int, epoll_create1, (int a), (a))
CALL(int, epoll_ctl, (int a, int b, int c, struct epoll_event *d), (a, b, c, d))
CALL(int, epoll_wait, (int a, struct epoll_event *b, int c, int d), (a, b, c, d))
CALL(int, eventfd, (unsigned a, int b), (a, b))
CALL(int, timerfd_create, (int a, int b), (a, b))
CALL(int, unlink, (const char *a), (a))
CALL(int, rename, (const char *a, const char *b), (a, b))
CALL(int, lstat, (const char *a, struct stat *b), (a, b))
CALL(int, fstat, (int a, struct stat *b), (a, b))
CALL(int, fsync, (int a), (a))
CALL(int, sem_init, (void *a, int b, unsigned c), (a, b, c))
CALL(int, getentropy, (void *a, size_t b), (a, b))

int close(int descriptor) {
    REAL(close);
    int result = real(descriptor);
    return fails("close") ? -1 : result;
}

void *mmap(void *a, size_t b, int c, int d, int e, off_t f) {
    REAL(mmap);
    // The rings alone: others' memory is not Lifeline's to see to.
    if (e >= 0 && (d & MAP_SHARED) && fails("mmap")) return MAP_FAILED;
    return real(a, b, c, d, e, f);
}

int munmap(void *a, size_t b) {
    REAL(munmap);
    return fails("munmap") ? -1 : real(a, b);
}

int pthread_create(pthread_t *a, const pthread_attr_t *b, void *(*c)(void *), void *d) {
    REAL(pthread_create);
    return fails("pthread_create") ? errno : real(a, b, c, d);
}

int open(const char *path, int flags, ...) {
    REAL(open);
    va_list list;
    va_start(list, flags);
    mode_t mode = va_arg(list, mode_t);
    va_end(list);
    return fails("open") ? -1 : real(path, flags, mode);
}

int fcntl(int descriptor, int command, ...) {
    REAL(fcntl);
    va_list list;
    va_start(list, command);
    void *argument = va_arg(list, void *);
    va_end(list);
    return fails("fcntl") ? -1 : real(descriptor, command, argument);
}

int fcntl64(int descriptor, int command, ...) {
    static int (*real)(int, int, ...);
    if (!real) real = dlsym(RTLD_NEXT, "fcntl64");
    va_list list;
    va_start(list, command);
    void *argument = va_arg(list, void *);
    va_end(list);
    return fails("fcntl") ? -1 : real(descriptor, command, argument);
}

int ioctl(int descriptor, unsigned long request, ...) {
    REAL(ioctl);
    va_list list;
    va_start(list, request);
    void *argument = va_arg(list, void *);
    va_end(list);
    return fails("ioctl") ? -1 : real(descriptor, request, argument);
}

long syscall(long number, ...) {
    static long (*real)(long, ...);
    if (!real) real = dlsym(RTLD_NEXT, "syscall");
    va_list list;
    va_start(list, number);
    long a = va_arg(list, long), b = va_arg(list, long), c = va_arg(list, long);
    long d = va_arg(list, long), e = va_arg(list, long), f = va_arg(list, long);
    va_end(list);
    const char *name = number == SYS_accept4 ? "accept4"
        : number == 425 ? "io_uring_setup" : number == 426 ? "io_uring_enter" : number == 427 ? "io_uring_register"
        : NULL;
    if (name && fails(name)) return -1;
    return real(number, a, b, c, d, e, f);
}
