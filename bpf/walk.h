/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A walk names a directory or file, child first, up to the root; and goes the same way twice, to see
 * that nothing was moved meanwhile.
 */

#define NAME_BYTES 256 /* NAME_MAX and its NUL */
#define STEPS_PER_WALK 40
#define STEPS_PER_CHECK 160

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
