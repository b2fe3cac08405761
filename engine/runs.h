/*
 * The runs in memory, by id: their state, what they have decided that is not committed yet, and
 * the effects that are under way for them. Drives mr_run_advance().
 *
 * What a run decides is collected in its "pending" outcome; a flush takes it and makes it "sent".
 * When the flush has landed, the effects in it start. A run whose flush was refused is read again:
 * whatever was not committed is dropped.
 */
#ifndef MR_ENGINE_RUNS_H
#define MR_ENGINE_RUNS_H

#include "engine/core/run.h"
#include "engine/definitions.h"
#include "engine/heap.h"
#include "lib/arena.h"

struct mr_engine;
struct mr_exec;
struct mr_runs;

#define MR_OUTCOME_COMMANDS 64

/* fail_tries of a held run: which way it is failed */
#define MR_FAIL_BY_EVENT 1
#define MR_FAIL_BY_HAND  2
#define MR_FAIL_GIVE_UP  3 /* dropped; the database lets others try later */

#define MR_HELD_RESULT_GONE "A stored result of one of its steps is gone from the file store."

/* What one or more advances decided. */
struct mr_outcome {
	struct mr_run_out out;                 /* its arena is owned */
	int64_t commands[MR_OUTCOME_COMMANDS]; /* ids of those obeyed in it */
	unsigned commands_len;
	struct mr_outcome *next; /* in the list of free ones */
};

enum mr_held_phase {
	MR_HELD_LOADING, /* the database is asked, or will be */
	MR_HELD_LIVE,
};

/* A run's row as a flush will write it; texts live in the outcome's arena. */
struct mr_run_row {
	enum mr_run_status status;
	unsigned base_seq, seq;
	bool released, queued;
	int64_t wake_at_us;  /* 0: none */
	int64_t ended_at_us; /* 0: not ended */
	int progress;
	struct mr_str result, error, cancelled_by; /* absent: NULL */
	struct mr_str vars;                        /* absent: as they are */
	struct mr_str snapshot;                    /* absent: none is written */
	int64_t awaits;                            /* events and child runs that it waits for */
};

struct mr_held {
	struct mr_engine *engine;
	/* the row */
	int64_t id, tenant_id, workflow_id;
	int version;
	int64_t fence;
	bool is_taken; /* the row has us as its owner; else the first flush takes it */
	unsigned seq;  /* as far as it is committed */
	int64_t created_at_us, started_at_us;
	int64_t timeout_us;                                       /* of this run alone; 0: none */
	int64_t parent_run_id;                                    /* 0: none */
	struct mr_str input, correlation_id, traceparent, waiter; /* in arena */
	struct mr_str limit_key; /* in arena; absent: no place of a limit was asked for */
	bool admitted;           /* it has that place */
	bool wants_slot;         /* it asks for one as soon as a flush has taken it */
	unsigned state_seq;      /* of its last snapshot; 0: it has none */
	/* the state */
	enum mr_held_phase phase;
	struct mr_arena *arena;           /* owned; all of the above texts and the run live in it */
	struct mr_definition *definition; /* reference, or NULL */
	const struct mr_map *vars;        /* the variables that its row has or is about to get */
	struct mr_run *run;               /* NULL while loading, and when it was failed by hand */
	struct mr_outcome *pending;       /* decided, not yet sent; or NULL */
	struct mr_outcome *sent;          /* in the flush under way; or NULL */
	struct mr_run_row row;            /* that goes with sent */
	struct mr_exec *execs;            /* list of effects under way or ended and not committed */
	uint64_t
	    commands_landed; /* the last question for commands before some landed; see commands.c */
	bool commands_left;  /* more were there than one outcome takes */
	/* the file store is away: read again when its timer comes; and how often it was so */
	bool resting;
	unsigned rests;
	/* why the engine can't go on with it; set by mr_held_fail() */
	unsigned fail_tries;
	char fail_type[32], fail_message[200];
	bool failed_by_hand; /* without the state machine: run is NULL, fail_* is the error */
	/* who has it */
	bool leaving;  /* sent says that it is released: nothing more happens to it here */
	bool reread;   /* to be read again as soon as sent has landed */
	bool dropped;  /* not in the table any more; freed when busy ends */
	unsigned busy; /* flush and load that still point here */
	/* large results of it that are not on disk yet; see payloads.h */
	unsigned unsettled;    /* files of it; while there is one, it goes into no flush */
	bool unsettled_failed; /* one of them can't be put there: it is to be read again */
	bool held_back;        /* it goes into the flush as soon as it may */
	bool store_failed;     /* what it gives from now on stays in the journal */
	bool landed;           /* scratch of the flush: its row came back */
	int load_row;          /* scratch of the load: row of the result */
	bool dirty;            /* in the list of those to flush */
	bool queued;           /* in the list of those to load */
	/* while loading: its row has just been claimed; and, in a fresh one, its whole journal is
	 * known, so that it needs no reading */
	bool is_read, fresh;
	struct mr_held *dirty_next, *dirty_prev;
	struct mr_held *load_next;
	struct mr_heap_node wake;
	struct mr_held *hash_next;
};

