/* SPDX-License-Identifier: GPL-2.0 */
/* A call on its way through the programs. */

#define AT_FDCWD -100
#define UNKNOWN_PATH 1 /* an address at which nothing can be read */

/* How a syscall passes its paths. Arguments are counted from 1; 0: it has none. */
struct spec {
	u8 wanted; /* by the native or by the 32-bit table: one load sends all others away */
	u8 path[2];
	u8 dirfd[2];
	u8 flags;
	u8 act;
	u8 output; /* where the call writes to the program's memory */
	u8 output_words; /* how much, in units of 4 bytes; or one of OUTPUT_... */
};

struct location { /* struct path, linux/path.h */
	u64 mount, dentry;
};

/* An open file by what its name depends on, but for directories above that are renamed. */
struct sight {
	u64 cgroup, mount, dentry, parent, name_hash, ino, root; /* mount: mount_identity() */
	u64 epoch;
};

/* A call on its way through the programs below; they run one after the other on one CPU. */
struct call {
	u64 busy;
	u64 ts;
	u64 task;
	u64 cgroup;
	u64 execs;
	u64 regs[REGS_WORDS]; /* a copy, or the address of the whole */
	u64 path[2]; /* addresses, in user memory unless `kernel_path` */
	s32 dirfd[2];
	u64 flags;
	s64 ret;
	u32 kind;
	u32 act;
	u32 kernel_path;
	u32 path_bytes; /* at most, of a socket's */
	u32 blocked;
	u32 role;
	u32 last_role;
	u64 requests; /* of io_uring, so far */
	u64 request; /* the number of a call that was submitted through io_uring */
	u64 replaced; /* the number of one that was in its place, and of whose end nothing was seen */
	u64 result; /* struct path * of what the call led to, or 0 */
	u64 written_from, written_to; /* what the call wrote to the program's memory */
	/* the row */
	u32 row;
	u32 mark;
	u32 todo;
	u32 walking;
	u32 walks; /* programs of the chain that the row has used */
	/* the walk */
	u32 from, at;
	u64 hash; /* of the names it has passed */
	u64 passed, checked; /* of their versions, and of those of the second time */
	struct location start, here, end, root;
	u64 mount_root; /* dentry at which here.mount begins */
	u8 dentry[DENTRY_BYTES];
	u32 version; /* of the dentry that was read */
	u32 sight_version; /* of what an open led to */
	struct sight sight;
};

BPF_F_TABLE("array", u32, struct spec, table, TABLE_ROWS, 0);
BPF_F_TABLE("percpu_array", u32, struct call, calls, 1, 0);

static inline struct call *get_call(void)
{
	u32 zero = 0;

	return calls.lookup(&zero);
}

#if defined(KNOWN_TYPES) && !defined(CAST_FUNCTION)
static inline u64 task_of(struct call *call)
{
	return current_task();
}
#else
static inline u64 task_of(struct call *call)
{
	return call->task;
}
#endif

static inline void lose(struct call *call, u32 cause)
{
	if (!(call->kind & KIND_URING_DONE)) /* that is not an event, but the result of one */
		count_loss(call->cgroup, cause);
}

/* Takes the per-CPU call; NULL, and a loss, where an interrupted program holds it. */
static inline struct call *begin_call(struct config *cfg, u64 task, u64 cgroup, u32 kind)
{
	struct call *call = get_call();

	if (!call)
		return NULL;
	if (call->busy) {
		if (!(kind & KIND_URING_DONE))
			count_loss(cgroup, LOST_BUSY);
		return NULL;
	}
	call->busy = 1;
	call->kind = kind;
	call->act = 0;
	call->ts = bpf_ktime_get_ns();
	call->task = task;
	call->cgroup = cgroup;
	call->execs = cfg->execs;
	call->path[0] = 0;
	call->path[1] = 0;
	call->flags = 0;
	call->kernel_path = 0;
	call->blocked = 0;
	call->role = 0;
	call->last_role = 0;
	call->request = 0;
	call->result = 0;
	call->written_to = 0;
	return call;
}
