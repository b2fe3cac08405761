/*
 * Starts child runs: all that are asked for at a time in one statement. Repeating it is harmless:
 * a step and attempt has one child run. A parent whose fence has moved is asked for again with the
 * new one, until whoever asked gives up.
 */
#ifndef MR_ENGINE_SPAWN_H
#define MR_ENGINE_SPAWN_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/macros.h"
#include "lib/str.h"

struct mr_engine;
struct mr_spawn;

/* One child run to be started. Made by mr_spawn_job_create(), once started freed by the module:
 * after done, or when it was given up. */
struct mr_spawn_job {
	/* the caller's; texts must live until done or abort */
	int64_t run_id, step_execution_id;
	unsigned attempt;
	struct mr_str workflow; /* name or id */
	int64_t version;        /* 0: the present one */
	struct mr_str input;    /* JSON */
	bool cascades;          /* cancelled when its step or its parent ends first */
	int64_t (*fence)(void *ctx);
	void (*done)(struct mr_spawn_job *job);
	void *ctx;
	/* the answer, for the time of done: a child run, or what is wrong */
	int64_t child_run_id;
	struct mr_str code, message;
	/* the module's */
	struct mr_spawn_job *next;
	bool is_sent, is_unwanted, is_aborted;
};

struct mr_spawn *mr_spawn_create(struct mr_engine *e) MR_MUST_CHECK;
struct mr_spawn *mr_spawn_free(struct mr_spawn *s);
struct mr_spawn_job *mr_spawn_job_create(void) MR_MUST_CHECK;
/* One that was never started. */
void mr_spawn_job_free(struct mr_spawn_job *job);
/* Done is called later, never from inside. */
void mr_spawn_start(struct mr_spawn *s, struct mr_spawn_job *job);
/* Done will not be called. UNWANTED: a child run that comes all the same is cancelled. */
void mr_spawn_abort(struct mr_spawn *s, struct mr_spawn_job *job, bool unwanted);
/* A child run that was started, for a step that has ended meanwhile. */
void mr_spawn_undo(struct mr_spawn *s, int64_t run_id, int64_t step_execution_id);
/* Called each tick: sends what waits. */
void mr_spawn_tick(struct mr_spawn *s);

#endif
