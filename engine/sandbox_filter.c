/*
 * The system calls that a helper has no business with. Everything it needs to read its input and
 * compute stays allowed: the programs are Debian's, and a list of all that they may use would
 * break with their next version. What is forbidden answers EPERM, so that a program that merely
 * tries (a name service's socket) goes on without.
 */
#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/sandbox_private.h"
#include "lib/macros.h"

static const int forbidden[] = {
	/* other machines and processes */
	SCMP_SYS(socket),
	SCMP_SYS(socketpair),
	SCMP_SYS(connect),
	SCMP_SYS(bind),
	SCMP_SYS(listen),
	SCMP_SYS(accept),
	SCMP_SYS(accept4),
	SCMP_SYS(ptrace),
	SCMP_SYS(process_vm_readv),
	SCMP_SYS(process_vm_writev),
	SCMP_SYS(process_madvise),
	SCMP_SYS(kcmp),
	SCMP_SYS(pidfd_open),
	SCMP_SYS(pidfd_getfd),
	SCMP_SYS(pidfd_send_signal),
	SCMP_SYS(io_uring_setup),
	SCMP_SYS(io_uring_enter),
	SCMP_SYS(io_uring_register),
	/* file systems and namespaces */
	SCMP_SYS(mount),
	SCMP_SYS(umount2),
	SCMP_SYS(pivot_root),
	SCMP_SYS(chroot),
	SCMP_SYS(move_mount),
	SCMP_SYS(open_tree),
	SCMP_SYS(fsopen),
	SCMP_SYS(fsconfig),
	SCMP_SYS(fsmount),
	SCMP_SYS(fspick),
	SCMP_SYS(mount_setattr),
	SCMP_SYS(setns),
	SCMP_SYS(unshare),
	SCMP_SYS(open_by_handle_at),
	SCMP_SYS(name_to_handle_at),
	SCMP_SYS(swapon),
	SCMP_SYS(swapoff),
	SCMP_SYS(quotactl),
	SCMP_SYS(acct),
	SCMP_SYS(fanotify_init),
	SCMP_SYS(mknod),
	SCMP_SYS(mknodat),
	/* the kernel itself */
	SCMP_SYS(keyctl),
	SCMP_SYS(add_key),
	SCMP_SYS(request_key),
	SCMP_SYS(bpf),
	SCMP_SYS(perf_event_open),
	SCMP_SYS(userfaultfd),
	SCMP_SYS(kexec_load),
	SCMP_SYS(kexec_file_load),
	SCMP_SYS(init_module),
	SCMP_SYS(finit_module),
	SCMP_SYS(delete_module),
	SCMP_SYS(reboot),
	SCMP_SYS(syslog),
	SCMP_SYS(lookup_dcookie),
	SCMP_SYS(iopl),
	SCMP_SYS(ioperm),
	SCMP_SYS(modify_ldt),
	SCMP_SYS(vhangup),
	SCMP_SYS(settimeofday),
	SCMP_SYS(clock_settime),
	SCMP_SYS(clock_adjtime),
	SCMP_SYS(adjtimex),
	SCMP_SYS(sethostname),
	SCMP_SYS(setdomainname),
	SCMP_SYS(move_pages),
	SCMP_SYS(mbind),
	SCMP_SYS(migrate_pages),
	SCMP_SYS(personality),
};

static const unsigned long namespaces[] = { CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS,
	CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET };

static int add_rules(scmp_filter_ctx f)
{
	int r = 0;

	for (size_t i = 0; i < MR_ARRAY_LEN(forbidden) && r == 0; i++) {
		r = seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), forbidden[i], 0);
		if (r == -EDOM || r == -EFAULT || r == -EINVAL)
			r = 0; /* not a call of this architecture */
	}
	for (size_t i = 0; i < MR_ARRAY_LEN(namespaces) && r == 0; i++)
		r = seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1,
		    SCMP_A0(SCMP_CMP_MASKED_EQ, namespaces[i], namespaces[i]));
	/* its flags are in memory, which a filter can't read: libc falls back to clone */
	if (r == 0)
		r = seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	if (r == 0)
		r = seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(ioctl), 1,
		    SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffffu, TIOCSTI));
	if (r == 0)
		r = seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(ioctl), 1,
		    SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffffu, TIOCLINUX));
	return r;
}

/* libseccomp writes its program to a file only. */
static int export(scmp_filter_ctx f, void **ret, size_t *ret_len)
{
	int fd = memfd_create("filter", MFD_CLOEXEC);
	int r = MR_E_UNAVAILABLE;
	void *p = NULL;
	off_t len;

	if (fd < 0)
		return r;
	if (seccomp_export_bpf(f, fd) == 0 && (len = lseek(fd, 0, SEEK_END)) > 0 &&
	    (p = malloc((size_t)len)) != NULL && pread(fd, p, (size_t)len, 0) == len) {
		*ret = p;
		*ret_len = (size_t)len;
		p = NULL;
		r = 0;
	}
	free(p);
	(void)close(fd); /* nothing to lose */
	return r;
}

int mr_sandbox_filter(void **ret, size_t *ret_len)
{
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_ALLOW);
	int r = MR_E_UNAVAILABLE;

	if (f == NULL)
		return r;
	if (add_rules(f) == 0)
		r = export(f, ret, ret_len);
	seccomp_release(f);
	return r;
}
