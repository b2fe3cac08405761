/* The machine's own parts, for expr_eval.c, expr_fail.c and expr_loop.c. */
#ifndef MR_ENGINE_CORE_EXPR_VM_H
#define MR_ENGINE_CORE_EXPR_VM_H

#include "engine/core/expr_private.h"

/* Fills the caller's error from a failure. */
void mr_vm_tell(struct mr_vm *vm, const struct mr_fail *f);

/* Puts a marker for the present failure at TO; without WITH_FAIL nobody will ask why. */
int mr_vm_make_marker(struct mr_vm *vm, struct mr_value *to, bool with_fail) MR_MUST_CHECK;
bool mr_vm_is_marker(const struct mr_value *v);
/* V is no longer needed: a marker's failure may be used again. */
void mr_vm_drop(struct mr_vm *vm, const struct mr_value *v);
/* The marker's failure goes on where it stopped. */
int mr_vm_raise(struct mr_vm *vm, const struct mr_value *v) MR_MUST_CHECK;

/* What a side of && or || is worth: 1, 0, or -1 for an error (V is made a marker when it is no
 * bool). */
int mr_vm_truth(struct mr_vm *vm, struct mr_value *v, uint32_t pc, int *ret) MR_MUST_CHECK;
/* DECIDES is the value that decides alone: true for ||, false for &&. */
int mr_vm_logic_left(
    struct mr_vm *vm, struct mr_value *left, uint32_t pc, bool decides, bool *ret) MR_MUST_CHECK;
int mr_vm_logic_both(
    struct mr_vm *vm, struct mr_value *two, uint32_t pc, bool decides) MR_MUST_CHECK;

/* Seals a map whose keys must differ. */
int mr_vm_seal(struct mr_vm *vm, struct mr_map *m) MR_MUST_CHECK;

/* S points at the loop's slots on the stack. */
int mr_loop_begin(struct mr_vm *vm, struct mr_value *s, enum mr_loop loop) MR_MUST_CHECK;
/* Sets the variables to what comes next; false at the end. */
bool mr_loop_next(struct mr_value *s, unsigned vars);
/* Takes V, what the body gave; *STOP is set when the result is certain. */
int mr_loop_step(struct mr_vm *vm, struct mr_value *s, struct mr_value *v, uint32_t pc,
    enum mr_loop loop, bool *stop) MR_MUST_CHECK;
/* Leaves the result in S[0]. */
int mr_loop_end(struct mr_vm *vm, struct mr_value *s, enum mr_loop loop) MR_MUST_CHECK;

#endif
