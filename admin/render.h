/*
 * Fills in a template from the settings, line by line:
 *
 *   @name@            the value of a setting, or of a name made from several (render.c has the
 * list) %if name … %end   kept when the setting is not empty, 0 or false; %if !name the other way
 * round %include file     another template, found in the template folder %errors           the
 * bodies of nginx's own errors, one location each, from lib/errors.def
 *
 * Values that would end a directive or open a block in nginx's syntax are refused.
 */
#ifndef MR_ADMIN_RENDER_H
#define MR_ADMIN_RENDER_H

#include "lib/arena.h"
#include "lib/buf.h"
#include "lib/settings.h"

/* Appends the filled-in DIR/NAME to OUT. On failure returns a negative MR_E_*, and *ret_why is a
 * sentence in ARENA that names file and line. */
int mr_render(struct mr_arena *arena, const struct mr_settings *s, const char *dir,
    const char *name, struct mr_buf *out, struct mr_str *ret_why) MR_MUST_CHECK;

#endif
