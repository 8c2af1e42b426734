/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The one BPF program: every traced call becomes a row, or a counted loss.
 *
 *   on_sys_exit, on_exec, on_uring_...   is it a traced call? what are its paths?
 *        |
 *        v
 *   make_row() begins the row, copies the path           <---+
 *        |     (in on_sys_exit itself, else in next_row)     |
 *        v                                                   |  a call's second path
 *   walk       names a directory, child first, up to the     |
 *        |     root: the base of a relative path, what an    |
 *        |     open led to, the task's executable; twice, to |
 *        |     see that nothing was moved meanwhile          |
 *        v                                                   |
 *   publish()  shows the row to the reader  -----------------+
 *
 * Rows go to blocks, which are written column by column and read by snoop_capture/ring.py; a
 * CPU fills one of its own, so rows take no lock. Everything that depends on the running
 * kernel comes as a macro: AT_x__y is the offset of a field (snoop_capture/offsets.py), the
 * sizes of a block and the numbers that both sides must agree on are in snoop_capture/layout.py.
 */

#define NULL ((void *)0)
#define barrier() asm volatile("" ::: "memory")
/* Keeps the compiler from dropping a bound it can prove but the verifier cannot. */
#define opaque(x) asm volatile("" : "+r"(x))

#define NAME_BYTES 256 /* NAME_MAX and its NUL */
#define PATH_READ 4097 /* PATH_MAX and one more: tells a cut path from one that just fits */
#define STEPS_PER_WALK 40
#define STEPS_PER_CHECK 160
#define BASES_COMPARED 4
#define TASKS_COMPARED 4
#define BLOCKS_TRIED 64
#define VERDICT_BITS 8 /* for the number of roots, up to 127, and whether the cgroup is traced */
#define NO_BASE 0xffffffff
#define HASH_PRIME 0x9e3779b97f4a7c15ULL
#define AT_FDCWD -100
#define FD_PATH_PREFIX 8 /* length of /dev/fd/ */
#define RESOLVE_IN_ROOT 0x10
#define AT_EXECVE_CHECK 0x10000
#define FSCONFIG_SET_PATH 3
#define FSCONFIG_SET_PATH_EMPTY 4
#define WAKE_NOW 2 /* BPF_RB_FORCE_WAKEUP */
#define AF_UNIX 1
#define SOCKET_PATH_BYTES 108
#define SOCKET_STORAGE_BYTES 126 /* more than that is no address: struct sockaddr_storage */
#define EPERM 1
#define EACCES 13
#define EFAULT 14
#define ENOSYS 38
#define MOST_RETURNED (64 << 10) /* XATTR_SIZE_MAX; what readlink(2) returns is less */
#define EXECED 0xffffffff /* in `entered`: the exec that this exit is of has succeeded */
#define MAX_LEVELS 64 /* of the tree, that are looked at from a cgroup up */
#define WALKS_PER_ROW 15 /* of two in a chain of programs, which has at most 32 (MAX_TAIL_CALL_CNT) */

/*
 * The kernel's helpers of these names, declared once more: where BCC sees a call of its own
 * declaration, it goes through all of the kernel's symbols to learn whether there is such a helper,
 * which takes longer than to compile this; and where it may not see them, it calls another helper,
 * to which a program's bad pointer may be an address in the kernel.
 */
static int (*read_user)(void *to, u32 size, const void *from) = (void *)BPF_FUNC_probe_read_user;
static int (*read_user_str)(void *to, u32 size, const void *from) =
	(void *)BPF_FUNC_probe_read_user_str;
static int (*read_kernel)(void *to, u32 size, const void *from) =
	(void *)BPF_FUNC_probe_read_kernel;
static int (*read_kernel_str)(void *to, u32 size, const void *from) =
	(void *)BPF_FUNC_probe_read_kernel_str;

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

struct config {
	u32 roots; /* of the map of that name: so many count */
	u32 epoch; /* counts segments: each segment names each file anew */
	u64 execs; /* counts traced execs: each makes a task another program */
	u64 watched_from; /* CLOCK_MONOTONIC, ns: on_sys_enter is attached; 0: it is not */
	u32 seccomp; /* set here: traced tasks have a filter */
	u32 left_out; /* a bit for each root that is not traced, although below one that comes after it */
};

/* One per CPU, shared with the reader. */
struct control {
	u64 serial; /* of the block that it fills: how many it has taken */
	u64 place; /* of that block, counted from 1; 0: it has none yet */
	u64 tried; /* the place that was looked at last for a free block */
	u64 verdict; /* the last cgroup, the number of roots then, and whether it was traced */
	u64 uring_rings; /* created in the traced cgroups */
	u64 moved_out; /* processes of the traced cgroups that went on in others */
	u64 lost[LOSS_CAUSES];
};

/* How often a block was taken, and how often the reader has given it back: if equal, it is free. */
struct turns {
	u64 taken;
	u64 released;
};

/* Of all blocks there is only one who takes one of them for one turn. */
struct claim {
	u64 place;
	u64 turn;
};

struct who {
	u64 cgroup;
	u32 tgid, tid, ppid, uid;
	u64 comm[2]; /* TASK_COMM_LEN bytes; behind the NUL may be anything */
	u32 execs;
	u32 exe_from, exe_to;
	u32 spare;
};

/* A directory that relative paths start from; kept once for the rows that share it. */
struct base {
	u64 hash;
	u32 from, to;
};

struct block {
	u32 rows; /* written last: what is below it is complete */
	u32 whos;
	u32 bases;
	u32 path_end, names_end;
	u32 cpu;
	u64 serial; /* among the blocks of its CPU */
	u64 ts[ROWS];
	u64 flags[ROWS];
	u32 kind[ROWS];
	u32 mark[ROWS];
	s32 ret[ROWS];
	s32 dirfd[ROWS];
	u32 who[ROWS];
	u32 path_to[ROWS];
	u32 base[ROWS];
	u32 real_from[ROWS];
	u32 real_to[ROWS];
	struct who task[WHOS];
	struct base base_table[BASES];
	char area[AREA_BYTES];
};

