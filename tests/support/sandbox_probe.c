/*
 * Tries one forbidden thing inside the sandbox: sandbox_probe WHAT. Exit: 0 it could be done, 10 it
 * was refused, 2 no such thing. Built without sanitizers, like the helpers.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* What did not work is as it should be. */
static int refused(long r)
{
	return r < 0 ? 10 : 0;
}

static int socket_of(int family, int type)
{
	return refused(socket(family, type, 0));
}

static int inet(void)
{
	return socket_of(AF_INET, SOCK_STREAM);
}

static int inet6(void)
{
	return socket_of(AF_INET6, SOCK_DGRAM);
}

static int local(void)
{
	return socket_of(AF_UNIX, SOCK_STREAM);
}

static int netlink(void)
{
	return socket_of(AF_NETLINK, SOCK_RAW);
}

static int pair(void)
{
	int fds[2];

	return refused(socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
}

static int passwd(void)
{
	return refused(open("/etc/passwd", O_RDONLY));
}

static int proc(void)
{
	return refused(open("/proc/self/environ", O_RDONLY));
}

static int home(void)
{
	return refused(open("/root", O_RDONLY | O_DIRECTORY));
}

static int disk(void)
{
	return refused(open("/dev/sda", O_RDONLY)) != 0 && open("/dev/mem", O_RDONLY) < 0 ? 10 : 0;
}

static int write_usr(void)
{
	return refused(open("/usr/probe", O_WRONLY | O_CREAT, 0600));
}

static int write_root(void)
{
	return refused(open("/probe", O_WRONLY | O_CREAT, 0600));
}

static int write_itself(void)
{
	return refused(open("/run/millrace/sandbox_probe", O_WRONLY));
}

static int write_input(void)
{
	return refused(write(STDIN_FILENO, "x", 1));
}

static int trace(void)
{
	return refused(ptrace(PTRACE_ATTACH, getppid(), NULL, NULL));
}

static int read_memory(void)
{
	return refused(syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0));
}

static int mounting(void)
{
	return refused(mount("none", "/tmp", "tmpfs", 0, NULL));
}

static int user_namespace(void)
{
	return refused(unshare(CLONE_NEWUSER));
}

static int cloned_namespace(void)
{
	return refused(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL));
}

static int chrooted(void)
{
	return refused(chroot("/tmp"));
}

static int node(void)
{
	return refused(mknod("/tmp/null", S_IFCHR | 0600, 259));
}

static int bpf(void)
{
	return refused(syscall(SYS_bpf, 0, NULL, 0));
}

static int uring(void)
{
	return refused(syscall(SYS_io_uring_setup, 1, NULL));
}

static int keys(void)
{
	return refused(syscall(SYS_keyctl, 0, 0, 0, 0, 0));
}

static int perf(void)
{
	return refused(syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0));
}

static int faults(void)
{
	return refused(syscall(SYS_userfaultfd, 0));
}

static int become_root(void)
{
	return refused(setuid(0));
}

static int type_for_others(void)
{
	char c = 'x';

	return refused(ioctl(STDIN_FILENO, TIOCSTI, &c)) != 0 && errno == EPERM ? 10 : 0;
}

/* No process but those of the sandbox can be seen, let alone be ended. */
static int end_others(void)
{
	for (pid_t p = 50; p < 100000; p++) {
		if (kill(p, 0) == 0)
			return 0;
	}
	return 10;
}

static int descriptors(void)
{
	for (int i = 0; i < 100; i++) {
		if (dup(STDIN_FILENO) < 0)
			return i < 64 ? 10 : 0;
	}
	return 0;
}

static int foreign_descriptors(void)
{
	for (int fd = 3; fd < 1024; fd++) {
		if (fcntl(fd, F_GETFD) >= 0)
			return 0;
	}
	return 10;
}

static int processes(void)
{
	for (int i = 0; i < 64; i++) {
		pid_t p = fork();

		if (p < 0)
			return 10;
		if (p == 0) {
			(void)pause();
			_exit(0);
		}
	}
	return 0;
}

/* Every process makes others, as long as it can; each of them says so. */
static int bomb(void)
{
	for (;;) {
		pid_t p = fork();

		if (p < 0)
			(void)sched_yield(); /* always 0 */
		else if (p == 0 && write(STDOUT_FILENO, "x", 1) != 1)
			return 0;
	}
}

static int memory(void)
{
	for (int i = 0; i < 64; i++) {
		char *p = malloc(64u << 20);

		if (p == NULL)
			return 10;
		memset(p, 1, 64u << 20);
	}
	return 0;
}

static int cores(void)
{
	int status = 0;
	pid_t p = fork();

	if (p == 0)
		abort();
	return waitpid(p, &status, 0) == p && WCOREDUMP(status) ? 0 : 10;
}

static int environment(void)
{
	return getenv("SECRET_OF_TEST") == NULL ? 10 : 0;
}

/* The next ones don't end by themselves. */
static int compute(void)
{
	for (volatile unsigned long n = 1; n != 0; n++)
		;
	return 0;
}

static int wait_forever(void)
{
	while (pause() < 0)
		;
	return 0;
}

static int flood(void)
{
	static char block[65536];

	while (write(STDOUT_FILENO, block, sizeof(block)) > 0)
		;
	return 10;
}

static int fill_tmp(void)
{
	static char block[65536];
	int fd = open("/tmp/large", O_WRONLY | O_CREAT, 0600);

	(void)signal(SIGXFSZ, SIG_IGN);
	for (int i = 0; i < 1024; i++) {
		if (write(fd, block, sizeof(block)) <= 0)
			return 10;
	}
	return 0;
}

static const struct {
	const char *name;
	int (*fn)(void);
} things[] = {
	{ "inet", inet },
	{ "inet6", inet6 },
	{ "local", local },
	{ "netlink", netlink },
	{ "pair", pair },
	{ "passwd", passwd },
	{ "proc", proc },
	{ "home", home },
	{ "disk", disk },
	{ "write-usr", write_usr },
	{ "write-root", write_root },
	{ "write-itself", write_itself },
	{ "write-input", write_input },
	{ "trace", trace },
	{ "read-memory", read_memory },
	{ "mount", mounting },
	{ "user-namespace", user_namespace },
	{ "cloned-namespace", cloned_namespace },
	{ "chroot", chrooted },
	{ "node", node },
	{ "bpf", bpf },
	{ "uring", uring },
	{ "keys", keys },
	{ "perf", perf },
	{ "faults", faults },
	{ "become-root", become_root },
	{ "type-for-others", type_for_others },
	{ "end-others", end_others },
	{ "descriptors", descriptors },
	{ "foreign-descriptors", foreign_descriptors },
	{ "processes", processes },
	{ "bomb", bomb },
	{ "memory", memory },
	{ "cores", cores },
	{ "environment", environment },
	{ "compute", compute },
	{ "wait", wait_forever },
	{ "flood", flood },
	{ "fill-tmp", fill_tmp },
};

int main(int argc, char **argv)
{
	for (size_t i = 0; argc == 2 && i < sizeof(things) / sizeof(things[0]); i++) {
		if (strcmp(argv[1], things[i].name) == 0)
			return things[i].fn();
	}
	return 2;
}
