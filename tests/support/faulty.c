/*
 * Preloaded into a program under test, lets the calls named in a control block fail: the n-th, or
 * all from the n-th on, with an errno or after one byte. The block is a file that the test maps too
 * (MR_FAULTY is its path); it names the one process that is meant. Counts what is allocated and
 * not freed there, so that a leak shows. See faulty.py, which has the same block.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum kind { MEMORY, REDIS_MEMORY, READ, WRITE, ACCEPT, CONNECT, SOCKET, OPEN, FILE_WRITE, KINDS };

struct control {
	int32_t pid;    /* whose calls count; 0: nobody's */
	uint32_t armed; /* bits 1 << enum kind */
	int64_t left;   /* calls until the one that fails */
	uint32_t stay;  /* those after it fail too */
	int32_t error;  /* errno; 0: one byte only */
	int64_t calls;  /* of the armed kinds */
	int64_t hits;   /* that failed */
	int64_t live;   /* blocks allocated and not freed, since the process was named */
	uint32_t trap;  /* abort at the hit, for a debugger */
	uint32_t unused;
};

static struct control *control;
/* hiredis ends the process itself when it gets no memory: its allocations are a kind of their own
 */
static uintptr_t redis_from, redis_to;
static pid_t self;

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);
void __libc_free(void *p);

static int look_for_redis(struct dl_phdr_info *info, size_t size, void *ctx)
{
	(void)size, (void)ctx;
	if (strstr(info->dlpi_name, "libhiredis") == NULL)
		return 0;
	redis_from = info->dlpi_addr;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		uintptr_t end =
		    info->dlpi_addr + info->dlpi_phdr[i].p_vaddr + info->dlpi_phdr[i].p_memsz;

		if (info->dlpi_phdr[i].p_type == PT_LOAD && end > redis_to)
			redis_to = end;
	}
	return 1;
}

static void forked(void)
{
	self = getpid();
}