struct location { /* struct path, linux/path.h */
	u64 mount, dentry;
};

/* An open file by what its name depends on, but for directories above that are renamed. */
struct sight {
	u64 cgroup, mount, dentry, parent, name_hash, ino, root;
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

struct loss_key {
	u64 cgroup;
	u32 cause;
	u32 spare;
};

/* How execveat was called. */
struct execat {
	s32 dirfd;
	u32 flags;
};

BPF_F_TABLE("array", u32, struct spec, table, TABLE_ROWS, 0);
BPF_F_TABLE("array", u32, struct config, config, 1, BPF_F_MMAPABLE);
BPF_CGROUP_ARRAY(roots, MAX_ROOTS);
BPF_F_TABLE("hash", u64, u32, root_ids, MAX_ROOTS, 0); /* whether each is left out */
BPF_F_TABLE("array", u32, struct control, control, CPUS, BPF_F_MMAPABLE);
BPF_F_TABLE("array", u32, struct turns, turns, BLOCKS, BPF_F_MMAPABLE);
BPF_F_TABLE("array", u32, struct turns, all_turns, 1, BPF_F_MMAPABLE);
BPF_F_TABLE("hash", struct claim, u32, claims, 2 * BLOCKS + CPUS, 0);
BPF_F_TABLE("percpu_array", u32, struct call, calls, 1, 0);
BPF_F_TABLE("hash", struct loss_key, u64, losses, MOST_LOSSES, 0);
BPF_F_TABLE("lru_hash", struct sight, u32, seen, 16384, 0);
/* The processes of the traced cgroups by their numbers: none of them began later than that. */
BPF_F_TABLE("lru_hash", u32, u64, processes, 16384, 0);
BPF_F_TABLE("lru_hash", u64, u64, in_flight, MOST_IN_FLIGHT, 0);
BPF_F_TABLE("lru_hash", u32, u32, entered, 16384, 0);
BPF_F_TABLE("lru_hash", u64, struct execat, execats, 1024, 0);
BPF_F_TABLE("lru_hash", u64, u64, untold, 1024, 0);
BPF_RINGBUF_OUTPUT(bell, 1);
BPF_PROG_ARRAY(steps, 4);

/*
 * What BPF_F_TABLE("array", u32, struct block, blocks, ...) stands for, but for `spare`: BCC makes
 * code to print the second field of a table, and takes seconds over one with so many elements.
 */
struct blocks_table_t {
	u32 key;
	u32 spare;
	struct block leaf;
	struct block *(*lookup)(u32 *);
	u32 max_entries;
	int flags;
};
__attribute__((section("maps/array"))) struct blocks_table_t blocks = {
	.max_entries = BLOCKS,
	.flags = BPF_F_MMAPABLE,
};

#ifdef CAST_FUNCTION
/*
 * Since Linux 6.2 a word is loaded from any address like this: the call, of which the verifier
 * leaves a move, gives the address the type of a structure that begins with a word; a load that
 * fails loads 0. It is a call of a function of the kernel's, named by the id of its type;
 * snoop_capture/kernel_calls.py says so in the instruction, for BCC makes calls of helpers alone.
 */
static u64 (*bpf_rdonly_cast)(u64 address, u64 type) = (void *)CAST_FUNCTION;

static inline u64 load(u64 address)
{
	return *(volatile u64 *)bpf_rdonly_cast(address, WORDS_TYPE);
}

static inline u32 load32(u64 address)
{
	return *(volatile u32 *)bpf_rdonly_cast(address, WORDS_TYPE);
}
#else
static inline u64 load(u64 address)
{
	u64 value = 0;

	read_kernel(&value, sizeof(value), (void *)address);
	return value;
}

static inline u32 load32(u64 address)
{
	u32 value = 0;

	read_kernel(&value, sizeof(value), (void *)address);
	return value;
}
#endif

static inline struct config *get_config(void)
{
	u32 zero = 0;

	return config.lookup(&zero);
}

static inline struct call *get_call(void)
{
	u32 zero = 0;

	return calls.lookup(&zero);
}

static inline struct control *get_control(void)
{
	u32 cpu = bpf_get_smp_processor_id();

	return control.lookup(&cpu);
}

/* The block that this CPU fills; NULL before its first one. */
static inline struct block *get_block(struct control *ctl)
{
	u32 index = ctl->place - 1;

	return blocks.lookup(&index);
}

/*
 * What is known of the current task, and of the call that it makes. Each call of a helper costs as
 * much as a good part of this program; since Linux 5.15 the verifier knows the types of these
 * structures, and lets their fields be loaded without one. `field` is for what current_task() has
 * given, and for what that leads to; the verifier searches all of the kernel's types, for a millisecond
 * or two, each time that such a field leads to another structure. `word` is for what task_of() leads
 * to, which may have been kept in memory: its type is lost then, and not needed either.
 */
#ifdef KNOWN_TYPES
static inline u64 current_task(void)
{
	return (u64)bpf_get_current_task_btf();
}

static inline u64 field(u64 address, u64 at)
{
	return *(volatile u64 *)(address + at);
}

static inline u32 field32(u64 address, u64 at)
{
	return *(volatile u32 *)(address + at);
}
#else
static inline u64 current_task(void)
{
	return bpf_get_current_task();
}

static inline u64 field(u64 address, u64 at)
{
	return load(address + at);
}

static inline u32 field32(u64 address, u64 at)
{
	return load32(address + at);
}
#endif

#if defined(KNOWN_TYPES) && !defined(CAST_FUNCTION)
static inline u64 word(u64 address, u64 at)
{
	return field(address, at);
}

static inline u32 word32(u64 address, u64 at)
{
	return field32(address, at);
}

static inline u64 task_of(struct call *call)
{
	return current_task();
}
#else
static inline u64 word(u64 address, u64 at)
{
	return load(address + at);
}

static inline u32 word32(u64 address, u64 at)
{
	return load32(address + at);
}

static inline u64 task_of(struct call *call)
{
	return call->task;
}
#endif

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

static inline u64 own_cgroup_id(u64 task)
{
#ifdef KNOWN_TYPES
	u64 cgroup = word(word(task, AT_task_struct__cgroups), AT_css_set__dfl_cgrp);

	return word(word(cgroup, AT_cgroup__kn), AT_kernfs_node__id);
#else
	return bpf_get_current_cgroup_id();
#endif
}

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

/* Is the task's cgroup a traced one, or below one? The first root that it is below decides. */
static inline bool is_below_traced(struct config *cfg)
{
	for (u32 i = 0; i < MAX_ROOTS; i++) {
		if (i >= cfg->roots)
			break;
		if (roots.check_current_task(i) == 1)
			return !(cfg->left_out >> i & 1);
	}
	return false;
}

/*
 * The task's cgroup if it is traced, else 0. A cgroup stays where it is in the tree, so a CPU keeps
 * what it found for the last one, in one word; ids that do not fit into that are not kept.
 */
static inline u64 traced_cgroup(struct config *cfg, u64 task)
{
	u64 id = own_cgroup_id(task), known = 0, now;
	/* Read first: when recording begins meanwhile, no earlier verdict is taken for one of after. */
	u32 count = *(volatile u32 *)&cfg->roots;
	struct control *ctl = get_control();

	if (!ctl)
		return 0;
	if (!(id >> (64 - VERDICT_BITS)))
		known = ctl->verdict;
	opaque(known);
	if (known >> 1 != (id << (VERDICT_BITS - 1) | count)) {
		known = is_below_traced(cfg);
		known |= id << VERDICT_BITS | count << 1;
		now = own_cgroup_id(task);
		if (now != id) /* it has been moved, and the verdict is about that */
			id = now;
		else if (!(id >> (64 - VERDICT_BITS)))
			ctl->verdict = known;
	}
	return known & 1 ? id : 0;
}

static inline void count_loss(u64 cgroup, u32 cause)
{
	struct loss_key key = {.cgroup = cgroup, .cause = cause};
	struct control *ctl = get_control();
	u64 zero = 0, *count;

	if (ctl)
		ctl->lost[cause]++;
	count = losses.lookup_or_try_init(&key, &zero);
	if (count)
		__sync_fetch_and_add(count, 1);
}

static inline void lose(struct call *call, u32 cause)
{
	if (!(call->kind & KIND_URING_DONE)) /* that is not an event, but the result of one */
		count_loss(call->cgroup, cause);
}

static inline void ring_bell(void)
{
	u32 word = 1;

	bell.ringbuf_output(&word, sizeof(word), WAKE_NOW);
}

static inline bool has_room(struct block *block)
{
	return block->rows < ROWS && block->whos < WHOS && block->bases < BASES &&
	       block->path_end < PATH_BYTES && block->names_end < NAMES_BYTES;
}

/*
 * Takes a block for this CPU if it is free. Other CPUs may try the same: the first to insert the
 * claim has it. A CPU that was held up on its way here may insert a claim that was dropped since;
 * by then the block has been taken.
 */
static inline bool take(struct control *ctl, u64 place)
{
	u32 index = place, one = 1;
	struct turns *turn = turns.lookup(&index);
	struct block *block = blocks.lookup(&index);
	struct claim claim = {.place = place};

	if (!turn || !block)
		return false;
	claim.turn = *(volatile u64 *)&turn->taken;
	if (claim.turn != *(volatile u64 *)&turn->released || claims.insert(&claim, &one))
		return false;
	if (claim.turn != *(volatile u64 *)&turn->taken) {
		claims.delete(&claim);
		return false;
	}
	block->rows = 0;
	block->whos = 0;
	block->bases = 0;
	block->path_end = 0;
	block->names_end = 0;
	block->cpu = bpf_get_smp_processor_id();
	block->serial = ctl->serial + 1;
	barrier();
	turn->taken = claim.turn + 1;
	claim.turn--;
	claims.delete(&claim);
	ctl->place = place + 1;
	barrier();
	ctl->serial++;
	return true;
}

/* A free block becomes that of this CPU. Where only few are free it may take some rows to find. */
static inline struct block *take_block(struct control *ctl)
{
	u32 zero = 0;
	struct turns *all = all_turns.lookup(&zero);

	if (!all || all->taken - all->released >= BLOCKS)
		return NULL;
	for (u32 i = 0; i < BLOCKS_TRIED; i++) {
		ctl->tried = (ctl->tried + 1) % BLOCKS;
		if (take(ctl, ctl->tried)) {
			__sync_fetch_and_add(&all->taken, 1);
			ring_bell();
			return get_block(ctl);
		}
	}
	return NULL;
}

/* The block that takes the next row; NULL when there is none free. */
static inline struct block *writable_block(struct control *ctl)
{
	struct block *block = get_block(ctl);

	if (block && has_room(block))
		return block;
	return take_block(ctl);
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

/* The call went well with NULL for a path, as it does for futimens(3): there is none to read. */
static inline bool needs_no_path(struct call *call, u32 role)
{
	return !call->path[role & 1] && call->ret >= 0;
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
	u32 role = call->role & 1;
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
	block->who[n] = who_index(call, block, task);
	length = read_path(call, block, role);
	if (length < 0) {
		length = 0;
		if (!(call->kind & KIND_URING_DONE))
			call->mark |= needs_no_path(call, role) ? MARK_NO_PATH : MARK_UNREADABLE;
	}
	block->path_to[n] = block->path_end + length;
	if (is_relative(call, block, length)) {
		if (has_moved(call)) /* where it went is all that can be said */
			call->mark |= MARK_BASE_UNRESOLVED;
		else
			call->todo |= WALK_BASE;
	}
	if (call->result && role == result_role(call))
		call->todo |= WALK_REAL;
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

/* The struct path * of a file that the task has open; 0 where there is none under this number. */
static inline u64 path_of_fd(struct call *call, s32 fd)
{
	u64 fdt = word(word(task_of(call), AT_task_struct__files), AT_files_struct__fdt), file;

	if (fd < 0 || (u32)fd >= word32(fdt, AT_fdtable__max_fds))
		return 0;
	file = load(word(fdt, AT_fdtable__fd) + (u64)fd * sizeof(u64));
	return file ? file + AT_file__f_path : 0;
}

static inline void read_location(struct location *location, u64 path)
{
#if AT_path__mnt == 0 && AT_path__dentry == 8 && !defined(CAST_FUNCTION)
	read_kernel(location, sizeof(*location), (void *)path);
#else /* also of a kernel with RANDSTRUCT */
	location->mount = load(path + AT_path__mnt);
	location->dentry = load(path + AT_path__dentry);
#endif
}

/* Where the names that the task asks for begin at the latest. */
static inline void read_root(struct call *call)
{
	u64 fs = word(task_of(call), AT_task_struct__fs);

	call->root.mount = word(fs, AT_fs_struct__root + AT_path__mnt);
	call->root.dentry = word(fs, AT_fs_struct__root + AT_path__dentry);
}

/*
 * Begins to read a dentry. Where fields are not loaded one by one, its head is read here: its place
 * in the tree, and its name where that is short.
 */
#ifdef CAST_FUNCTION
#define DENTRY(call, field) load((call)->here.dentry + AT_dentry__##field)

static inline void read_dentry(struct call *call)
{
	call->version = load32(call->here.dentry + AT_dentry__d_seq);
}

/* What a dentry is in, and how often it has been renamed. */
static inline u64 read_parent(struct call *call, u64 dentry, u32 *version)
{
	*version = load32(dentry + AT_dentry__d_seq);
	return load(dentry + AT_dentry__d_parent);
}
#else
#define DENTRY(call, field) (*(u64 *)((call)->dentry + AT_dentry__##field))

static inline void read_dentry(struct call *call)
{
	read_kernel(call->dentry, DENTRY_BYTES, (void *)call->here.dentry);
	call->version = DENTRY(call, d_seq);
}

static inline u64 read_parent(struct call *call, u64 dentry, u32 *version)
{
	call->here.dentry = dentry;
	read_dentry(call);
	*version = call->version;
	return DENTRY(call, d_parent);
}
#endif

static inline bool is_deleted(struct call *call)
{
	return DENTRY(call, d_parent) != call->here.dentry && !DENTRY(call, d_hash__pprev);
}

static inline void read_mount_root(struct call *call)
{
	call->mount_root = load(call->here.mount + AT_vfsmount__mnt_root);
}

static inline void start_at(struct call *call, u64 path)
{
	read_location(&call->here, path);
	call->start = call->here;
	read_dentry(call);
	call->hash = 0;
	call->passed = 0;
}

/* With one more dentry by its address and, in a word, what its name is, or how often it had another. */
static inline u64 pass(u64 hash, u64 dentry, u64 word)
{
	return (hash ^ dentry ^ word) * HASH_PRIME;
}

static inline bool prepare_exe(struct call *call)
{
	u64 file = load(load(call->task + AT_task_struct__mm) + AT_mm_struct__exe_file);

	if (!file)
		return false;
	start_at(call, file + AT_file__f_path);
	read_mount_root(call);
	return true;
}

/* Is the walk at the root of the task? */
static inline bool is_at_root(struct call *call)
{
	return call->here.dentry == call->root.dentry && call->here.mount == call->root.mount;
}

#ifndef CAST_FUNCTION
static inline void start_at_directory(struct call *call, struct block *block, u64 path)
{
	start_at(call, path);
	read_mount_root(call);
	if (is_deleted(call))
		call->mark |= MARK_BASE_DELETED;
}
#endif

#ifdef KNOWN_TYPES
/* Copies a name that is kept in the dentry itself, as all that are as short are. */
static inline void copy_short_name(struct block *block, u64 at, u64 dentry)
{
#pragma unroll
	for (int i = 0; i < SHORT_NAME_BYTES; i += sizeof(u64))
		*(u64 *)(block->area + at + i) = word(dentry, AT_dentry__short_name + i);
}

/*
 * Begins at a directory, and goes up from there by loads alone, as far as the mount goes and the
 * names are short: most walks need no more. What is left is for step().
 */
static inline void go_up(struct call *call, struct block *block, u64 mount, u64 dentry)
{
	u64 at = call->at, hash = 0, passed = 0, length, names, parent;
	u32 version;

	call->here.mount = mount;
	call->here.dentry = dentry;
	call->start = call->here;
	call->mount_root = word(mount, AT_vfsmount__mnt_root);
	barrier();
	if (word(dentry, AT_dentry__d_parent) != call->here.dentry &&
	    !word(dentry, AT_dentry__d_hash__pprev))
		call->mark |= MARK_BASE_DELETED;
	for (int i = 0; i < STEPS_PER_WALK; i++) {
		if (is_at_root(call) || call->here.dentry == call->mount_root)
			break;
		version = word32(dentry, AT_dentry__d_seq);
		/* Two words: the verifier of older kernels does not take them for one. */
		length = word32(dentry, AT_dentry__d_name__hash_len + sizeof(u32));
		names = length << 32 | word32(dentry, AT_dentry__d_name__hash_len);
		opaque(at);
		if (length >= SHORT_NAME_BYTES || at > AREA_BYTES - NAME_BYTES)
			break;
		copy_short_name(block, at, dentry);
		parent = word(dentry, AT_dentry__d_parent);
		if (version & 1 || word32(dentry, AT_dentry__d_seq) != version)
			break; /* it is just being renamed */
		if (parent == call->here.dentry)
			break; /* it is in no directory */
		at += length + 1;
		hash = pass(hash, call->here.dentry, names);
		passed = pass(passed, call->here.dentry, version);
		dentry = parent;
		call->here.dentry = dentry;
		barrier();
	}
	call->at = at;
	call->hash = hash;
	call->passed = passed;
}

#ifdef CAST_FUNCTION
static inline void start_at_directory(struct call *call, struct block *block, u64 path)
{
	go_up(call, block, load(path + AT_path__mnt), load(path + AT_path__dentry));
}
#endif

static inline void start_at_own(struct call *call, struct block *block)
{
	u64 pwd = word(task_of(call), AT_task_struct__fs) + AT_fs_struct__pwd;

	go_up(call, block, word(pwd, AT_path__mnt), word(pwd, AT_path__dentry));
}
#else
static inline void start_at_own(struct call *call, struct block *block)
{
	start_at_directory(call, block, load(call->task + AT_task_struct__fs) + AT_fs_struct__pwd);
}
#endif

static inline bool prepare_base(struct call *call, struct block *block)
{
	s32 dirfd = call->dirfd[call->role & 1];
	u64 path;

	call->mark &= ~MARK_BASE_DELETED;
	if (dirfd == AT_FDCWD) {
		start_at_own(call, block);
		return true;
	}
	path = path_of_fd(call, dirfd);
	if (!path) {
		call->mark |= MARK_BASE_UNRESOLVED;
		return false;
	}
	start_at_directory(call, block, path);
	return true;
}

/* First sight of a file in its container, in this segment? */
static inline bool is_first_sight(struct call *call, struct config *cfg, u64 ino)
{
	call->sight_version = call->version;
	call->sight.cgroup = call->cgroup;
	call->sight.mount = call->here.mount;
	call->sight.dentry = call->here.dentry;
	call->sight.parent = DENTRY(call, d_parent);
	call->sight.name_hash = DENTRY(call, d_name__hash_len);
	call->sight.ino = ino;
	call->sight.root = call->root.dentry;
	call->sight.epoch = cfg->epoch;
	return !seen.lookup(&call->sight);
}

/* It has its name now, unless it has been renamed since: who knows which one the walk has found. */
static inline void keep_sight(struct call *call)
{
	u32 one = 1;

	if (load32(call->sight.dentry + AT_dentry__d_seq) == call->sight_version)
		seen.update(&call->sight, &one);
}

/* Device and inode go before the names of the walk. */
static inline bool prepare_real(struct call *call, struct block *block)
{
	struct config *cfg = get_config();
	u64 inode, at, ids[2], n = call->row;

	if (!cfg)
		return false;
	start_at(call, call->result);
	inode = DENTRY(call, d_inode);
	if (!inode)
		return false;
	ids[0] = load32(DENTRY(call, d_sb) + AT_super_block__s_dev);
	ids[1] = load(inode + AT_inode__i_ino);
	at = call->at;
	opaque(at);
	opaque(n);
	if (at > AREA_BYTES - NAME_BYTES || n >= ROWS)
		return false;
	__builtin_memcpy(block->area + at, ids, sizeof(ids));
	block->real_from[n] = at;
	block->real_to[n] = at + sizeof(ids);
	call->from = at + sizeof(ids);
	call->at = at + sizeof(ids);
	block->names_end = call->at - NAMES_START;
	call->mark |= MARK_HAS_ID;
	call->mark &= ~MARK_REAL_DELETED;
	if (is_deleted(call))
		call->mark |= MARK_REAL_DELETED;
	if (call->act & ACT_OPENS && !is_first_sight(call, cfg, ids[1]))
		return false;
	read_mount_root(call);
	return true;
}

/* Sets up the next walk that the row wants. False: there is none left. */
static inline bool next_walk(struct call *call, struct block *block)
{
	call->from = NAMES_START + block->names_end;
	call->at = call->from;
	read_root(call);
	if (call->todo & WALK_EXE && !prepare_exe(call))
		call->todo &= ~WALK_EXE;
	if (!(call->todo & WALK_EXE)) {
		if (call->todo & WALK_BASE && !prepare_base(call, block))
			call->todo &= ~WALK_BASE;
		if (!(call->todo & WALK_BASE)) {
			if (call->todo & WALK_REAL && !prepare_real(call, block))
				call->todo &= ~WALK_REAL;
		}
	}
	if (!call->todo)
		return false;
	return true;
}

/* The row's base: one of the last few of the block if it is the same, else a new one. */
static inline void end_base(struct call *call, struct block *block, u64 n)
{
	u64 place = block->bases;

	for (int i = 0; i < BASES_COMPARED; i++) {
		u64 other = (u64)block->bases - 1 - i;

		opaque(other);
		if (other >= BASES)
			break;
		if (block->base_table[other].hash == call->hash) {
			block->base[n] = other;
			return;
		}
	}
	opaque(place);
	if (place >= BASES)
		return;
	block->base_table[place].hash = call->hash;
	block->base_table[place].from = call->from;
	block->base_table[place].to = call->at;
	block->names_end = call->at - NAMES_START;
	block->bases = place + 1;
	block->base[n] = place;
}

static inline void end_exe(struct call *call, struct block *block)
{
	u64 last = (u64)block->whos - 1;

	opaque(last);
	if (last >= WHOS)
		return;
	block->task[last].exe_from = call->from;
	block->task[last].exe_to = call->at;
	block->names_end = call->at - NAMES_START;
}

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

/*
 * Does the path still start from where the walk began? Another thread may change that, and the two
 * words that say it are read one after the other.
 */
static inline bool starts_there(struct call *call)
{
	s32 dirfd = call->dirfd[call->role & 1];
	u64 path = word(task_of(call), AT_task_struct__fs) + AT_fs_struct__pwd;

	if (dirfd != AT_FDCWD)
		path = path_of_fd(call, dirfd);
	return path && load(path + AT_path__mnt) == call->start.mount &&
	       load(path + AT_path__dentry) == call->start.dentry;
}

/* Keeps the names of a whole walk, and drops those of a broken one. */
static inline void end_walk(struct call *call, struct block *block, bool complete)
{
	u64 n = call->row;

	opaque(n);
	if (n >= ROWS)
		return;
	if (complete && !(call->todo & WALK_EXE) && call->todo & WALK_BASE && !starts_there(call))
		return; /* once more */
	if (call->todo & WALK_EXE) {
		call->todo &= ~WALK_EXE;
		if (complete)
			end_exe(call, block);
	} else if (call->todo & WALK_BASE) {
		call->todo &= ~WALK_BASE;
		call->mark |= complete ? MARK_HAS_BASE : MARK_BASE_UNRESOLVED;
		if (complete)
			end_base(call, block, n);
	} else {
		call->todo &= ~WALK_REAL;
		call->mark |= complete ? MARK_HAS_REAL : MARK_REAL_UNRESOLVED;
		if (!complete)
			return;
		if (has_moved(call))
			call->mark &= ~MARK_BASE_UNRESOLVED;
		if (call->act & ACT_OPENS)
			keep_sight(call);
		block->real_to[n] = call->at;
		block->names_end = call->at - NAMES_START;
	}
}

/* What call->walking says. */
#define WALKING 1
#define CHECKING 2

#define WALK_ON 0
#define WALK_WHOLE 1
#define WALK_BROKEN 2

/*
 * Appends the dentry's name and a NUL to the area; returns their length, or less than 1. A name
 * that is not as long as it says is not this name: longer than any of Linux, or just changing.
 */
static inline long append_name(struct call *call, struct block *block, u64 at, u32 length)
{
	u64 name = DENTRY(call, d_name__name);
	long got;

	if (name != call->here.dentry + AT_dentry__short_name || length >= SHORT_NAME_BYTES) {
		got = read_kernel_str(block->area + at, NAME_BYTES, (void *)name);
		return got == (long)length + 1 ? got : 0;
	}
#ifdef CAST_FUNCTION
	copy_short_name(block, at, call->here.dentry);
#else
	__builtin_memcpy(block->area + at, call->dentry + AT_dentry__short_name, SHORT_NAME_BYTES);
#endif
	return length + 1;
}

/*
 * Have name and parent changed while they were read, or are about to? See read_seqcount_retry();
 * on arm64, which may read in another order, most such changes are seen, not all.
 */
static inline bool is_being_renamed(struct call *call)
{
	u32 now = load32(call->here.dentry + AT_dentry__d_seq);

	return now & 1 || now != call->version;
}

/* Is this the walk from where chroot(2) went? */
static inline bool is_chroots(struct call *call)
{
	return call->act & ACT_CHROOT && call->todo == WALK_REAL;
}

/* A mount that has been taken away has no parent either. */
static inline bool is_namespace_root(struct call *call, u64 mount)
{
	u64 space = load(load(call->task + AT_task_struct__nsproxy) + AT_nsproxy__mnt_ns);

	return load(space + AT_mnt_namespace__root) == mount;
}

/* From the root of a mount to the place where it is mounted. */
static inline int leave_mount(struct call *call)
{
	u64 mount = call->here.mount - AT_mount__mnt;
	u64 parent = load(mount + AT_mount__mnt_parent);

	if (!parent || parent == mount)
		return is_chroots(call) && is_namespace_root(call, mount) ? WALK_WHOLE : WALK_BROKEN;
	call->here.dentry = load(mount + AT_mount__mnt_mountpoint);
	call->here.mount = parent + AT_mount__mnt;
	read_mount_root(call);
	return WALK_ON;
}

/*
 * One step towards the root: over a mount point, or past a name, which goes to the area behind
 * the names below it: /etc/nginx becomes "nginx\0etc\0". A walk that ends at another root than
 * the task's is broken: from inside the container there is no such path. After chroot(2) the
 * task's root is where it went; that walk ends at the root of the mount namespace.
 */
static inline int step(struct call *call, struct block *block)
{
	u64 at = call->at, parent, names;
	long length;

	if (is_at_root(call) && !is_chroots(call))
		return WALK_WHOLE;
	if (call->here.dentry == call->mount_root)
		return leave_mount(call);
	read_dentry(call);
	parent = DENTRY(call, d_parent);
	names = DENTRY(call, d_name__hash_len);
	if (!parent || parent == call->here.dentry)
		return WALK_BROKEN;
	opaque(at);
	if (at > AREA_BYTES - NAME_BYTES)
		return WALK_BROKEN;
	length = append_name(call, block, at, names >> 32);
	if (is_being_renamed(call))
		return WALK_ON; /* once more */
	if (length <= 0)
		return WALK_BROKEN;
	call->at = at + length;
	call->hash = pass(call->hash, call->here.dentry, names);
	call->passed = pass(call->passed, call->here.dentry, call->version);
	call->here.dentry = parent;
	return WALK_ON;
}

/* As many steps as one program makes. */
static inline int go_on(struct call *call, struct block *block)
{
	int state = WALK_ON;

	for (int i = 0; i < STEPS_PER_WALK && state == WALK_ON; i++)
		state = step(call, block);
	return state;
}

/* From the root on which a walk has ended back to where it began, for check(). */
static inline void begin_check(struct call *call)
{
	call->end = call->here;
	call->here = call->start;
	call->checked = 0;
	read_mount_root(call);
	call->walking = CHECKING;
}

/*
 * Goes the same way once more. If nothing on it has been renamed since, then all its names were true
 * together at the moment between; otherwise they may be those of several moments, which nothing was
 * ever called.
 */
static inline int check(struct call *call)
{
	u64 checked = call->checked, dentry = call->here.dentry, parent;
	u64 mount_root = call->mount_root, end = call->end.dentry;
	u32 version;

	for (int i = 0; i < STEPS_PER_CHECK; i++) {
		if (dentry == end && call->here.mount == call->end.mount)
			return checked == call->passed ? WALK_WHOLE : WALK_BROKEN;
		if (dentry == mount_root) {
			if (leave_mount(call) == WALK_BROKEN)
				return WALK_BROKEN;
			dentry = call->here.dentry;
			mount_root = call->mount_root;
			continue;
		}
		parent = read_parent(call, dentry, &version);
		checked = pass(checked, dentry, version);
		if (parent == dentry)
			return WALK_BROKEN;
		dentry = parent;
	}
	call->here.dentry = dentry;
	call->checked = checked;
	return WALK_ON;
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

/* A word of flags in thread_info, which is the head of task_struct. */
static inline u32 thread_word(u64 task, u32 number)
{
	return field32(task, number * sizeof(u32));
}

/*
 * A call of the x32 ABI has the number of the 64-bit call and a bit, but for those whose arguments
 * are laid out as for 32 bits: of ours the execs (arch/x86/entry/syscalls/syscall_64.tbl).
 */
static inline u32 plain_number(u32 nr)
{
#ifdef X32_BIT
	if (!(nr & X32_BIT))
		return nr;
	nr &= ~X32_BIT;
	return nr == X32_EXECVE ? NR_EXECVE : nr == X32_EXECVEAT ? NR_EXECVEAT : nr;
#else
	return nr;
#endif
}

/* A 32-bit call, also one made by int 0x80 from 64-bit code, has its arguments elsewhere. */
static inline bool is_compat(u64 task)
{
	return thread_word(task, COMPAT_WORD) & COMPAT_BIT;
}

static inline bool has_filter(u64 task)
{
	return thread_word(task, SECCOMP_WORD) & SECCOMP_BIT;
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
 * entry. Entries are watched only once a traced task has a filter, and then of all tasks: filters
 * come while calls are under way (SECCOMP_FILTER_FLAG_TSYNC). Where it is not known whether an
 * entry was to be seen, a result that filters use to give counts as the filter's.
 */
static inline bool is_blocked(struct config *cfg, bool filtered, u32 nr, s64 ret)
{
	u32 tid, none = 0, *entry;
	bool matches;

	if (filtered && !cfg->seccomp) {
		cfg->seccomp = 1;
		ring_bell();
	}
	if (!cfg->watched_from)
		return filtered && gives(nr, ret);
	tid = bpf_get_current_pid_tgid();
	entry = entered.lookup(&tid);
	if (entry) {
		matches = *entry == nr + 1;
		if (*entry != EXECED) /* that is for has_execed() */
			*entry = 0;
		return filtered && !matches;
	}
	entered.update(&tid, &none);
	if (!filtered)
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

/*
 * Does an execveat only ask whether it would be allowed? Since Linux 6.14. What one that was more than
 * that has passed is gone: the new program begins with other registers, of which this one is 0.
 */
static inline bool is_question(u64 regs, struct spec *spec, bool compat)
{
	u64 flags = compat ? word(regs, AT_EXECVEAT_FLAGS_COMPAT) : word(regs, AT_EXECVEAT_FLAGS);

	return spec->flags && flags & AT_EXECVE_CHECK; /* execve has none */
}

/* Where the argument in word `place` of the registers is, counted from 1. */
static inline u64 argument_address(u64 regs, u8 place)
{
	return regs + REGS_FROM + sizeof(u64) * (place - 1);
}

/*
 * The registers of the current task as the program left them. Where the tracepoint does not tell
 * them, or the verifier has to know their type, they are the task's; that is known then.
 */
static inline u64 current_regs(struct bpf_raw_tracepoint_args *ctx, u64 *task)
{
#if defined(ON_EVENTS) || (defined(KNOWN_TYPES) && !defined(CAST_FUNCTION))
	*task = current_task();
	return (u64)bpf_task_pt_regs((struct task_struct *)*task);
#else
	return ctx->args[0];
#endif
}

static inline void copy_regs(struct call *call, u64 regs)
{
#if defined(CAST_FUNCTION)
	*(volatile u64 *)&call->regs[0] = regs;
#elif defined(KNOWN_TYPES)
#pragma unroll
	for (int i = 0; i < REGS_WORDS; i++)
		call->regs[i] = field(regs, REGS_FROM + i * sizeof(u64));
#else
	read_kernel(call->regs, sizeof(call->regs), (void *)(regs + REGS_FROM));
#endif
}

/* The argument in word `place` of the registers, counted from 1; 0 where there is none. */
static inline u64 argument(struct call *call, u8 place, bool compat)
{
	u64 index = (u64)place - 1, value;

	opaque(index);
	if (index >= REGS_WORDS)
		return 0;
#ifdef CAST_FUNCTION
	value = load(argument_address(*(volatile u64 *)&call->regs[0], place));
#else
	value = call->regs[index];
#endif
	return compat ? (u32)value : value;
}

static inline s32 dirfd_argument(struct call *call, u8 place, bool compat)
{
	return place ? (s32)argument(call, place, compat) : AT_FDCWD;
}

/* What a call has written, where it says itself how much; it is within what it may return at most. */
static inline u64 written_size(struct call *call, u8 words)
{
	u32 bytes = call->ret;

	if (call->ret < 0)
		return MOST_RETURNED;
	if (words == OUTPUT_HANDLE) { /* struct file_handle { u32 handle_bytes; int type; ... } */
		read_user(&bytes, sizeof(bytes), (void *)call->written_from);
		bytes += 2 * sizeof(u32);
	}
	return bytes;
}

/* Where the call has written to the program's memory; one that failed there, maybe to a part. */
static inline void find_written(struct call *call, struct spec *spec, bool compat)
{
	u8 words = spec->output_words;

	if (!spec->output || call->blocked || (call->ret < 0 && call->ret != -EFAULT))
		return;
	call->written_from = argument(call, spec->output, compat);
	if (words == OUTPUT_ARGS) /* struct xattr_args { u64 value; u32 size, flags; } */
		read_user(&call->written_from, sizeof(u64), (void *)call->written_from);
	call->written_to = call->written_from;
	if (words && words < OUTPUT_SPECIAL)
		call->written_to += words * 4;
	else
		call->written_to += written_size(call, words);
}

/*
 * An exec that fails late has the memory of the new program already, and kills: what is at the
 * address of the path now is not what was passed. The loader of ELF files sets end_code last.
 */
static inline bool has_lost_memory(struct call *call)
{
	if (!(call->act & ACT_EXEC))
		return false;
	return !load(load(call->task + AT_task_struct__mm) + AT_mm_struct__end_code);
}

/* The path that the call led to, for a row that says so. */
static inline u64 result_path(struct call *call)
{
	u64 fs;

	if (call->ret < 0 || call->blocked)
		return 0;
	if (call->act & ACT_OPENS)
		return path_of_fd(call, call->ret);
	if (!(call->act & ACT_MOVES))
		return 0;
	fs = load(call->task + AT_task_struct__fs);
	return fs + (call->act & ACT_CHROOT ? AT_fs_struct__root : AT_fs_struct__pwd);
}

/*
 * A socket's address has a path if it is a struct sockaddr_un { u16 family; char path[108]; } and not
 * abstract; it ends with the address, or before. `flags` is how long that is.
 */
static inline bool find_socket_path(struct call *call)
{
	u64 length = (u64)(u32)call->flags - sizeof(u16);
	char head[sizeof(u16) + 1] = {};

	call->kind |= KIND_NO_FLAGS;
	call->path_bytes = length < SOCKET_PATH_BYTES ? length : SOCKET_PATH_BYTES;
	if (length - 1 >= SOCKET_STORAGE_BYTES)
		return false;
	if (read_user(head, sizeof(head), (void *)call->path[0]))
		return call->ret >= 0; /* the kernel could read it: the row says that this could not */
	call->path[0] += sizeof(u16);
	return *(u16 *)head == AF_UNIX && head[sizeof(u16)];
}

/* fsconfig gets a path, or a number or whatever else, as its command says; sockets have addresses. */
static inline bool takes_path(struct call *call)
{
	if (call->act & ACT_SOCKET)
		return find_socket_path(call);
	return !(call->act & ACT_FSCONFIG) || call->flags == FSCONFIG_SET_PATH ||
	       call->flags == FSCONFIG_SET_PATH_EMPTY;
}

/* openat2 has its flags in user memory: struct open_how { u64 flags, mode, resolve; }. */
static inline void read_open_how(struct call *call)
{
	u64 how[3] = {};

	if (read_user(how, sizeof(how), (void *)call->flags))
		call->kind |= KIND_NO_FLAGS;
	call->flags = how[0];
	if (how[2] & RESOLVE_IN_ROOT)
		call->kind |= KIND_IN_ROOT;
}

int on_sys_exit(struct bpf_raw_tracepoint_args *ctx)
{
	u64 task = 0, regs = current_regs(ctx, &task), cgroup;
	u32 nr = plain_number(word32(regs, AT_NR));
	struct config *cfg;
	struct spec *spec;
	struct call *call;
	s64 ret = TOLD(s64, ctx, 1, sys_exit, ret);
	bool blocked, compat;

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
	blocked = is_emulated(task) || is_blocked(cfg, has_filter(task), nr, ret);
	compat = is_compat(task);
	if (compat) {
		nr += COMPAT;
		spec = table.lookup(&nr);
	}
	if (!spec || !spec->path[0])
		return 0;
	if (spec->act & ACT_EXEC && ret == 0 && !is_question(regs, spec, compat)) {
		if (has_execed() || !(has_filter(task) || is_emulated(task)))
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
	if (!has_lost_memory(call)) {
		call->path[0] = argument(call, spec->path[0], compat);
		call->path[1] = argument(call, spec->path[1], compat);
	}
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
	find_written(call, spec, compat);
	call->result = result_path(call);
	make_row(ctx, call, task); /* here, for most rows are made here, and a tail call costs */
	return 0;
}

/* Attached only once a traced task has a seccomp filter: see is_blocked(). */
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
	u64 path = place ? field_of(from, place) : 0;

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

/* The task's struct cgroup * in the tree of cgroup v2. */
static inline u64 cgroup_of(u64 task)
{
	return load(load(task + AT_task_struct__cgroups) + AT_css_set__dfl_cgrp);
}

/* Is this cgroup, which need not be the task's, a traced one, or below one, and not left out? */
static inline bool lies_below_traced(u64 cgroup)
{
	bool is_traced = false;

	for (u32 i = 0; i < MAX_LEVELS; i++) {
		u64 id = load(load(cgroup + AT_cgroup__kn) + AT_kernfs_node__id), parent;
		u32 *left_out = root_ids.lookup(&id);

		if (left_out && *left_out)
			return false;
		if (left_out)
			is_traced = true;
		parent = load(cgroup + AT_cgroup__self__parent);
		if (!parent)
			break;
		cgroup = parent - AT_cgroup__self;
	}
	return is_traced;
}

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
