/* SPDX-License-Identifier: GPL-2.0 */
/* The arguments of a tracepoint, in whichever way it tells them. */

BPF_F_TABLE("lru_hash", u64, u64, untold, 1024, 0);

/*
 * What a tracepoint tells: its arguments. On kernels that may preempt a program which gets these,
 * and do not run it for other tasks meanwhile, it is the fields of the event that perf makes of
 * them; an argument of which perf makes none is kept in `untold` by a program of its own.
 */
#ifdef ON_EVENTS
#define TOLD(type, ctx, number, event, field)                                                      \
	(*(volatile type *)((u64)(ctx) + AT_trace_event_raw_##event##__##field))
#define UNTOLD(ctx, number, key) take_untold(key)
#else
#define TOLD(type, ctx, number, event, field) ((type)(ctx)->args[number])
#define UNTOLD(ctx, number, key) ((ctx)->args[number])
#endif

/* What was kept last under this key; 0 if nothing was. */
static inline u64 take_untold(u64 key)
{
	u64 *kept = untold.lookup(&key), value = kept ? *kept : 0;

	untold.delete(&key);
	return value;
}
