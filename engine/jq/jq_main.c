/*
 * millrace-jq: carries out jq programs for the engine, one after the other. libjq has no limits and
 * shows what it can reach, so this process can reach nothing: it has no file but its two pipes, no
 * environment, no system call that could open anything, and little memory; how long a program may
 * run is the engine's to decide, which kills it. Started as: millrace-jq BYTES-OF-MEMORY.
 *
 * Compiled programs are kept, since compiling takes libjq tens of milliseconds.
 */
#include <errno.h>
#include <grp.h>
#include <jq.h>
#include <malloc.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "engine/jq/jq_frame.h"
#include "engine/jq/jq_words.h"

#define KEPT       32
#define NOBODY     65534
#define CPU_ENOUGH 3600 /* seconds after which a fresh process takes over */

struct program {
	char *text;
	size_t len;
	jq_state *jq; /* NULL: a free place */
	uint64_t used;
};

struct helper {
	struct program kept[KEPT];
	uint64_t uses;
	size_t memory;
	char *text, *out; /* of the request, of the answer */
	size_t out_len, out_max;
	char message[512];
	enum mr_jq_source source; /* of the program at hand */
};

static struct helper helper;

/* ---- the fence ---- */

static void limit(int what, rlim_t n)
{
	const struct rlimit r = { n, n };

	if (setrlimit((__rlimit_resource_t)what, &r) != 0)
		_exit(4);
}

static int allow_calls(void)
{
	static const int calls[] = { SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(exit),
		SCMP_SYS(exit_group), SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap),
		SCMP_SYS(madvise), SCMP_SYS(futex), SCMP_SYS(clock_gettime), SCMP_SYS(gettimeofday),
		SCMP_SYS(time), SCMP_SYS(getrandom), SCMP_SYS(rt_sigreturn),
		SCMP_SYS(rt_sigprocmask), SCMP_SYS(restart_syscall), SCMP_SYS(getrusage),
		SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(tgkill) };
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int r = f != NULL ? 0 : -1;

	for (size_t i = 0; r == 0 && i < sizeof(calls) / sizeof(calls[0]); i++)
		r = seccomp_rule_add(f, SCMP_ACT_ALLOW, calls[i], 0);
	/* memory, but none that could be run */
	if (r == 0)
		r = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
		    SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	if (r == 0)
		r = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
		    SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	if (r == 0)
		r = seccomp_load(f);
	if (f != NULL)
		seccomp_release(f);
	return r;
}

