#include "lib/notify.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/clock.h"

static const char *const words[] = {
	[MR_NOTIFY_READY] = "READY=1",
	[MR_NOTIFY_RELOADING] = "RELOADING=1",
	[MR_NOTIFY_STOPPING] = "STOPPING=1",
};

/* A path, or @name for a name without one. Returns the address's length, 0 when it is neither. */
static socklen_t address(const char *name, struct sockaddr_un *ret)
{
	size_t len = strlen(name);

	if ((name[0] != '/' && name[0] != '@') || len >= sizeof(ret->sun_path))
		return 0;
	ret->sun_family = AF_UNIX;
	memcpy(ret->sun_path, name, len + 1);
	if (name[0] == '@')
		ret->sun_path[0] = '\0';
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
}

void mr_notify(enum mr_notify what)
{
	const char *name = getenv("NOTIFY_SOCKET");
	struct sockaddr_un to;
	socklen_t to_len = name != NULL ? address(name, &to) : 0;
	char text[96];
	int fd, n;

	if (to_len == 0)
		return;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return;
	n = snprintf(text, sizeof(text), "%s\nMONOTONIC_USEC=%lld", words[what],
	    (long long)mr_clock_system.mono_us(NULL)); /* fits */
	(void)sendto(fd, text, (size_t)n, MSG_NOSIGNAL, (struct sockaddr *)&to, to_len);
	(void)close(fd); /* nothing to lose */
}
