/* What the writer and the reader of snapshots share. */
#ifndef MR_ENGINE_CORE_RUN_SNAPSHOT_H
#define MR_ENGINE_CORE_RUN_SNAPSHOT_H

/* Raised with each change that an older reader would misunderstand. */
#define MR_SNAPSHOT_FORMAT 3
/* The oldest one that is read: it knows no parts. */
#define MR_SNAPSHOT_OLDEST 2

#endif
