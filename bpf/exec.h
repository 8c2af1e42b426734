/* SPDX-License-Identifier: GPL-2.0 */
/* Execs that succeed; those that fail return, as other calls do. */

#define FD_PATH_PREFIX 8 /* length of /dev/fd/ */

/* How execveat was called. */
struct execat {
	s32 dirfd;
	u32 flags;
};

BPF_F_TABLE("lru_hash", u64, struct execat, execats, 1024, 0);

/* The kernel hands execveat's path on as /dev/fd/N/path, or /dev/fd/N where that was empty. */
static inline void take_apart_fd_path(struct call *call)
{
	char text[24] = {};
	u32 fd = 0;
	u64 at = FD_PATH_PREFIX;

	read_kernel_str(text, sizeof(text), (void *)call->path[0]);
	for (; at < sizeof(text) - 1; at++) {
		if (text[at] < '0' || text[at] > '9')
			break;
		fd = fd * 10 + (text[at] - '0');
	}
	if (at < sizeof(text) && text[at] == '/')
		at++;
	call->path[0] += at;
	call->dirfd[0] = fd;
}

/*
 * An exec that can only succeed or kill, with its registers still as the program left them: keeps
 * what execveat was called with, for on_exec. Since Linux 6.10; before it is not attached.
 */
int on_prepare_exec(struct bpf_raw_tracepoint_args *ctx)
{
	u64 regs = (u64)bpf_task_pt_regs(bpf_get_current_task_btf()), bprm = ctx->args[1];
	u64 task = current_task();
	u32 nr = plain_number(load32(regs + AT_NR));
	struct config *cfg = get_config();
	struct execat execat = {};
	struct spec *spec;

	if (!cfg || !traced_cgroup(cfg, task))
		return 0;
	if (is_compat(task))
		nr += COMPAT;
#ifdef ON_EVENTS
	untold.update(&task, &bprm);
#endif
	spec = table.lookup(&nr);
	if (!spec || !(spec->act & ACT_EXEC) || !spec->dirfd[0]) {
		execats.delete(&bprm); /* that of an exec that failed after this, whose memory it has now */
		return 0;
	}
	execat.dirfd = load32(argument_address(regs, spec->dirfd[0]));
	execat.flags = load32(argument_address(regs, spec->flags));
	execats.update(&bprm, &execat);
	return 0;
}

/* Makes the row one of execveat, where it is. */
static inline void recognise_execveat(struct call *call, u64 bprm)
{
	struct execat *execat = execats.lookup(&bprm);
	bool through_fd = call->path[0] == load(bprm + AT_linux_binprm__fdpath);

	if (!execat && !through_fd)
		return;
	call->kind = KIND_EXEC | NR_EXECVEAT;
	if (through_fd)
		take_apart_fd_path(call);
	if (!execat) {
		call->kind |= KIND_NO_FLAGS;
		return;
	}
	call->dirfd[0] = execat->dirfd;
	call->flags = execat->flags;
	execats.delete(&bprm);
}

/*
 * A successful exec: the memory that held its arguments is gone, and the number of the call too,
 * for the kernel puts execve's in its place.
 */
int on_exec(struct bpf_raw_tracepoint_args *ctx)
{
	u64 task = current_task(), bprm = UNTOLD(ctx, 2, task), cgroup, interp;
	u32 old_tid = TOLD(u32, ctx, 1, sched_process_exec, old_pid), execed = EXECED;
	u32 tid = bpf_get_current_pid_tgid();
	struct config *cfg = get_config();
	struct call *call;

	/* A thread that is not the first takes the first one's id. */
	if (old_tid != tid)
		entered.delete(&old_tid);
	entered.update(&tid, &execed);
	if (!cfg)
		return 0;
	cgroup = traced_cgroup(cfg, task);
	if (!cgroup)
		return 0;
	call = begin_call(cfg, task, cgroup, KIND_EXEC | NR_EXECVE);
	if (!call)
		return 0;
	call->kernel_path = 1;
	call->act = ACT_EXEC;
	call->ret = 0;
	call->path[0] = load(bprm + AT_linux_binprm__filename);
	call->dirfd[0] = AT_FDCWD;
	call->dirfd[1] = AT_FDCWD;
	interp = load(bprm + AT_linux_binprm__interp);
	if (interp != call->path[0]) {
		call->path[1] = interp;
		call->last_role = 1;
	}
	recognise_execveat(call, bprm);
	call->result = load(bprm + AT_linux_binprm__file) + AT_file__f_path;
	__sync_fetch_and_add(&cfg->execs, 1);
	call->execs = cfg->execs;
	begin_rows(ctx, call);
	return 0;
}
