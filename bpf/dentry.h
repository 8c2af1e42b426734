/* SPDX-License-Identifier: GPL-2.0 */
/* Directories and files as the kernel has them: descriptors, mounts, dentries. */

#define HASH_PRIME 0x9e3779b97f4a7c15ULL

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

/* Is the walk at the root of the task? */
static inline bool is_at_root(struct call *call)
{
	return call->here.dentry == call->root.dentry && call->here.mount == call->root.mount;
}
