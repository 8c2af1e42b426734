/* SPDX-License-Identifier: GPL-2.0 */
/* Processes of the traced cgroups that go on in others. */

/* The processes of the traced cgroups by their numbers: none of them began later than that. */
BPF_F_TABLE("lru_hash", u32, u64, processes, 16384, 0);

static inline void know(u32 process, u64 began)
{
	processes.update(&process, &began);
}

/* Was this process known? It is not any more. One that has the number of an earlier began later. */
static inline bool forget(u32 process, u64 began)
{
	u64 *known = processes.lookup(&process);
	bool is_it = known && began <= *known;

	if (known)
		processes.delete(&process);
	return is_it;
}

/*
 * A process of the traced cgroups may go on in another one, where nothing of it is recorded: that is
 * counted.
 */
static inline void count_move_out(void)
{
	struct control *ctl = get_control();

	if (ctl)
		__sync_fetch_and_add(&ctl->moved_out, 1);
}

int on_fork(struct bpf_raw_tracepoint_args *ctx)
{
	u64 child = ctx->args[1];
	struct config *cfg = get_config();

	if (!cfg || load(child + AT_task_struct__group_leader) != child) /* a thread */
		return 0;
	if (lies_below_traced(cgroup_of(child)))
		know(load32(child + AT_task_struct__tgid), load(child + AT_task_struct__start_time));
	else if (traced_cgroup(cfg, current_task()))
		count_move_out();
	return 0;
}

/* In cgroup v1 processes move as well: in trees of their own. */
int on_move(struct bpf_raw_tracepoint_args *ctx)
{
	u64 to = ctx->args[0], process = load(ctx->args[2] + AT_task_struct__group_leader);
	u64 began = load(process + AT_task_struct__start_time);
	u32 number = load32(process + AT_task_struct__tgid);
	struct config *cfg = get_config();

	if (!cfg || load(to + AT_cgroup__root) != load(cgroup_of(process) + AT_cgroup__root))
		return 0;
	if (lies_below_traced(to))
		know(number, began);
	else if (forget(number, began) && cfg->roots)
		count_move_out();
	return 0;
}

/* A thread ends; the last one ends its process, which need not be the first. */
int on_exit(struct bpf_raw_tracepoint_args *ctx)
{
	u64 task = ctx->args[0];
	u32 process = load32(task + AT_task_struct__tgid);

	u32 tid = load32(task + AT_task_struct__pid);

	entered.delete(&tid);
	if (!load32(load(task + AT_task_struct__signal) + AT_signal_struct__live))
		processes.delete(&process);
	return 0;
}
