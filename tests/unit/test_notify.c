#include "lib/notify.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/unit/test.h"

/* A manager that listens at NAME. */
static int listener(const char *name)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	memcpy(a.sun_path, name, strlen(name) + 1);
	if (name[0] == '@')
		a.sun_path[0] = '\0';
	assert_int_equal(bind(fd, (struct sockaddr *)&a,
	                     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name))),
	    0);
	assert_int_equal(setenv("NOTIFY_SOCKET", name, 1), 0);
	return fd;
}

static void hears(int fd, const char *word)
{
	char text[200];
	ssize_t n = recv(fd, text, sizeof(text) - 1, 0);

	assert_true(n > 0);
	text[n] = '\0';
	assert_true(strncmp(text, word, strlen(word)) == 0);
	assert_non_null(strstr(text, "\nMONOTONIC_USEC="));
}

static void says_each_word(void **state)
{
	char path[] = "/tmp/mr-notify-XXXXXX", name[80];
	int fd;

	(void)state;
	assert_non_null(mkdtemp(path));
	(void)snprintf(name, sizeof(name), "%s/s", path);
	fd = listener(name);
	mr_notify(MR_NOTIFY_READY);
	hears(fd, "READY=1\n");
	mr_notify(MR_NOTIFY_RELOADING);
	hears(fd, "RELOADING=1\n");
	mr_notify(MR_NOTIFY_STOPPING);
	hears(fd, "STOPPING=1\n");
	(void)close(fd);
	mr_notify(MR_NOTIFY_READY); /* nobody listens any more */
	assert_int_equal(unlink(name), 0);
	assert_int_equal(rmdir(path), 0);
}

static void names_without_a_path(void **state)
{
	char name[64];
	int fd;

	(void)state;
	(void)snprintf(name, sizeof(name), "@mr-notify-%ld", (long)getpid());
	fd = listener(name);
	mr_notify(MR_NOTIFY_READY);
	hears(fd, "READY=1\n");
	(void)close(fd);
}

static void without_a_manager(void **state)
{
	(void)state;
	assert_int_equal(unsetenv("NOTIFY_SOCKET"), 0);
	mr_notify(MR_NOTIFY_READY);
	assert_int_equal(setenv("NOTIFY_SOCKET", "relative", 1), 0);
	mr_notify(MR_NOTIFY_READY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(says_each_word),
		cmocka_unit_test(names_without_a_path),
		cmocka_unit_test(without_a_manager),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
