#include "lib/log.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/clock.h"

/* Every key that a line may have, so that whoever reads the logs knows what to look for. */
static const char *const keys[] = { "address", "agent_id", "attempt", "bytes", "channel",
	"connections", "constraint", "correlation_id", "count", "detail", "duration_us",
	"engine_id", "error", "file", "line", "method", "name", "path", "pid", "reason", "route",
	"run_id", "runs", "settings", "signal", "socket", "sqlstate", "statement", "status", "step",
	"tenant_id", "type", "version", "worker", "workers", "workflow_id" };

static const char *const levels[] = { "debug", "info", "warning", "error" };

static struct {
	const char *program;
	enum mr_log_level level;
} log_state = { "millrace", MR_LOG_INFO };

void mr_log_init(const char *program, enum mr_log_level level)
{
	log_state.program = program;
	log_state.level = level;
}

void mr_log_set_level(enum mr_log_level level)
{
	log_state.level = level;
}

bool mr_log_wants(enum mr_log_level level)
{
	return level >= log_state.level;
}

int mr_log_level_parse(struct mr_str s)
{
	for (size_t i = 0; i < MR_ARRAY_LEN(levels); i++) {
		if (mr_str_ieqz(s, levels[i]))
			return (int)i;
	}
	return -1;
}

static bool key_is_known(const char *key)
{
	for (size_t i = 0; i < MR_ARRAY_LEN(keys); i++) {
		if (strcmp(keys[i], key) == 0)
			return true;
	}
	return false;
}

static void add_text(struct mr_buf *b, struct mr_str s)
{
	if (s.len > 1000)
		s.len = 1000;
	while (s.len > 0 && !mr_str_is_utf8(s))
		s.len = s.len > 4 ? s.len - 1 : 0;
	mr_buf_add_json(b, s);
}

static void write_all(const char *p, size_t len)
{
	while (len > 0) {
		ssize_t n = write(STDERR_FILENO, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return; /* nowhere to say so */
		p += n;
		len -= (size_t)n;
	}
}

void mr_log_fields(enum mr_log_level level, const char *event, const struct mr_log_field *fields)
{
	char at[MR_TIME_LEN];
	struct mr_buf b;

	if (level < log_state.level)
		return;
	(void)mr_time_format(mr_clock_system.now_us(NULL), at); /* NUL-terminated */
	mr_buf_init(&b, 16384);
	mr_buf_addf(&b,
	    "{\"time\":\"%s\",\"level\":\"%s\",\"program\":\"%s\",\"pid\":%d,\"event\":", at,
	    levels[level], log_state.program, (int)getpid());
	add_text(&b, mr_str(event));
	for (; fields->key != NULL; fields++) {
		if (!key_is_known(fields->key))
			continue;
		mr_buf_addf(&b, ",\"%s\":", fields->key);
		if (fields->s.p != NULL)
			add_text(&b, fields->s);
		else
			mr_buf_add_i64(&b, fields->n);
	}
	mr_buf_addz(&b, "}\n");
	if (!mr_buf_failed(&b))
		write_all(b.p, b.len);
	mr_buf_done(&b);
}
