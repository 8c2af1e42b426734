/* SPDX-License-Identifier: GPL-2.0 */
/* Calls that something else answered instead of the kernel: a filter, or a tracer. */

#define EPERM 1
#define EACCES 13
#define ENOSYS 38
#define EXECED 0xffffffff /* in `entered`: the exec that this exit is of has succeeded */

BPF_F_TABLE("lru_hash", u32, u32, entered, 16384, 0);

static inline bool has_filter(u64 task)
{
	return thread_word(task, SECCOMP_WORD) & SECCOMP_BIT;
}

/*
 * Does the task's filter let calls of this number by, whatever their arguments? Since Linux 5.11 the
 * kernel has that in a bitmap. Filters that are added only take from it: what is let by at the end of
 * a call was when it was entered, too.
 */
static inline bool is_let_by(u64 task, u32 number, bool compat)
{
#ifdef AT_seccomp_filter__cache__allow_native
	u64 bitmap = word(task, AT_task_struct__seccomp__filter);

	if (!bitmap || number >= CALLS_END)
		return false;
	bitmap += AT_seccomp_filter__cache__allow_native;
	if (compat)
#ifdef AT_seccomp_filter__cache__allow_compat
		bitmap += AT_seccomp_filter__cache__allow_compat -
			  AT_seccomp_filter__cache__allow_native;
#else
		return false;
#endif
	return load(bitmap + number / 64 * sizeof(u64)) >> number % 64 & 1;
#else
	return false;
#endif
}

/* Has the task a filter that may answer this call? */
static inline bool may_be_answered(u64 task, u32 number, bool compat)
{
	return has_filter(task) && !is_let_by(task, number, compat);
}

/* A tracer gets the call instead of the kernel: ptrace(2), PTRACE_SYSEMU. */
static inline bool is_emulated(u64 task)
{
	return thread_word(task, EMULATED_WORD) & EMULATED_BIT;
}

static inline bool gives(u32 nr, s64 ret)
{
	return ret == nr || ret == -EPERM || ret == -EACCES || ret == -ENOSYS;
}

/*
 * Did a seccomp filter answer the call instead of the kernel? Such a call has an exit, but no
 * entry. Entries are watched only once a traced call might have been answered, and then of all tasks:
 * filters come while calls are under way (SECCOMP_FILTER_FLAG_TSYNC). Where it is not known whether an
 * entry was to be seen, a result that filters use to give counts as the filter's.
 */
static inline bool is_blocked(struct config *cfg, bool answerable, u32 nr, s64 ret)
{
	u32 tid, none = 0, *entry;
	bool matches;

	if (answerable && !cfg->seccomp) {
		cfg->seccomp = 1;
		ring_bell();
	}
	if (!cfg->watched_from)
		return answerable && gives(nr, ret);
	tid = bpf_get_current_pid_tgid();
	entry = entered.lookup(&tid);
	if (entry) {
		matches = *entry == nr + 1;
		if (*entry != EXECED) /* that is for has_execed() */
			*entry = 0;
		return answerable && !matches;
	}
	entered.update(&tid, &none);
	if (!answerable)
		return false;
	return load(bpf_get_current_task() + AT_task_struct__start_time) >= cfg->watched_from ||
	       gives(nr, ret);
}

/* Is this the exit of an exec that on_exec has seen? 0 may also be the answer of a filter's. */
static inline bool has_execed(void)
{
	u32 tid = bpf_get_current_pid_tgid(), *entry = entered.lookup(&tid);
	bool is_it = entry && *entry == EXECED;

	if (is_it)
		*entry = 0;
	return is_it;
}

/* Attached only once a filter might have answered a traced call: see is_blocked(). */
int on_sys_enter(struct bpf_raw_tracepoint_args *ctx)
{
	u32 nr = plain_number(TOLD(u64, ctx, 1, sys_enter, id)), entry = nr + 1, tid;
	struct spec *spec;
	struct config *cfg;

	if (nr >= COMPAT)
		return 0;
	spec = table.lookup(&nr);
	if (!spec || !spec->wanted)
		return 0;
	cfg = get_config();
	if (!cfg || !traced_cgroup(cfg, current_task()))
		return 0;
	tid = bpf_get_current_pid_tgid();
	entered.update(&tid, &entry);
	return 0;
}
