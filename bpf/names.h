/* SPDX-License-Identifier: GPL-2.0 */
/* What a row wants to have named: the base of its path, what it led to, its task's executable. */

#define BASES_COMPARED 4

BPF_F_TABLE("lru_hash", struct sight, u32, seen, 16384, 0);

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

static inline bool prepare_exe(struct call *call)
{
	u64 file = load(load(call->task + AT_task_struct__mm) + AT_mm_struct__exe_file);

	if (!file)
		return false;
	start_at(call, file + AT_file__f_path);
	read_mount_root(call);
	return true;
}

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

/* The mount, and where it is: another may come to its place in memory. */
static inline u64 mount_identity(u64 address)
{
	u64 mount = address - AT_mount__mnt;
	u64 identity = pass(pass(0, mount, 0), load(mount + AT_mount__mnt_mountpoint), 0);

#ifdef AT_mount__mnt_id_unique /* since Linux 6.8 */
	identity = pass(identity, load(mount + AT_mount__mnt_id_unique), 0);
#endif
	return identity;
}

/* First sight of a file in its container, in this segment? */
static inline bool is_first_sight(struct call *call, struct config *cfg, u64 ino)
{
	call->sight_version = call->version;
	call->sight.cgroup = call->cgroup;
	call->sight.mount = mount_identity(call->here.mount);
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
