/* SPDX-License-Identifier: GPL-2.0 */
/* Blocks, which the rows are written to. The side that reads them: snoop_capture/ring.py. */

#define BLOCKS_TRIED 64
#define WAKE_NOW 2 /* BPF_RB_FORCE_WAKEUP */
#define NO_BASE 0xffffffff

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

BPF_F_TABLE("array", u32, struct control, control, CPUS, BPF_F_MMAPABLE);
BPF_F_TABLE("array", u32, struct turns, turns, BLOCKS, BPF_F_MMAPABLE);
BPF_F_TABLE("array", u32, struct turns, all_turns, 1, BPF_F_MMAPABLE);
BPF_F_TABLE("hash", struct claim, u32, claims, 2 * BLOCKS + CPUS, 0);
BPF_RINGBUF_OUTPUT(bell, 1);

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
