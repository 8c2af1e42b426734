/* SPDX-License-Identifier: GPL-2.0 */
/* Where a system call returns. */

int on_sys_exit(struct bpf_raw_tracepoint_args *ctx)
{
	u64 task = 0, regs = current_regs(ctx, &task), cgroup;
	u32 number = word32(regs, AT_NR), nr = plain_number(number);
	struct config *cfg;
	struct spec *spec;
	struct call *call;
	s64 ret = TOLD(s64, ctx, 1, sys_exit, ret);
	bool answerable, blocked, compat;

	if (nr >= COMPAT)
		return 0;
	spec = table.lookup(&nr);
	if (!spec || !spec->wanted)
		return 0;
	cfg = get_config();
	if (!cfg)
		return 0;
	if (!task)
		task = current_task();
	cgroup = traced_cgroup(cfg, task);
	if (!cgroup)
		return 0;
	compat = is_compat(task);
	answerable = may_be_answered(task, number, compat);
	blocked = is_emulated(task) || is_blocked(cfg, answerable, nr, ret);
	if (compat) {
		nr += COMPAT;
		spec = table.lookup(&nr);
	}
	if (!spec || !spec->path[0])
		return 0;
	if (spec->act & ACT_EXEC && ret == 0 && !is_question(regs, spec, compat)) {
		if (has_execed() || !(answerable || is_emulated(task)))
			return 0; /* on_exec has it */
		blocked = true;
	}
	call = begin_call(cfg, task, cgroup, nr);
	if (!call)
		return 0;
	copy_regs(call, regs);
	call->act = spec->act;
	call->ret = ret;
	call->blocked = blocked;
	call->path[0] = argument(call, spec->path[0], compat);
	call->path[1] = argument(call, spec->path[1], compat);
	if (has_lost_memory(call))
		call->path[0] = UNKNOWN_PATH;
	call->dirfd[0] = dirfd_argument(call, spec->dirfd[0], compat);
	call->dirfd[1] = dirfd_argument(call, spec->dirfd[1], compat);
	call->flags = argument(call, spec->flags, compat);
	if (!takes_path(call)) {
		call->busy = 0;
		return 0;
	}
	if (spec->path[1])
		call->last_role = 1;
	if (spec->act & ACT_OPEN_HOW)
		read_open_how(call);
	else
		call->flags = (u32)call->flags;
	find_written(call, spec, compat);
	call->result = result_path(call);
	make_row(ctx, call, task); /* here, for most rows are made here, and a tail call costs */
	return 0;
}
