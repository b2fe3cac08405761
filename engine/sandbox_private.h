/* What the sandbox's files share: the pool and its processes (sandbox.c), the command that puts
 * up the fence (sandbox_command.c), the system call filter (sandbox_filter.c). */
#ifndef MR_ENGINE_SANDBOX_PRIVATE_H
#define MR_ENGINE_SANDBOX_PRIVATE_H

#include <limits.h>

#include "engine/sandbox.h"

#define MR_SANDBOX_ARGV 96
/* Where the helper's side finds the filter, and the program when it is one of ours: the user that
 * the helper runs as need not be able to reach its folder. */
#define MR_SANDBOX_FILTER_FD  3
#define MR_SANDBOX_PROGRAM_FD 4

enum mr_sandbox_fence { MR_FENCE_NAMESPACES, MR_FENCE_RLIMITS };

/* A command with the texts that its words point to. */
struct mr_sandbox_command {
	const char *argv[MR_SANDBOX_ARGV + 1];
	size_t argc;
	char limits[6][48];
	char own_path[PATH_MAX], inside_path[128], program[128];
};

/* The whole command for J, with CPU_SECONDS as its limit. MR_E_LIMIT: too many words. HELPER_DIR
 * is where our own programs lie. */
int mr_sandbox_command(struct mr_sandbox_command *cmd, const struct mr_sandbox_job *j,
    enum mr_sandbox_fence fence, const char *helper_dir, unsigned cpu_seconds) MR_MUST_CHECK;
/* The helpers' whole environment; NULL-terminated, static. */
char **mr_sandbox_environment(void);
/* Where our own helper programs lie: $MILLRACE_LIBEXEC_DIR, beside this program (a build tree),
 * or where they were installed. */
int mr_sandbox_helper_dir(char ret[PATH_MAX]) MR_MUST_CHECK;

/* The filter for bwrap --seccomp: BPF in malloc'd *RET, the caller's. MR_E_UNAVAILABLE. */
int mr_sandbox_filter(void **ret, size_t *ret_len) MR_MUST_CHECK;

#endif