static void fence_in(size_t memory)
{
	if (close_range(3, ~0u, 0) != 0 && errno != ENOSYS)
		_exit(4);
	if (chdir("/") != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		_exit(4);
	/* a root engine (development) doesn't lend its rights to a helper */
	if (geteuid() == 0 && (setgroups(0, NULL) != 0 || setresgid(NOBODY, NOBODY, NOBODY) != 0 ||
	                          setresuid(NOBODY, NOBODY, NOBODY) != 0))
		_exit(4);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0 ||
	    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
		_exit(4);
	limit(RLIMIT_AS, memory);
	limit(RLIMIT_CORE, 0);
	limit(RLIMIT_FSIZE, 0); /* pipes aren't files */
	limit(RLIMIT_NOFILE, 3);
	if (allow_calls() != 0)
		_exit(4);
}

/* ---- frames ---- */

static void read_all(void *to, size_t len)
{
	char *p = to;

	while (len > 0) {
		ssize_t n = read(STDIN_FILENO, p, len);

		if (n <= 0 && !(n < 0 && errno == EINTR))
			_exit(0); /* the engine wants no more */
		if (n > 0) {
			p += n;
			len -= (size_t)n;
		}
	}
}

static void write_all(const void *from, size_t len)
{
	const char *p = from;

	while (len > 0) {
		ssize_t n = write(STDOUT_FILENO, p, len);

		if (n < 0 && errno != EINTR)
			_exit(0);
		if (n > 0) {
			p += n;
			len -= (size_t)n;
		}
	}
}

static void answer(enum mr_jq_word word, bool last, const char *text, size_t len)
{
	const struct mr_jq_answer a = { (uint16_t)word, last, (uint8_t)helper.source,
		(uint32_t)len };

	write_all(&a, sizeof(a));
	write_all(text, len);
	if (last)
		_exit(0);
}

static void out_of_memory(void *ctx)
{
	(void)ctx;
	answer(MR_JQ_OUT_OF_MEMORY, true, "", 0);
}

static void *memory_for(size_t len)
{
	void *p = malloc(len + 1);

	if (p == NULL)
		out_of_memory(NULL);
	return p;
}

/* ---- programs ---- */

/* The first message counts; what jq says afterwards is how many there were. */
static void keep_message(void *ctx, jv msg)
{
	static const char prefix[] = "jq: error: ";
	struct helper *h = ctx;

	if (h->message[0] == '\0' && jv_get_kind(msg) == JV_KIND_STRING) {
		const char *text = jv_string_value(msg);

		if (strncmp(text, prefix, sizeof(prefix) - 1) == 0)
			text += sizeof(prefix) - 1;
		(void)snprintf(
		    h->message, sizeof(h->message), "%.*s", (int)strcspn(text, "\n"), text);
	}
	jv_free(msg);
}

static jv no_input(jq_state *jq, void *ctx)
{
	(void)jq;
	(void)ctx;
	return jv_invalid_with_msg(jv_string("there is no more input"));
}

static void drop_message(void *ctx, jv msg)
{
	(void)ctx;
	jv_free(msg);
}

static jq_state *compile(struct helper *h, const char *text)
{
	jq_state *jq = jq_init();

	if (jq == NULL)
		out_of_memory(NULL);
	jq_set_nomem_handler(jq, out_of_memory, NULL);
	jq_set_error_cb(jq, keep_message, h);
	jq_set_input_cb(jq, no_input, NULL);
	jq_set_debug_cb(jq, drop_message, NULL);
	jq_set_attr(jq, jv_string("JQ_LIBRARY_PATH"), jv_array());
	if (!jq_compile(jq, text))
		jq_teardown(&jq); /* makes it NULL */
	return jq;
}

static void forget(struct program *p)
{
	if (p->jq != NULL)
		jq_teardown(&p->jq);
	free(p->text);
	*p = (struct program){ .jq = NULL };
}

/* Where TEXT is kept, or the place for it: a free one, else the one longest unused. */
static struct program *find(struct helper *h, const char *text, size_t len)
{
	struct program *place = &h->kept[0];

	for (size_t i = 0; i < KEPT; i++) {
		struct program *p = &h->kept[i];

		if (p->jq != NULL && p->len == len && memcmp(p->text, text, len) == 0)
			return p;
		if (p->used < place->used)
			place = p;
	}
	return place;
}

static bool allowed(struct helper *h, const char *text, size_t len)
{
	struct mr_str word;

	if (mr_jq_words_allowed((struct mr_str){ text, len }, &word))
		return true;
	if (word.len == 0)
		(void)snprintf(h->message, sizeof(h->message),
		    "the program holds a NUL, or brackets too deeply in one another");
	else
		(void)snprintf(
		    h->message, sizeof(h->message), "%.*s is not allowed here", MR_STR_ARG(word));
	return false;
}

/* NULL: the message says why. */
static jq_state *program(struct helper *h, const char *text, size_t len)
{
	struct program *p = find(h, text, len);

	h->source = MR_JQ_KEPT;
	if (p->jq == NULL || p->len != len || memcmp(p->text, text, len) != 0) {
		h->source = MR_JQ_NO_PROGRAM;
		if (!allowed(h, text, len))
			return NULL;
		forget(p);
		p->jq = compile(h, text);
		if (p->jq == NULL)
			return NULL;
		p->text = memory_for(len);
		memcpy(p->text, text, len);
		p->len = len;
		h->source = MR_JQ_COMPILED;
	}
	p->used = ++h->uses;
	return p->jq;
}

/* ---- running ---- */

/* False when there is no more room for the outputs. */
static bool add(struct helper *h, const char *text, size_t len)
{
	if (len > h->out_max - h->out_len)
		return false;
	memcpy(h->out + h->out_len, text, len);
	h->out_len += len;
	return true;
}

static bool add_output(struct helper *h, jv v)
{
	jv text = jv_dump_string(v, 0);
	bool fits = (h->out_len == 1 || add(h, ",", 1)) &&
	            add(h, jv_string_value(text), (size_t)jv_string_length_bytes(jv_copy(text)));

	jv_free(text);
	return fits;
}

/* What the end of the outputs was: nothing, or an error. */
static bool ended_well(struct helper *h, jv end)
{
	jv msg;

	if (!jv_invalid_has_msg(jv_copy(end))) {
		jv_free(end);
		return true;
	}
	msg = jv_invalid_get_msg(end);
	if (jv_get_kind(msg) != JV_KIND_STRING)
		msg = jv_dump_string(msg, 0);
	(void)snprintf(h->message, sizeof(h->message), "%s", jv_string_value(msg));
	jv_free(msg);
	return false;
}

static enum mr_jq_word run(struct helper *h, jq_state *jq, const char *input, size_t len)
{
	jv v = jv_parse_sized(input, (int)len);
	bool fits = true;

	if (!jv_is_valid(v)) {
		(void)ended_well(h, v); /* its message */
		return MR_JQ_FAILED;
	}
	h->out_len = 0;
	(void)add(h, "[", 1); /* there is room for it */
	jq_start(jq, v, 0);
	for (v = jq_next(jq); fits && jv_is_valid(v); v = jq_next(jq))
		fits = add_output(h, v);
	if (!fits) {
		jv_free(v);
		return MR_JQ_TOO_LARGE;
	}
	if (!ended_well(h, v))
		return MR_JQ_FAILED;
	return add(h, "]", 1) ? MR_JQ_OUTPUTS : MR_JQ_TOO_LARGE;
}

/* Much memory or time gone: a fresh process is better. */
static bool is_worn(const struct helper *h)
{
	struct mallinfo2 info = mallinfo2();
	struct rusage u;

	if (info.arena + info.hblkhd > h->memory / 2)
		return true;
	return getrusage(RUSAGE_SELF, &u) == 0 && u.ru_utime.tv_sec > CPU_ENOUGH;
}

static void serve(struct helper *h)
{
	enum mr_jq_word word = MR_JQ_FAILED;
	struct mr_jq_ask ask;
	jq_state *jq;

	read_all(&ask, sizeof(ask));
	if (ask.program_len > MR_JQ_PROGRAM_MAX || ask.input_len > MR_JQ_INPUT_MAX)
		_exit(5);
	h->text = memory_for((size_t)ask.program_len + ask.input_len + 1);
	h->out_max = (size_t)ask.max_output + 2; /* the brackets don't count */
	h->out = memory_for(h->out_max);
	h->message[0] = '\0';
	h->source = MR_JQ_NO_PROGRAM;
	read_all(h->text, ask.program_len);
	h->text[ask.program_len] = '\0';
	read_all(h->text + ask.program_len + 1, ask.input_len);
	jq = program(h, h->text, ask.program_len);
	if (jq != NULL)
		word = run(h, jq, h->text + ask.program_len + 1, ask.input_len);
	free(h->text);
	if (word == MR_JQ_OUTPUTS)
		answer(word, is_worn(h), h->out, h->out_len);
	else
		answer(word, word == MR_JQ_TOO_LARGE || is_worn(h), h->message, strlen(h->message));
	free(h->out);
}

int main(int argc, char **argv)
{
	const char *end = argc > 1 ? argv[1] + strlen(argv[1]) : NULL;
	char *stop = NULL;

	helper.memory = argc == 2 ? strtoull(argv[1], &stop, 10) : 0;
	if (helper.memory == 0 || stop != end) {
		(void)fputs(
		    "usage: millrace-jq BYTES-OF-MEMORY, with the engine's pipes\n", stderr);
		return 2;
	}
	fence_in(helper.memory);
	answer(MR_JQ_HELLO, false, "", 0);
	for (;;)
		serve(&helper);
}