__attribute__((constructor)) static void begin(void)
{
	const char *path = getenv("MR_FAULTY");
	int fd = path != NULL ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *p;

	self = getpid();
	(void)dl_iterate_phdr(look_for_redis, NULL);
	(void)pthread_atfork(NULL, NULL, forked);
	if (fd < 0)
		return;
	p = mmap(NULL, sizeof(*control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (p != MAP_FAILED)
		control = p;
}

static bool is_meant(void)
{
	return control != NULL && __atomic_load_n(&control->pid, __ATOMIC_RELAXED) == self;
}

/* Whether this call is one that fails. */
static bool fails(enum kind kind)
{
	int64_t left;

	if (!is_meant() || (__atomic_load_n(&control->armed, __ATOMIC_ACQUIRE) & 1u << kind) == 0)
		return false;
	__atomic_add_fetch(&control->calls, 1, __ATOMIC_RELAXED);
	left = __atomic_sub_fetch(&control->left, 1, __ATOMIC_RELAXED);
	if (left > 0 || (left < 0 && control->stay == 0))
		return false;
	__atomic_add_fetch(&control->hits, 1, __ATOMIC_RELAXED);
	if (control->trap != 0)
		abort();
	return true;
}

static void count(int64_t n)
{
	if (is_meant())
		__atomic_add_fetch(&control->live, n, __ATOMIC_RELAXED);
}

/* ---- memory ---- */

static enum kind kind_of(void *caller)
{
	uintptr_t at = (uintptr_t)caller;

	return at >= redis_from && at < redis_to ? REDIS_MEMORY : MEMORY;
}

void *malloc(size_t size)
{
	void *p;

	if (fails(kind_of(__builtin_return_address(0)))) {
		errno = ENOMEM;
		return NULL;
	}
	p = __libc_malloc(size);
	count(p != NULL);
	return p;
}

void *calloc(size_t n, size_t size)
{
	void *p;

	if (fails(kind_of(__builtin_return_address(0)))) {
		errno = ENOMEM;
		return NULL;
	}
	p = __libc_calloc(n, size);
	count(p != NULL);
	return p;
}

void *realloc(void *old, size_t size)
{
	void *p;

	if (size > 0 && fails(kind_of(__builtin_return_address(0)))) {
		errno = ENOMEM;
		return NULL;
	}
	p = __libc_realloc(old, size);
	count((old == NULL && p != NULL) - (old != NULL && size == 0));
	return p;
}

void free(void *p)
{
	count(-(p != NULL));
	__libc_free(p);
}

/* ---- calls of the system ---- */

static void *next(const char *name)
{
	void *p = dlsym(RTLD_NEXT, name);

	if (p == NULL)
		abort();
	return p;
}

#define REAL(ret, name, ...)                                                                       \
	static ret (*real)(__VA_ARGS__);                                                           \
	if (real == NULL)                                                                          \
	*(void **)&real = next(#name)

static bool is_socket(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode);
}

/* Sockets only: libuv's own pipes and counters can't fail so. */
static bool socket_fails(int fd, enum kind kind)
{
	return is_meant() && control->armed != 0 && is_socket(fd) && fails(kind);
}

static bool file_fails(int fd)
{
	struct stat st;

	return is_meant() && control->armed != 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	       fails(FILE_WRITE);
}

#define FAIL_OR_SHORT(len)                                                                         \
	do {                                                                                       \
		if (control->error != 0) {                                                         \
			errno = control->error;                                                    \
			return -1;                                                                 \
		}                                                                                  \
		(len) = (len) > 1 ? 1 : (len);                                                     \
	} while (0)

ssize_t read(int fd, void *p, size_t len)
{
	REAL(ssize_t, read, int, void *, size_t);
	if (socket_fails(fd, READ))
		FAIL_OR_SHORT(len);
	return real(fd, p, len);
}

ssize_t __read_chk(int fd, void *p, size_t len, size_t cap)
{
	return len <= cap ? read(fd, p, len) : (abort(), -1);
}

ssize_t recv(int fd, void *p, size_t len, int flags)
{
	REAL(ssize_t, recv, int, void *, size_t, int);
	if (socket_fails(fd, READ))
		FAIL_OR_SHORT(len);
	return real(fd, p, len, flags);
}

ssize_t __recv_chk(int fd, void *p, size_t len, size_t cap, int flags)
{
	return len <= cap ? recv(fd, p, len, flags) : (abort(), -1);
}

ssize_t write(int fd, const void *p, size_t len)
{
	REAL(ssize_t, write, int, const void *, size_t);
	if (socket_fails(fd, WRITE) || file_fails(fd))
		FAIL_OR_SHORT(len);
	return real(fd, p, len);
}

ssize_t send(int fd, const void *p, size_t len, int flags)
{
	REAL(ssize_t, send, int, const void *, size_t, int);
	if (socket_fails(fd, WRITE))
		FAIL_OR_SHORT(len);
	return real(fd, p, len, flags);
}

ssize_t writev(int fd, const struct iovec *iov, int n)
{
	REAL(ssize_t, writev, int, const struct iovec *, int);
	if (socket_fails(fd, WRITE)) {
		struct iovec one = iov[0];

		FAIL_OR_SHORT(one.iov_len);
		return real(fd, &one, 1);
	}
	return real(fd, iov, n);
}

ssize_t sendmsg(int fd, const struct msghdr *m, int flags)
{
	REAL(ssize_t, sendmsg, int, const struct msghdr *, int);
	if (socket_fails(fd, WRITE)) {
		struct msghdr short_one = *m;
		struct iovec one = m->msg_iov[0];

		FAIL_OR_SHORT(one.iov_len);
		short_one.msg_iov = &one;
		short_one.msg_iovlen = 1;
		return real(fd, &short_one, flags);
	}
	return real(fd, m, flags);
}

int accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
	REAL(int, accept4, int, struct sockaddr *, socklen_t *, int);
	if (fails(ACCEPT)) {
		errno = control->error;
		return -1;
	}
	return real(fd, addr, len, flags);
}

int accept(int fd, struct sockaddr *addr, socklen_t *len)
{
	return accept4(fd, addr, len, 0);
}

int connect(int fd, const struct sockaddr *addr, socklen_t len)
{
	REAL(int, connect, int, const struct sockaddr *, socklen_t);
	if (fails(CONNECT)) {
		errno = control->error;
		return -1;
	}
	return real(fd, addr, len);
}

int socket(int domain, int type, int protocol)
{
	REAL(int, socket, int, int, int);
	if (fails(SOCKET)) {
		errno = control->error;
		return -1;
	}
	return real(domain, type, protocol);
}

static mode_t mode_of(int flags, va_list ap)
{
	return (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(ap, mode_t) : 0;
}

int open(const char *path, int flags, ...)
{
	mode_t mode;
	va_list ap;

	REAL(int, open, const char *, int, ...);
	va_start(ap, flags);
	mode = mode_of(flags, ap);
	va_end(ap);
	if (fails(OPEN)) {
		errno = control->error;
		return -1;
	}
	return real(path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
	mode_t mode;
	va_list ap;

	va_start(ap, flags);
	mode = mode_of(flags, ap);
	va_end(ap);
	return open(path, flags, mode);
}

int openat(int at, const char *path, int flags, ...)
{
	mode_t mode;
	va_list ap;

	REAL(int, openat, int, const char *, int, ...);
	va_start(ap, flags);
	mode = mode_of(flags, ap);
	va_end(ap);
	if (fails(OPEN)) {
		errno = control->error;
		return -1;
	}
	return real(at, path, flags, mode);
}
