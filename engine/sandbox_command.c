/* The words of the command that puts up the fence around a helper. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/sandbox_private.h"
#include "lib/paths.h"

#define INSIDE_DIR "/run/millrace" /* where our own programs appear inside */
#define FILE_BYTES 16777216        /* largest file a helper may write, unless it is its output */
#define TMP_BYTES  "33554432"

static const char *const namespaces[] = {
	"/usr/bin/bwrap",
	"--unshare-all",
	"--unshare-user",
	"--die-with-parent",
	"--new-session",
	"--uid",
	"65534",
	"--gid",
	"65534",
	"--hostname",
	"sandbox",
	"--ro-bind",
	"/usr",
	"/usr",
	"--symlink",
	"usr/lib",
	"/lib",
	"--symlink",
	"usr/lib64",
	"/lib64",
	"--symlink",
	"usr/bin",
	"/bin",
	"--ro-bind-try",
	"/etc/fonts",
	"/etc/fonts",
	"--ro-bind-try",
	"/var/cache/fontconfig",
	"/var/cache/fontconfig",
	"--ro-bind-try",
	"/etc/ld.so.cache",
	"/etc/ld.so.cache",
	"--ro-bind-try",
	"/etc/alternatives",
	"/etc/alternatives",
	"--dev-bind",
	"/dev/null",
	"/dev/null",
	"--dev-bind",
	"/dev/urandom",
	"/dev/urandom",
	"--size",
	TMP_BYTES,
	"--tmpfs",
	"/tmp",
	"--chdir",
	"/tmp",
};

static const char *const rlimits[] = { "--pdeathsig", "KILL", "--no-new-privs" };
/* An engine that runs as root doesn't lend its rights to a helper, nor its exemption from the
 * limit on processes: the kernel looks at the user outside of the namespace. */
static const char *const nobody[] = { "--reuid", "65534", "--regid", "65534", "--clear-groups" };

static void add(struct mr_sandbox_command *cmd, const char *word)
{
	if (cmd->argc <= MR_SANDBOX_ARGV)
		cmd->argv[cmd->argc++] = word;
}

static void add_all(struct mr_sandbox_command *cmd, const char *const *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		add(cmd, words[i]);
}

static void add_setpriv(struct mr_sandbox_command *cmd, enum mr_sandbox_fence fence)
{
	bool is_root = geteuid() == 0;

	if (is_root || fence == MR_FENCE_RLIMITS)
		add(cmd, "/usr/bin/setpriv");
	if (is_root)
		add_all(cmd, nobody, MR_ARRAY_LEN(nobody));
	if (fence == MR_FENCE_RLIMITS)
		add_all(cmd, rlimits, MR_ARRAY_LEN(rlimits));
}

static void add_fence(
    struct mr_sandbox_command *cmd, const struct mr_sandbox_job *j, enum mr_sandbox_fence fence)
{
	add_setpriv(cmd, fence);
	if (fence == MR_FENCE_NAMESPACES) {
		add_all(cmd, namespaces, MR_ARRAY_LEN(namespaces));
		if (j->own_program) {
			add(cmd, "--perms");
			add(cmd, "0555");
			add(cmd, "--ro-bind-data");
			add(cmd, "4");
			_Static_assert(MR_SANDBOX_PROGRAM_FD == 4, "the word above");
			add(cmd, cmd->inside_path);
		}
		add(cmd, "--remount-ro"); /* last: nothing can be mounted afterwards */
		add(cmd, "/");
		add(cmd, "--seccomp");
		add(cmd, "3");
		_Static_assert(MR_SANDBOX_FILTER_FD == 3, "the word above");
	}
	add(cmd, "--");
}

/* Soft and hard CPU limit differ, so that the end by SIGXCPU tells itself from any other kill. */
static void add_limits(struct mr_sandbox_command *cmd, const struct mr_sandbox_job *j,
    enum mr_sandbox_fence fence, unsigned cpu_seconds)
{
	size_t n = 0;

	add(cmd, "/usr/bin/prlimit");
	if (j->memory_bytes > 0)
		(void)snprintf(cmd->limits[n++], 48, "--as=%zu", j->memory_bytes);
	(void)snprintf(cmd->limits[n++], 48, "--cpu=%u:%u", cpu_seconds, cpu_seconds + 1);
	(void)snprintf(cmd->limits[n++], 48, "--fsize=%zu",
	    j->output_fd > 0 && j->max_output > FILE_BYTES ? j->max_output : (size_t)FILE_BYTES);
	if (fence == MR_FENCE_NAMESPACES) /* counted per namespace; else all of our user's */
		(void)snprintf(cmd->limits[n++], 48, "--nproc=32");
	for (size_t i = 0; i < n; i++)
		add(cmd, cmd->limits[i]);
	add(cmd, "--nofile=64");
	add(cmd, "--core=0");
	add(cmd, "--");
}

int mr_sandbox_command(struct mr_sandbox_command *cmd, const struct mr_sandbox_job *j,
    enum mr_sandbox_fence fence, const char *helper_dir, unsigned cpu_seconds)
{
	int n;

	cmd->argc = 0;
	n = snprintf(cmd->own_path, sizeof(cmd->own_path), "%s/%s", helper_dir, j->argv[0]);
	if (n < 0 || (size_t)n >= sizeof(cmd->own_path))
		return MR_E_LIMIT;
	(void)snprintf(cmd->inside_path, sizeof(cmd->inside_path), INSIDE_DIR "/%s", j->argv[0]);
	(void)snprintf(cmd->program, sizeof(cmd->program), "/usr/bin/%s", j->argv[0]);
	add_fence(cmd, j, fence);
	add_limits(cmd, j, fence, cpu_seconds);
	if (!j->own_program)
		add(cmd, cmd->program);
	else
		add(cmd, fence == MR_FENCE_NAMESPACES ? cmd->inside_path : cmd->own_path);
	for (size_t i = 1; i <= MR_SANDBOX_ARGS && j->argv[i] != NULL; i++)
		add(cmd, j->argv[i]);
	if (cmd->argc > MR_SANDBOX_ARGV)
		return MR_E_LIMIT;
	cmd->argv[cmd->argc] = NULL;
	return 0;
}

char **mr_sandbox_environment(void)
{
	static char path[] = "PATH=/usr/bin", home[] = "HOME=/tmp", lang[] = "LANG=C.UTF-8",
	            threads[] = "OMP_THREAD_LIMIT=1";
	static char *environment[] = { path, home, lang, threads, NULL };

	return environment;
}

static bool has_helper(const char *dir)
{
	char path[PATH_MAX];
	int n = snprintf(path, sizeof(path), "%s/millrace-extract", dir);

	return n > 0 && (size_t)n < sizeof(path) && access(path, X_OK) == 0;
}

int mr_sandbox_helper_dir(char ret[PATH_MAX])
{
	const char *given = getenv("MILLRACE_LIBEXEC_DIR");
	char *slash;
	ssize_t n;

	if (given != NULL && given[0] == '/' && strlen(given) < PATH_MAX) {
		(void)snprintf(ret, PATH_MAX, "%s", given);
		return 0;
	}
	n = readlink("/proc/self/exe", ret, PATH_MAX - 1);
	if (n > 0) {
		ret[n] = '\0';
		slash = strrchr(ret, '/');
		if (slash != NULL && slash != ret)
			*slash = '\0';
		if (has_helper(ret))
			return 0;
	}
	return snprintf(ret, PATH_MAX, "%s", MR_PKGLIBEXECDIR) < PATH_MAX ? 0 : MR_E_LIMIT;
}
