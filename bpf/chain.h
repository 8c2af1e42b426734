/* SPDX-License-Identifier: GPL-2.0 */
/* Rows and walks as a chain of programs: each has only so many steps, and calls the next. */

#define WALKS_PER_ROW 15 /* of two in a chain of programs, which has at most 32 (MAX_TAIL_CALL_CNT) */

BPF_PROG_ARRAY(steps, 4);

/* May the row walk on, and there is still enough of the chain for the call's other row? */
static inline bool leaves_room(struct call *call)
{
	return call->role == call->last_role || ++call->walks < WALKS_PER_ROW;
}

/* A chain of programs has a length, and with it the depth of a directory that can be named. */
static inline void give_up_walks(struct call *call)
{
	if (call->todo & WALK_BASE)
		call->mark |= MARK_BASE_UNRESOLVED;
	if (call->todo & WALK_REAL)
		call->mark |= MARK_REAL_UNRESOLVED;
}

/* After a row that was published or lost: the call's other row, if it has one. */
static inline void end_row(struct bpf_raw_tracepoint_args *ctx, struct call *call)
{
	if (call->role < call->last_role) {
		call->role++;
		steps.call(ctx, STEP_NEXT_ROW);
		lose(call, LOST_TAIL_CALL);
	}
	call->busy = 0;
}

/* Makes the row for call->role; a walk, and the call's other row, are left to tail calls. */
static inline void make_row(struct bpf_raw_tracepoint_args *ctx, struct call *call, u64 task)
{
	struct block *block = row(call, task);

	if (block) {
		if (call->todo) {
			call->walking = 0;
			call->walks = 0;
			steps.call(ctx, STEP_WALK);
			give_up_walks(call);
		}
		publish(call, block);
	}
	end_row(ctx, call);
}

int next_row(struct bpf_raw_tracepoint_args *ctx)
{
	struct call *call = get_call();

	if (call)
		make_row(ctx, call, current_task());
	return 0;
}

int walk(struct bpf_raw_tracepoint_args *ctx)
{
	struct call *call = get_call();
	struct control *ctl = get_control();
	struct block *block;
	int state = WALK_ON;

	if (!call || !ctl)
		return 0;
	block = get_block(ctl);
	if (!block)
		return 0;
	if (call->walking || next_walk(call, block)) {
		if (call->walking != CHECKING) {
			call->walking = WALKING;
			state = go_on(call, block);
			if (state == WALK_BROKEN)
				end_walk(call, block, false);
			if (state == WALK_WHOLE)
				begin_check(call);
		}
		if (call->walking == CHECKING) {
			state = check(call);
			if (state == WALK_WHOLE)
				end_walk(call, block, true);
		}
		if (state != WALK_ON)
			call->walking = 0; /* a walk that was not confirmed is still to do */
		if (call->todo) {
			if (leaves_room(call))
				steps.call(ctx, STEP_WALK);
			give_up_walks(call);
		}
	}
	publish(call, block);
	end_row(ctx, call);
	return 0;
}

/* To next_row, with a call that has been filled in: for programs that make fewer rows. */
static inline void begin_rows(struct bpf_raw_tracepoint_args *ctx, struct call *call)
{
	steps.call(ctx, STEP_NEXT_ROW);
	lose(call, LOST_TAIL_CALL);
	call->busy = 0;
}
