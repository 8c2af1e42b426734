/* SPDX-License-Identifier: GPL-2.0 */
/* Calls through io_uring. */

BPF_F_TABLE("lru_hash", u64, u64, in_flight, MOST_IN_FLIGHT, 0);

#ifdef AT_io_kiocb__cmd
/*
 * io_uring makes calls that no system call shows. A request is seen where it is submitted, with
 * its paths copied by the kernel, and where it completes, with its result; the reader joins the
 * two rows by a number. A request that was not accepted has only what the program wrote for it.
 */
static inline u32 uring_kind(u64 req)
{
	u32 opcode = 0;

	read_kernel(&opcode, 1, (void *)(req + AT_io_kiocb__opcode));
	return URING + opcode;
}

/* A field of what the request is about; `place` is its offset, counted from 1. */
static inline u64 field_of(u64 from, u8 place)
{
	return load(from + place - 1);
}

/* The address of a path: the kernel's copy of it, or the program's own. */
static inline u64 path_of(u64 from, u8 place, bool copied)
{
	u64 path = UNKNOWN_PATH;

	if (from)
		path = place ? field_of(from, place) : 0;
	return path && copied ? load(path + AT_filename__name) : path;
}

static inline s32 dirfd_of(u64 from, u8 place)
{
	return place && from ? (s32)field_of(from, place) : AT_FDCWD;
}

/* Gives the request a number; one that was in its place before is over, seen or not. */
static inline void number_request(struct call *call, u64 req)
{
	u64 *before = in_flight.lookup(&req);

	call->request = ++call->requests * CPUS + bpf_get_smp_processor_id();
	call->replaced = before ? *before : 0;
	in_flight.update(&req, &call->request);
}

/*
 * The call that a request makes, with its fields `from` there, in the places of table[place]. Where
 * they are is not known (0) if a program that should have kept it was not run.
 */
static inline struct call *begin_request(u64 req, u64 from, u32 place, bool copied)
{
	struct spec *spec = table.lookup(&place);
	struct config *cfg;
	struct call *call;
	u64 task = current_task(), cgroup;

	if (!spec || !spec->wanted)
		return NULL;
	cfg = get_config();
	if (!cfg)
		return NULL;
	cgroup = traced_cgroup(cfg, task);
	if (!cgroup)
		return NULL;
	call = begin_call(cfg, task, cgroup, uring_kind(req));
	if (!call)
		return NULL;
	number_request(call, req);
	call->kernel_path = copied;
	call->act = spec->act;
	call->ret = 0;
	call->path[0] = path_of(from, spec->path[0], copied);
	call->path[1] = path_of(from, spec->path[1], copied);
	call->dirfd[0] = dirfd_of(from, spec->dirfd[0]);
	call->dirfd[1] = dirfd_of(from, spec->dirfd[1]);
	if (spec->flags && from)
		call->flags = (u32)field_of(from, spec->flags);
	else
		call->kind |= KIND_NO_FLAGS;
	if (spec->path[1])
		call->last_role = 1;
	return call;
}

int on_uring_submit(struct bpf_raw_tracepoint_args *ctx)
{
	u64 req = TOLD(u64, ctx, 0, io_uring_submit_req, req), command = req + AT_io_kiocb__cmd;
	struct call *call = begin_request(req, command, uring_kind(req), true);

	if (!call)
		return 0;
	if (call->act & ACT_OPENS && load(command + AT_io_open__how__resolve) & RESOLVE_IN_ROOT)
		call->kind |= KIND_IN_ROOT;
	begin_rows(ctx, call);
	return 0;
}

#ifdef ON_EVENTS
int on_uring_failing(struct bpf_raw_tracepoint_args *ctx)
{
	u64 entry = ctx->args[0], req = ctx->args[1];

	untold.update(&req, &entry);
	return 0;
}
#endif

/*
 * What the program wrote for the request, struct io_uring_sqe. The one that was kept is not that of
 * this event where perf's events were in use before the recorder came: they are run first then.
 */
static inline u64 failed_entry(struct bpf_raw_tracepoint_args *ctx, u64 req)
{
	u64 entry = UNTOLD(ctx, 0, req);

#ifdef ON_EVENTS
	if (load(entry + AT_io_uring_sqe__addr) != TOLD(u64, ctx, 0, io_uring_req_failed, addr))
		return 0;
#endif
	return entry;
}

/* A request with a bad path, bad flags, or what else is looked at before it may run. */
int on_uring_failed(struct bpf_raw_tracepoint_args *ctx)
{
	u64 req = TOLD(u64, ctx, 1, io_uring_req_failed, req), entry = failed_entry(ctx, req);
	struct call *call = begin_request(req, entry, uring_kind(req) + URING_ENTRIES, false);

	if (!call)
		return 0;
	call->ret = TOLD(s32, ctx, 2, io_uring_req_failed, error);
	begin_rows(ctx, call);
	return 0;
}

int on_uring_complete(struct bpf_raw_tracepoint_args *ctx)
{
	u64 task = current_task(), req = TOLD(u64, ctx, 1, io_uring_complete, req);
	u64 *request, number;
	u32 kind = uring_kind(req);
	struct spec *spec = table.lookup(&kind);
	struct config *cfg = get_config();
	struct call *call;

	if (!spec || !spec->wanted || !cfg)
		return 0;
	request = in_flight.lookup(&req);
	if (!request)
		return 0;
	number = *request;
	in_flight.delete(&req);
	call = begin_call(cfg, task, own_cgroup_id(task), kind | KIND_URING_DONE);
	if (!call)
		return 0;
	call->act = spec->act;
	call->flags = number;
	call->ret = (s32)load32(req + AT_io_kiocb__cqe__res);
	call->dirfd[0] = AT_FDCWD;
	/* A file that goes to a slot of the ring has no descriptor. */
	if (!load32(req + AT_io_kiocb__cmd + AT_io_open__file_slot))
		call->result = result_path(call);
	begin_rows(ctx, call);
	return 0;
}
#endif

int on_uring_create(struct bpf_raw_tracepoint_args *ctx)
{
	struct config *cfg = get_config();
	struct control *ctl = get_control();

	if (cfg && ctl && traced_cgroup(cfg, current_task()))
		ctl->uring_rings++;
	return 0;
}
