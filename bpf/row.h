/* SPDX-License-Identifier: GPL-2.0 */
/* The row of a call, or of one of its two paths. */

#define PATH_READ 4097 /* PATH_MAX and one more: tells a cut path from one that just fits */
#define TASKS_COMPARED 4

/* The task's ids, user and name. */
static inline void read_task(u64 task, struct who *who)
{
#ifdef KNOWN_TYPES
	u64 cred = field(task, AT_task_struct__cred);

	who->tgid = field32(task, AT_task_struct__tgid);
	who->tid = field32(task, AT_task_struct__pid);
	who->uid = cred ? field32(cred, AT_cred__uid) : 0; /* never NULL; some verifiers want proof */
	who->comm[0] = field(task, AT_task_struct__comm);
	who->comm[1] = field(task, AT_task_struct__comm + sizeof(u64));
#else
	u64 ids = bpf_get_current_pid_tgid();

	who->tgid = ids >> 32;
	who->tid = ids;
	who->uid = bpf_get_current_uid_gid();
	bpf_get_current_comm(who->comm, sizeof(who->comm));
#endif
}

static inline bool is_same_who(struct who *a, struct who *b)
{
	return a->tid == b->tid && a->tgid == b->tgid && a->execs == b->execs && a->uid == b->uid &&
	       a->cgroup == b->cgroup && a->comm[0] == b->comm[0] && a->comm[1] == b->comm[1];
}

/* Index of the current task among the block's; adds it unless it is one of the last few. */
static inline u32 who_index(struct call *call, struct block *block, u64 task)
{
	u64 place = block->whos;
	struct who who = {
		.cgroup = call->cgroup,
		.execs = call->execs,
	};

	read_task(task, &who);
	for (int i = 1; i <= TASKS_COMPARED; i++) {
		u64 other = (u64)block->whos - i;

		opaque(other);
		if (other >= WHOS)
			break;
		if (is_same_who(&block->task[other], &who))
			return other;
	}
	opaque(place);
	if (place >= WHOS)
		return 0;
	who.ppid = field32(field(task, AT_task_struct__real_parent), AT_task_struct__tgid);
	block->task[place] = who;
	block->whos = place + 1;
	call->todo |= WALK_EXE;
	return place;
}

/* Copies the path into the block; returns its length, or -1 where it cannot be read whole. */
static inline long read_path(struct call *call, struct block *block, u32 role)
{
	u64 address = call->path[role & 1];
	u64 at = block->path_end;
	long got;

	opaque(at);
	if (!address || at >= PATH_BYTES)
		return -1;
	if (call->act & ACT_SOCKET)
		got = read_user_str(block->area + at, (call->path_bytes & 127) + 1, (void *)address);
	else if (call->kernel_path)
		got = read_kernel_str(block->area + at, PATH_READ, (void *)address);
	else
		got = read_user_str(block->area + at, PATH_READ, (void *)address);
	if (got < 0 || got == PATH_READ)
		return -1;
	if (got == 0) /* an empty path, from older kernels */
		got = 1;
	if (address < call->written_to && call->written_from < address + got)
		return -1; /* this is not what the program passed: the call has written over it */
	return got - 1;
}

/* The program passed NULL, as futimens(3) and container runtimes' mount(2) do: there is none to read. */
static inline bool has_no_path(struct call *call, u32 role)
{
	return !call->path[role & 1];
}

/* Has the call changed where relative paths begin? */
static inline bool has_moved(struct call *call)
{
	return call->act & ACT_MOVES && call->ret == 0 && !call->blocked;
}

/* Does the path begin at a directory? */
static inline bool is_relative(struct call *call, struct block *block, long length)
{
	u64 at = block->path_end;

	opaque(at);
	if (length <= 0 || at >= PATH_BYTES)
		return false;
	if (call->act & ACT_TARGET && call->role == 0)
		return false;
	return call->kind & KIND_IN_ROOT || block->area[at] != '/';
}

/* Keeps the numbers of a request where else stands what a call led to, before any walk. */
static inline void keep_request(struct call *call, struct block *block, u64 n)
{
	u64 at = NAMES_START + block->names_end, ids[2] = {call->request, call->replaced};

	opaque(at);
	if (at > AREA_BYTES - sizeof(ids) || n >= ROWS)
		return;
	read_kernel(block->area + at, sizeof(ids), ids);
	block->real_from[n] = at;
	block->real_to[n] = at + sizeof(ids);
	block->names_end += sizeof(ids);
}

/* Which of two rows says what the call led to: exec's last interpreter, pivot_root's new root. */
static inline u32 result_role(struct call *call)
{
	return call->act & ACT_MOVES ? 0 : call->last_role;
}

/* Begins the row for call->role: the block that it is in; NULL: it was lost. */
static inline struct block *row(struct call *call, u64 task)
{
	struct control *ctl = get_control();
	struct block *block;
	u64 n;
	u32 role = call->role & 1, who;
	long length;

	call->todo = 0;
	call->mark = call->blocked ? MARK_BLOCKED : 0;
	if (!ctl)
		return NULL;
	block = writable_block(ctl);
	if (!block) {
		lose(call, LOST_RING_FULL);
		return NULL;
	}
	n = block->rows;
	opaque(n);
	if (n >= ROWS)
		return NULL;
	call->row = n;
	block->ts[n] = call->ts;
	block->flags[n] = call->flags;
	block->kind[n] = call->kind | role << KIND_ROLE_SHIFT;
	block->ret[n] = call->ret;
	block->dirfd[n] = call->dirfd[role];
	who = who_index(call, block, task);
	length = read_path(call, block, role);
	if (length < 0) {
		length = 0;
		if (!(call->kind & KIND_URING_DONE))
			call->mark |= has_no_path(call, role) ? MARK_NO_PATH : MARK_UNREADABLE;
	}
	if (is_relative(call, block, length)) {
		if (has_moved(call)) /* where it went is all that can be said */
			call->mark |= MARK_BASE_UNRESOLVED;
		else
			call->todo |= WALK_BASE;
	}
	if (call->result && role == result_role(call))
		call->todo |= WALK_REAL;
	n = call->row; /* once more, for older verifiers forget the bound of what was put by meanwhile */
	opaque(n);
	if (n >= ROWS)
		return NULL;
	block->who[n] = who;
	block->path_to[n] = block->path_end + length;
	block->base[n] = NO_BASE;
	block->real_from[n] = 0;
	block->real_to[n] = 0;
	if (call->request)
		keep_request(call, block, n);
	return block;
}

/* Makes the row visible to the reader. */
static inline void publish(struct call *call, struct block *block)
{
	u64 n = call->row;

	opaque(n);
	if (n >= ROWS)
		return;
	block->mark[n] = call->mark;
	block->path_end = block->path_to[n];
	barrier();
	block->rows = n + 1;
}
