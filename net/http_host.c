/*
 * How many calls to one host are under way at a time. Those beyond wait here, in order of coming,
 * not inside of curl: it walks all that wait whenever one ends, and each of them holds its handle.
 */
#include <stdlib.h>
#include <string.h>

#include "net/http_client_private.h"

struct mr_http_host {
	struct mr_http_host *next;
	unsigned active;
	struct mr_http_call *first, *last; /* those that wait */
	char name[];
};

static struct mr_http_host **bucket(struct mr_http_client *c, const char *name)
{
	uint32_t h = 2166136261u;

	for (; *name != '\0'; name++)
		h = (h ^ (unsigned char)*name) * 16777619u;
	return &c->hosts[h % MR_HTTP_HOSTS];
}

static struct mr_http_host *find_or_add(struct mr_http_client *c, const char *name)
{
	struct mr_http_host **at = bucket(c, name), *host = *at;
	size_t len = strlen(name) + 1;

	while (host != NULL && strcmp(host->name, name) != 0)
		host = host->next;
	if (host != NULL)
		return host;
	host = calloc(1, sizeof(*host) + len);
	if (host == NULL)
		return NULL;
	memcpy(host->name, name, len);
	host->next = *at;
	*at = host;
	return host;
}

static void forget_if_idle(struct mr_http_client *c, struct mr_http_host *host)
{
	struct mr_http_host **at = bucket(c, host->name);

	if (host->active > 0 || host->first != NULL)
		return;
	while (*at != host)
		at = &(*at)->next;
	*at = host->next;
	free(host);
}

bool mr_http_host_enter(struct mr_http_call *call)
{
	struct mr_http_host *host = find_or_add(call->client, call->host);

	call->at_host = host;
	if (host == NULL) /* without memory for counting: uncounted */
		return true;
	if (host->active < MR_HTTP_MAX_PER_HOST) {
		host->active++;
		return true;
	}
	call->waits = true;
	call->wait_prev = host->last;
	if (host->last != NULL)
		host->last->wait_next = call;
	else
		host->first = call;
	host->last = call;
	return false;
}

static void stop_waiting(struct mr_http_host *host, struct mr_http_call *call)
{
	if (call->wait_prev != NULL)
		call->wait_prev->wait_next = call->wait_next;
	else
		host->first = call->wait_next;
	if (call->wait_next != NULL)
		call->wait_next->wait_prev = call->wait_prev;
	else
		host->last = call->wait_prev;
	call->wait_prev = call->wait_next = NULL;
	call->waits = false;
}

struct mr_http_call *mr_http_host_leave(struct mr_http_call *call)
{
	struct mr_http_host *host = call->at_host;
	struct mr_http_call *next = NULL;

	call->at_host = NULL;
	if (host == NULL)
		return NULL;
	if (call->waits) {
		stop_waiting(host, call);
	} else {
		next = host->first;
		if (next != NULL)
			stop_waiting(host, next); /* it has the place now */
		else
			host->active--;
	}
	forget_if_idle(call->client, host);
	return next;
}