struct mr_runs *mr_runs_create(struct mr_engine *e) MR_MUST_CHECK;
struct mr_runs *mr_runs_free(struct mr_runs *r);
size_t mr_runs_len(const struct mr_runs *r);
struct mr_held *mr_runs_find(const struct mr_runs *r, int64_t id);
/* Calls FN for each run; FN may drop that run. */
void mr_runs_each(struct mr_runs *r, void (*fn)(struct mr_held *h));

/* A run just claimed, loading and without a row yet. One of that id that is still here is
 * dropped, its effects pass on. NULL without memory. */
struct mr_held *mr_held_create(struct mr_runs *r, int64_t id);
/* Aborts its effects and forgets it; freed at once or when flush and load let go of it. */
void mr_held_drop(struct mr_held *h);
/* Flush or load let go. */
void mr_held_release(struct mr_held *h);

/* Gives H an empty arena, without run, row texts, and anything uncommitted; effects stay. */
int mr_held_clear(struct mr_held *h) MR_MUST_CHECK;
/* What the state machine is told of H; its input lies in H's arena. */
int mr_held_info(struct mr_held *h, struct mr_run_info *ret) MR_MUST_CHECK;
/* Makes h->run from row and definition; then facts can be applied. */
int mr_held_open(struct mr_held *h) MR_MUST_CHECK;
/* An event for a live run; ignored by one that is loading, leaving or at its end. Never frees H. */
void mr_held_event(struct mr_held *h, const struct mr_run_event *ev);
/* What goes out next; made when there is none. NULL without memory. */
struct mr_outcome *mr_held_outcome(struct mr_held *h);
/* A live run has something to write, or is to be released: puts it in the next flush. */
void mr_held_touch(struct mr_held *h);
/* The engine can't go on with this run: it is read again and then failed with this reason; the
 * second time it is failed without the state machine, the third time it is given up. Never frees
 * H. */
void mr_held_fail(struct mr_held *h, const char *type, const char *message);
/* Makes the outcome that fails H without the state machine. 0 or MR_E_NOMEM. */
int mr_held_fail_by_hand(struct mr_held *h) MR_MUST_CHECK;
enum mr_run_status mr_held_status(const struct mr_held *h);

/* Takes what is pending for a flush: fills h->row and moves pending to sent. */
int mr_held_take(struct mr_held *h) MR_MUST_CHECK;
/* The flush with h->sent has landed: H is released, or goes on and its effects start. */
void mr_held_landed(struct mr_held *h);
/* It has not landed: H is read again, without what was sent. */
void mr_held_refused(struct mr_held *h);
/* What has started and not ended, and is not under way here, goes out next to be carried out
 * again. REREAD: what is under way here and unknown to the run is aborted. 0, or negative: then H
 * was told to fail, or is read again later. */
int mr_held_restart_effects(struct mr_held *h, bool reread) MR_MUST_CHECK;
struct mr_outcome *mr_outcome_free(struct mr_runs *r, struct mr_outcome *o);

#endif
